package feed

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// Several clients trade at once, over all there is, while others subscribe. What each of those is told adds up to what there is.
func TestWhoeverSubscribesAtAnyMomentCanFollow(t *testing.T) {
	f := New()
	token := f.NewToken(trader)
	var traders sync.WaitGroup
	followers := make(chan *follower, 100)
	for seed := range uint64(3) {
		traders.Go(func() {
			random := rand.New(rand.NewPCG(seed, 0))
			trade := newTraderAtRandom(f, token, random)
			for range 100 {
				if random.IntN(20) == 0 {
					followers <- newFollower(f, token, random.IntN(2) == 0)
				}
				trade()
			}
		})
	}
	traders.Wait()
	close(followers)

	open := make(map[string]string)
	for _, o := range openOrders(f) {
		open[o.ID] = fmt.Sprintf("%.8f of %.8f at %.5f", o.Executed, o.Quantity, o.Price)
	}
	for fo := range followers {
		fo.read(t)
		assert.Equal(t, open, fo.open)
		with(f, func(account *paper.Account) {
			for asset, balance := range fo.balances {
				assert.Equal(t, account.Balance(asset), balance, asset)
			}
		})
	}
}

// newTraderAtRandom returns what does anything that changes an account.
func newTraderAtRandom(f *Feed, token string, random *rand.Rand) func() {
	one, two := newBench(f, v1{}), newBench(f, v2{})
	id := func() (id string) {
		with(f, func(a *paper.Account) {
			if open := a.Open(); len(open) > 0 {
				id = open[random.IntN(len(open))].ID
			}
		})
		return id
	}
	return func() {
		size := 1 + random.IntN(3)
		switch random.IntN(10) {
		case 0, 1:
			one.receive(fmt.Appendf(nil, `{"event":"addOrder","token":%q,"pair":"ETH/USD","type":"sell","ordertype":"limit","price":"%d","volume":"0.%d"}`, token, 1000+size, size))
		case 2, 3:
			two.receive(fmt.Appendf(nil, `{"method":"add_order","params":{"token":%q,"symbol":"BTC/USD","side":"buy","order_type":"limit","limit_price":%d,"order_qty":0.0%d}}`, token, 1000+size, size))
		case 4:
			two.receive(fmt.Appendf(nil, `{"method":"amend_order","params":{"token":%q,"order_id":%q,"order_qty":0.%d}}`, token, id(), size))
		case 5:
			two.receive(fmt.Appendf(nil, `{"method":"edit_order","params":{"token":%q,"order_id":%q,"symbol":"BTC/USD","limit_price":%d}}`, token, id(), 2000+size))
		case 6:
			one.receive(fmt.Appendf(nil, `{"event":"cancelOrder","token":%q,"txid":[%q,%q]}`, token, id(), id()))
		case 7:
			_ = f.Fill(id(), 0, 0)
		case 8:
			_ = f.Fill(id(), 0.001, 0)
		case 9:
			with(f, func(a *paper.Account) {
				if random.IntN(10) == 0 {
					a.CancelAll(time.Now())
				}
				_, _ = a.Place(paper.Request{Pair: paper.Pairs[0], Side: "sell", Type: "limit", Quantity: 0.001, Price: 30_000}, time.Now())
			})
		}
	}
}

// follower is a client that keeps what it is told.
type follower struct {
	bench
	isV1     bool
	open     map[string]string // by order id
	fields   map[string]object
	balances map[string]float64
	sequence map[string]float64 // by channel
	trades   map[string]bool
}

func newFollower(f *Feed, token string, isV1 bool) *follower {
	fo := &follower{isV1: isV1, open: map[string]string{}, fields: map[string]object{}, balances: map[string]float64{},
		sequence: map[string]float64{}, trades: map[string]bool{}}
	if isV1 {
		fo.bench = newBench(f, v1{})
		for _, channel := range []string{"openOrders", "ownTrades"} {
			fo.socket.receive(fmt.Appendf(nil, `{"event":"subscribe","subscription":{"name":%q,"token":%q}}`, channel, token))
		}
		return fo
	}
	fo.bench = newBench(f, v2{})
	for _, channel := range []string{"executions", "balances"} {
		fo.socket.receive(fmt.Appendf(nil, `{"method":"subscribe","params":{"channel":%q,"token":%q}}`, channel, token))
	}
	return fo
}

// read takes all in that was sent.
func (fo *follower) read(t *testing.T) {
	t.Helper()
	for _, text := range fo.sent() {
		if fo.isV1 {
			var message []json.RawMessage
			if json.Unmarshal([]byte(text), &message) == nil {
				fo.readV1(t, message)
			}
			continue
		}
		var message struct {
			Channel, Type string
			Data          []object
			Sequence      float64
		}
		require.NoError(t, json.Unmarshal([]byte(text), &message))
		if message.Data == nil {
			continue
		}
		fo.count(t, message.Channel, message.Sequence)
		for _, data := range message.Data {
			if message.Channel == "balances" {
				fo.balances[data["asset"].(string)] = data["balance"].(float64)
				continue
			}
			id := data["order_id"].(string)
			fo.change(t, id, data, data["exec_type"] == "canceled" || data["exec_type"] == "filled")
		}
	}
	for id, fields := range fo.fields {
		number := func(name string) (n float64) {
			_, _ = fmt.Sscan(fmt.Sprint(fields[name]), &n)
			return n
		}
		quantity, price, executed := number("order_qty"), number("limit_price"), number("cum_qty")
		if fo.isV1 {
			quantity, executed = number("vol"), number("vol_exec")
			_, _ = fmt.Sscan(fields["descr"].(map[string]any)["price"].(string), &price)
		}
		fo.open[id] = fmt.Sprintf("%.8f of %.8f at %.5f", executed, quantity, price)
	}
}

func (fo *follower) readV1(t *testing.T, message []json.RawMessage) {
	t.Helper()
	var entries []map[string]object
	var channel string
	var end struct{ Sequence float64 }
	require.NoError(t, json.Unmarshal(message[0], &entries))
	require.NoError(t, json.Unmarshal(message[1], &channel))
	require.NoError(t, json.Unmarshal(message[2], &end))
	fo.count(t, channel, end.Sequence)
	for _, entry := range entries {
		for id, fields := range entry {
			if channel == "ownTrades" {
				require.False(t, fo.trades[id], "a trade is told once")
				fo.trades[id] = true
				continue
			}
			fo.change(t, id, fields, fields["status"] == "canceled" || fields["status"] == "closed")
		}
	}
}

func (fo *follower) count(t *testing.T, channel string, sequence float64) {
	t.Helper()
	fo.sequence[channel]++
	require.Equal(t, fo.sequence[channel], sequence, channel)
}

func (fo *follower) change(t *testing.T, id string, fields object, closed bool) {
	t.Helper()
	known := fo.fields[id]
	if closed {
		require.NotNil(t, known, "what closes was open")
		delete(fo.fields, id)
		return
	}
	if known == nil {
		require.True(t, fields["order_qty"] != nil || fields["vol"] != nil, "what is new is told whole: %v", fields)
		known = object{}
		fo.fields[id] = known
	}
	for name, value := range fields {
		known[name] = value
	}
}

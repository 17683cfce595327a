package feed

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

var order = paper.Request{Pair: paper.Pairs[0], Side: "buy", Type: "limit", Quantity: 0.5, Price: 20_000}

// place places an order beside the feed, as REST does.
func place(t *testing.T, f *Feed) paper.Order {
	t.Helper()
	var o paper.Order
	with(f, func(account *paper.Account) {
		var err error
		o, err = account.Place(order, time.Now())
		require.NoError(t, err)
	})
	return o
}

func TestWhatIsTradedElsewhereReachesSubscribersOfBothVersions(t *testing.T) {
	f := New()
	v1Client, v2Client := newBench(f, v1{}), newBench(f, v2{})
	v1Client.receive(fmt.Appendf(nil, v1OpenOrders, f.NewToken(trader)))
	v2Client.receive(fmt.Appendf(nil, v2Executions, f.NewToken(trader)))
	stranger := newBench(f, v2{})
	stranger.receive(fmt.Appendf(nil, v2Executions, f.NewToken(Holder{APIKey: "other", Permissions: trader.Permissions})))

	o := place(t, f)
	sent := v1Client.sent()
	require.Len(t, sent, 2)
	wiretest.Matches(t, `[[{"`+o.ID+`":{"status":"pending"}}],"openOrders",{"sequence":2}]`, sent[0])
	wiretest.Matches(t, `[[{"`+o.ID+`":{"status":"open"}}],"openOrders",{"sequence":3}]`, sent[1])
	sent = v2Client.sent()
	require.Len(t, sent, 2)
	wiretest.Matches(t, `{"data":[{"order_id":"`+o.ID+`","exec_type":"new"}],"sequence":3}`, sent[1])
	assert.Empty(t, stranger.sent())
}

func TestAnOrderIsFilledWhoeverHasIt(t *testing.T) {
	f := New()
	o := place(t, f)
	require.NoError(t, f.WithAccount("other", func(*paper.Account) error { return nil }))
	require.NoError(t, f.Fill(o.ID, 0.1, 0))
	assert.Equal(t, paper.Invalid("volume"), f.Fill(o.ID, 1, 0))
	require.NoError(t, f.Fill(o.ID, 0, 0))
	assert.Equal(t, paper.UnknownOrder, f.Fill(o.ID, 0, 0))
	with(f, func(account *paper.Account) {
		assert.Len(t, account.Trades(), 2)
		assert.Empty(t, account.TakeEvents(), "all are told")
	})
}

func TestTheDeadMansSwitchNeedsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New()
		defer f.Close()
		after := func(seconds int64) {
			with(f, func(account *paper.Account) { _, _ = account.CancelAllAfter(seconds, time.Now()) })
		}
		open := func() int { return len(openOrders(f)) }
		b := newBench(f, v2{})
		b.receive(fmt.Appendf(nil, v2Executions, f.NewToken(trader)))
		place(t, f)
		after(60)
		time.Sleep(50 * time.Second)
		after(60)
		time.Sleep(time.Minute - 1)
		synctest.Wait()
		assert.Equal(t, 1, open(), "it was put off")
		b.sent()
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		assert.Equal(t, 0, open())
		sent := b.sent()
		require.Len(t, sent, 1)
		wiretest.Matches(t, `{"data":[{"exec_type":"canceled"}]}`, sent[0])

		place(t, f)
		after(60)
		after(0)
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, 1, open(), "it was switched off")
		after(60)
		f.Close()
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, 1, open(), "the feed is closed")
	})
}

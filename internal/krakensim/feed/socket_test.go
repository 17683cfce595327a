package feed

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var orderID = regexp.MustCompile(`^O[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{6}$`)

const v2Executions = `{"method":"subscribe","params":{"channel":"executions","token":"%s"},"req_id":7}`
const v1OpenOrders = `{"event":"subscribe","reqid":7,"subscription":{"name":"openOrders","token":"%s"}}`

func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	cut := false
	f := New()
	s := newSocket(f, v2{}, func() { cut = true })
	for range maxUnsent {
		s.send("x")
	}
	require.False(t, cut)
	s.send("x")
	assert.True(t, cut)
}

func TestHeartbeatsComeWithASubscription(t *testing.T) {
	server := serve(t)
	for url, test := range map[string]struct{ subscribe, heartbeat string }{
		server.v1: {v1OpenOrders, `{"event":"heartbeat"}`},
		server.v2: {v2Executions, `{"channel":"heartbeat"}`},
	} {
		ws := wiretest.Dial(t, url)
		ws.Send(fmt.Sprintf(test.subscribe, server.NewToken(trader)))
		for ws.Read() != test.heartbeat {
		}
	}
}

func TestOversizedFramesCloseTheConnection(t *testing.T) {
	ws := wiretest.Dial(t, serve(t).v2)
	ws.Next()
	_ = ws.Conn.Write(t.Context(), websocket.MessageText, []byte(strings.Repeat(" ", maxFrame+1)))
	_, _, err := ws.Conn.Read(t.Context())
	assert.Equal(t, websocket.StatusMessageTooBig, websocket.CloseStatus(err))
}

func TestDroppedSocketsMayComeAgain(t *testing.T) {
	server := serve(t)
	for range 2 {
		token := server.NewToken(trader)
		ws := wiretest.Dial(t, server.v2)
		ws.Next()
		ws.Send(fmt.Sprintf(v2Executions, token))
		ws.Next()
		assert.Equal(t, []string{token}, server.Subscribed("executions"))
		assert.Empty(t, server.Subscribed("balances"))

		server.DropSockets()
		var err error
		for err == nil { // the snapshot may still be on its way
			_, _, err = ws.Conn.Read(t.Context())
		}
		assert.Eventually(t, func() bool { return len(server.Subscribed("executions")) == 0 }, 5*time.Second, time.Millisecond)
	}
}

func TestSocketsAreLimited(t *testing.T) {
	server := serve(t)
	for range maxSockets {
		newBench(server.Feed, v2{})
	}
	_, response, err := websocket.Dial(t.Context(), server.v2, nil)
	require.Error(t, err)
	assert.Equal(t, 503, response.StatusCode)
}

func TestOrdersReachSubscribersOfBothVersions(t *testing.T) {
	server := serve(t)
	first, second := wiretest.Dial(t, server.v1), wiretest.Dial(t, server.v2)
	first.Next()
	second.Next()
	first.Send(fmt.Sprintf(v1OpenOrders, server.NewToken(trader)))
	first.Next()
	wiretest.Matches(t, `[[],"openOrders",{"sequence":1}]`, first.Next())

	second.Send(`{"method":"add_order","params":{"order_type":"limit","side":"buy","order_qty":0.5,"limit_price":20000,` +
		`"symbol":"BTC/USD","token":"` + server.NewToken(trader) + `"}}`)
	var ack struct {
		Result struct {
			OrderID string `json:"order_id"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(second.Next()), &ack))
	require.Regexp(t, orderID, ack.Result.OrderID)
	wiretest.Matches(t, `[[{"`+ack.Result.OrderID+`":{"status":"pending","vol":"0.50000000","descr":{"pair":"XBT/USD",
		"order":"buy 0.50000000 XBT/USD @ limit 20000.00000"}}}],"openOrders",{"sequence":2}]`, first.Next())
	wiretest.Matches(t, `[[{"`+ack.Result.OrderID+`":{"status":"open"}}],"openOrders",{"sequence":3}]`, first.Next())
}

func FuzzWebSocketV2Frame(f *testing.F) { fuzzFrames(f, v2{}, v2Executions) }
func FuzzWebSocketV1Frame(f *testing.F) { fuzzFrames(f, v1{}, v1OpenOrders) }

// fuzzFrames checks that any bytes are answered, with JSON, and that no order holds what the account doesn't have. TOKEN in the
// input stands for a live token, and MINE for the id of an open order.
func fuzzFrames(f *testing.F, p protocol, subscribe string) {
	for _, seed := range []string{
		``, `{`, `null`, `[]`, `5`, `{"method":5}`, `{"event":[]}`, `{"method":"ping","req_id":1}`,
		`{"event":"ping","reqid":18446744073709551616}`, fmt.Sprintf(subscribe, "TOKEN"), fmt.Sprintf(subscribe, "x"),
		`{"method":"add_order","params":{"order_type":"limit","side":"buy","order_qty":1e308,"limit_price":1e308,` +
			`"symbol":"BTC/USD","token":"TOKEN","cl_ord_id":"a"}}`,
		`{"method":"cancel_order","params":{"cl_ord_id":["a"],"order_id":["b"],"token":"TOKEN"}}`,
		`{"method":"cancel_order","params":{"order_userref":[1,-1],"token":"TOKEN"}}`,
		`{"method":"amend_order","params":{"order_id":"MINE","order_qty":1e-9,"limit_price":-0,"token":"TOKEN"}}`,
		`{"method":"edit_order","params":{"order_id":"MINE","symbol":"BTC/USD","order_qty":1,"validate":true,"token":"TOKEN"}}`,
		`{"method":"cancel_all","params":{"token":"TOKEN"}}`,
		`{"method":"cancel_all_orders_after","params":{"timeout":86399,"token":"TOKEN"}}`,
		`{"method":"batch_add","params":{"symbol":"BTC/USD","deadline":"2026-01-01T00:00:00Z","token":"TOKEN","orders":[null,{` +
			`"order_type":"market","side":"sell","order_qty":1,"time_in_force":"ioc"}]}}`,
		`{"method":"batch_cancel","params":{"orders":["MINE","1"],"cl_ord_id":["a"],"token":"TOKEN"}}`,
		`{"event":"addOrder","token":"TOKEN","pair":"XBT/USD","type":"buy","ordertype":"limit","price":"NaN","volume":"1"}`,
		`{"event":"cancelOrder","token":"TOKEN","txid":["x"]}`,
		`{"method":"unsubscribe","params":{"channel":"executions","token":"TOKEN"}}`,
		`{"event":"unsubscribe","subscription":{"name":"ownTrades"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		f := New()
		defer f.Close()
		mine := strings.NewReplacer("TOKEN", f.NewToken(trader), "MINE", place(t, f).ID)
		sent := newBench(f, p).receive([]byte(mine.Replace(string(frame))))
		require.NotEmpty(t, sent)
		for _, message := range sent {
			assert.True(t, json.Valid([]byte(message)), message)
		}
		with(f, func(account *paper.Account) {
			for _, asset := range paper.Assets {
				held := account.Held(asset.Code)
				assert.True(t, held >= 0 && held <= account.Balance(asset.Code), "%s: %v", asset.Code, held)
			}
		})
	})
}

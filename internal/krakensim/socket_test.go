package krakensim

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var orderID = regexp.MustCompile(`^O[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{6}$`)

// bench drives a protocol without a connection: what goes in is what would come from the client.
type bench struct {
	socket *socket
}

func newBench(x *Exchange, p protocol) bench {
	s := newSocket(x, p, func() {})
	x.open(s)
	b := bench{s}
	b.sent()
	return b
}

// receive gives the protocol a message and returns what it sends.
func (b bench) receive(message []byte) []string {
	b.socket.exchange.mu.Lock()
	b.socket.protocol.receive(b.socket, message, time.Now())
	b.socket.exchange.mu.Unlock()
	return b.sent()
}

func (b bench) sent() []string {
	var sent []string
	for {
		select {
		case message := <-b.socket.unsent:
			sent = append(sent, string(message))
		default:
			return sent
		}
	}
}

const v2Executions = `{"method":"subscribe","params":{"channel":"executions","token":"%s"},"req_id":7}`
const v1OpenOrders = `{"event":"subscribe","reqid":7,"subscription":{"name":"openOrders","token":"%s"}}`

func TestTokensExpireUnlessASubscriptionStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := New(exampleKey)
		kept, unused := mintToken(t, x), mintToken(t, x)
		holder := newBench(x, v2{})
		matches(t, `{"success":true}`, holder.receive(fmt.Appendf(nil, v2Executions, kept))[0])

		time.Sleep(tokenLife)
		matches(t, `{"success":false,"error":"ESession:Invalid session"}`,
			newBench(x, v2{}).receive(fmt.Appendf(nil, v2Executions, unused))[0])
		other := newBench(x, v1{})
		matches(t, `{"status":"subscribed"}`, other.receive(fmt.Appendf(nil, v1OpenOrders, kept))[0])

		x.close(holder.socket)
		matches(t, `{"status":"subscribed"}`, newBench(x, v1{}).receive(fmt.Appendf(nil, v1OpenOrders, kept))[0])
		for s := range x.sockets {
			x.close(s)
		}
		matches(t, `{"status":"error","errorMessage":"ESession:Invalid session"}`,
			newBench(x, v1{}).receive(fmt.Appendf(nil, v1OpenOrders, kept))[0])
	})
}

func TestAFreshTokenLastsFifteenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := New(exampleKey)
		token := mintToken(t, x)
		time.Sleep(tokenLife - time.Nanosecond)
		matches(t, `{"success":true}`, newBench(x, v2{}).receive(fmt.Appendf(nil, v2Executions, token))[0])
	})
}

func TestExpireTokensKillsThemAll(t *testing.T) {
	x := New(exampleKey)
	token := mintToken(t, x)
	b := newBench(x, v2{})
	b.receive(fmt.Appendf(nil, v2Executions, token))
	x.ExpireTokens()
	matches(t, `{"error":"ESession:Invalid session"}`,
		newBench(x, v2{}).receive(fmt.Appendf(nil, v2Executions, token))[0])
	assert.Len(t, b.socket.subscriptions, 1, "what is open stays open")
}

func TestExpiredTokensAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := New(exampleKey)
		for range 1000 {
			mintToken(t, x)
		}
		time.Sleep(tokenLife)
		for range 1000 {
			mintToken(t, x)
		}
		assert.LessOrEqual(t, len(x.sessions), 1024)
	})
}

func TestAKeysPermissionsGoForItsTokens(t *testing.T) {
	key := exampleKey
	key.Permissions = []string{PermissionWebSockets}
	x := New(key)
	token := mintToken(t, x)
	b2, b1 := newBench(x, v2{}), newBench(x, v1{})
	denied := `{"error":"EGeneral:Permission denied","success":false}`
	matches(t, denied, b2.receive(fmt.Appendf(nil, v2Executions, token))[0])
	matches(t, denied, b2.receive([]byte(`{"method":"add_order","params":{"token":"` + token + `"}}`))[0])
	denied = `{"errorMessage":"EGeneral:Permission denied","status":"error"}`
	matches(t, denied, b1.receive(fmt.Appendf(nil, v1OpenOrders, token))[0])
	matches(t, denied, b1.receive([]byte(`{"event":"cancelOrder","token":"` + token + `"}`))[0])
}

func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	cut := false
	x := New(exampleKey)
	s := newSocket(x, v2{}, func() { cut = true })
	for range maxUnsent {
		s.send("x")
	}
	require.False(t, cut)
	s.send("x")
	assert.True(t, cut)
}

func TestHeartbeatsComeWithASubscription(t *testing.T) {
	server := startServer(t, Options{})
	for url, test := range map[string]struct{ subscribe, heartbeat string }{
		server.WebSocketURL():   {v1OpenOrders, `{"event":"heartbeat"}`},
		server.WebSocketV2URL(): {v2Executions, `{"channel":"heartbeat"}`},
	} {
		ws := dial(t, url)
		ws.send(fmt.Sprintf(test.subscribe, mintToken(t, server.Exchange)))
		for ws.read() != test.heartbeat {
		}
	}
}

func TestOversizedFramesCloseTheConnection(t *testing.T) {
	ws := dial(t, startServer(t, Options{}).WebSocketV2URL())
	ws.next()
	_ = ws.conn.Write(t.Context(), websocket.MessageText, []byte(strings.Repeat(" ", maxFrame+1)))
	_, _, err := ws.conn.Read(t.Context())
	assert.Equal(t, websocket.StatusMessageTooBig, websocket.CloseStatus(err))
}

func TestDroppedSocketsMayComeAgain(t *testing.T) {
	server := startServer(t, Options{})
	for range 2 {
		token := mintToken(t, server.Exchange)
		ws := dial(t, server.WebSocketV2URL())
		ws.next()
		ws.send(fmt.Sprintf(v2Executions, token))
		ws.next()
		assert.Equal(t, []string{token}, server.Subscribed("executions"))
		assert.Empty(t, server.Subscribed("balances"))

		server.DropSockets()
		var err error
		for err == nil { // the snapshot may still be on its way
			_, _, err = ws.conn.Read(t.Context())
		}
		assert.Eventually(t, func() bool { return len(server.Subscribed("executions")) == 0 }, 5*time.Second, time.Millisecond)
	}
}

func TestSocketsAreLimited(t *testing.T) {
	server := startServer(t, Options{})
	for range maxSockets {
		newBench(server.Exchange, v2{})
	}
	_, response, err := websocket.Dial(t.Context(), server.WebSocketV2URL(), nil)
	require.Error(t, err)
	assert.Equal(t, 503, response.StatusCode)
}

func TestOrdersReachSubscribersOfBothVersions(t *testing.T) {
	server := startServer(t, Options{})
	first, second := dial(t, server.WebSocketURL()), dial(t, server.WebSocketV2URL())
	first.next()
	second.next()
	first.send(fmt.Sprintf(v1OpenOrders, mintToken(t, server.Exchange)))
	first.next()
	matches(t, `[[],"openOrders",{"sequence":1}]`, first.next())

	second.send(`{"method":"add_order","params":{"order_type":"limit","side":"buy","order_qty":0.5,"limit_price":20000,` +
		`"symbol":"BTC/USD","token":"` + mintToken(t, server.Exchange) + `"}}`)
	var ack struct {
		Result struct {
			OrderID string `json:"order_id"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(second.next()), &ack))
	require.Regexp(t, orderID, ack.Result.OrderID)
	matches(t, `[[{"`+ack.Result.OrderID+`":{"status":"pending","vol":"0.50000000","descr":{"pair":"XBT/USD",
		"order":"buy 0.50000000 XBT/USD @ limit 20000.0"}}}],"openOrders",{"sequence":2}]`, first.next())
	matches(t, `[[{"`+ack.Result.OrderID+`":{"status":"open"}}],"openOrders",{"sequence":3}]`, first.next())
	matches(t, `{"result":{"ZUSD":{"hold_trade":"10000.0000"}}}`,
		newRequest("/0/private/BalanceEx", 100).do(t, server.Transport()).body)
}

func FuzzWebSocketV2Frame(f *testing.F) { fuzzFrames(f, v2{}, v2Executions) }
func FuzzWebSocketV1Frame(f *testing.F) { fuzzFrames(f, v1{}, v1OpenOrders) }

// fuzzFrames checks that any bytes are answered, with JSON. TOKEN in the input stands for a live token.
func fuzzFrames(f *testing.F, p protocol, subscribe string) {
	for _, seed := range []string{
		``, `{`, `null`, `[]`, `5`, `{"method":5}`, `{"event":[]}`, `{"method":"ping","req_id":1}`,
		`{"event":"ping","reqid":18446744073709551616}`, fmt.Sprintf(subscribe, "TOKEN"), fmt.Sprintf(subscribe, "x"),
		`{"method":"add_order","params":{"order_type":"limit","side":"buy","order_qty":1e308,"limit_price":1e308,` +
			`"symbol":"BTC/USD","token":"TOKEN","cl_ord_id":"a"}}`,
		`{"method":"cancel_order","params":{"cl_ord_id":["a"],"order_id":"b","token":"TOKEN"}}`,
		`{"event":"addOrder","token":"TOKEN","pair":"XBT/USD","type":"buy","ordertype":"limit","price":"NaN","volume":"1"}`,
		`{"event":"cancelOrder","token":"TOKEN","txid":["x"]}`,
		`{"method":"unsubscribe","params":{"channel":"executions","token":"TOKEN"}}`,
		`{"event":"unsubscribe","subscription":{"name":"ownTrades"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		x := New(exampleKey)
		token := x.NewToken(ExampleAPIKey)
		b := newBench(x, p)
		sent := b.receive([]byte(strings.ReplaceAll(string(frame), "TOKEN", token)))
		require.NotEmpty(t, sent)
		for _, message := range sent {
			assert.True(t, json.Valid([]byte(message)), message)
		}
	})
}

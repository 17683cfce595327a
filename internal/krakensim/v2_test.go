package krakensim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestV2GreetsWithItsStatus(t *testing.T) {
	matches(t, `{"channel":"status","type":"update","data":[{"api_version":"v2","connection_id":"*","system":"online",
		"version":"*"}]}`, dial(t, startServer(t, Options{}).WebSocketV2URL()).next())
}

func TestV2SubscribesToPrivateChannels(t *testing.T) {
	server := startServer(t, Options{})
	ws := dial(t, server.WebSocketV2URL())
	ws.next()
	token := mintToken(t, server.Exchange)

	ws.send(fmt.Sprintf(v2Executions, token))
	matches(t, `{"method":"subscribe","req_id":7,"success":true,"time_in":"*","time_out":"*",
		"result":{"channel":"executions","snapshot":true,"maxratecount":180}}`, ws.next())
	matches(t, `{"channel":"executions","type":"snapshot","data":[],"sequence":1}`, ws.next())
	ws.send(fmt.Sprintf(v2Executions, token))
	matches(t, `{"success":false,"error":"Already subscribed","req_id":7}`, ws.next())

	ws.send(`{"method":"subscribe","params":{"channel":"balances","token":"` + token + `"}}`)
	matches(t, `{"method":"subscribe","success":true,"result":{"channel":"balances","snapshot":true}}`, ws.next())
	matches(t, `{"channel":"balances","type":"snapshot","sequence":1,"data":[{"asset":"USD","balance":100000},
		{"asset":"BTC","asset_class":"currency","balance":2,"wallets":[{"type":"spot","id":"main","balance":2}]},
		{"asset":"ETH","balance":50}]}`, ws.next())

	ws.send(`{"method":"unsubscribe","params":{"channel":"balances","token":"` + token + `"}}`)
	matches(t, `{"method":"unsubscribe","success":true,"result":{"channel":"balances"}}`, ws.next())
	ws.send(`{"method":"unsubscribe","params":{"channel":"balances","token":"` + token + `"}}`)
	matches(t, `{"method":"unsubscribe","success":false,"error":"Subscription Not Found"}`, ws.next())

	ws.send(`{"method":"subscribe","params":{"channel":"balances","snapshot":false,"token":"` + token + `"}}`)
	matches(t, `{"success":true,"result":{"snapshot":false}}`, ws.next())
	ws.send(`{"method":"ping"}`)
	matches(t, `{"method":"pong"}`, ws.next())
}

func TestV2TradesOnPaper(t *testing.T) {
	server := startServer(t, Options{})
	ws := dial(t, server.WebSocketV2URL())
	ws.next()
	token := mintToken(t, server.Exchange)
	ws.send(fmt.Sprintf(v2Executions, token))
	ws.next()
	ws.next()

	order := `{"method":"add_order","req_id":1,"params":{"order_type":"%s","side":"sell","order_qty":0.25,` +
		`"limit_price":90000.5,"symbol":"BTC/USD","cl_ord_id":"mine","token":"` + token + `"}}`
	ws.send(fmt.Sprintf(order, "limit"))
	ack := matches(t, `{"method":"add_order","req_id":1,"success":true,"time_in":"*","time_out":"*",
		"result":{"order_id":"*","cl_ord_id":"mine"}}`, ws.next())
	id := ack.(map[string]any)["result"].(map[string]any)["order_id"].(string)
	assert.Regexp(t, orderID, id)
	matches(t, `{"channel":"executions","type":"update","sequence":2,"data":[{"order_id":"`+id+`","cl_ord_id":"mine",
		"exec_type":"pending_new","order_status":"pending_new","symbol":"BTC/USD","side":"sell","order_type":"limit",
		"order_qty":0.25,"limit_price":90000.5,"time_in_force":"GTC","timestamp":"*"}]}`, ws.next())
	matches(t, `{"sequence":3,"data":[{"order_id":"`+id+`","exec_type":"new","order_status":"new"}]}`, ws.next())

	ws.send(fmt.Sprintf(order, "limit"))
	matches(t, `{"success":false,"error":"EOrder:Duplicate order"}`, ws.next())

	other := dial(t, server.WebSocketV2URL())
	other.next()
	other.send(fmt.Sprintf(v2Executions, token))
	other.next()
	matches(t, `{"type":"snapshot","data":[{"order_id":"`+id+`","exec_type":"new"}]}`, other.next())

	ws.send(`{"method":"cancel_order","params":{"order_id":["` + id + `","OXXXXX-XXXXX-XXXXXX"],"token":"` + token + `"}}`)
	matches(t, `{"method":"cancel_order","success":true,"result":{"order_id":"`+id+`"}}`, ws.next())
	matches(t, `{"sequence":4,"data":[{"order_id":"`+id+`","exec_type":"canceled","order_status":"canceled",
		"reason":"User requested","cum_qty":0}]}`, ws.next())
	matches(t, `{"method":"cancel_order","success":false,"error":"EOrder:Unknown order"}`, ws.next())

	ws.send(fmt.Sprintf(order, "market"))
	matches(t, `{"success":true}`, ws.next())
	matches(t, `{"data":[{"exec_type":"pending_new"}]}`, ws.next())
	matches(t, `{"data":[{"exec_type":"new"}]}`, ws.next())
	matches(t, `{"data":[{"exec_type":"canceled"}]}`, ws.next())
}

func TestV2RefusesInKrakensWords(t *testing.T) {
	order := func(fields string) string {
		return `{"method":"add_order","params":{"token":"TOKEN","order_type":"limit","side":"buy","order_qty":1,` +
			`"limit_price":100,"symbol":"BTC/USD"` + fields + `}}`
	}
	tests := map[string]struct{ frame, want string }{
		"ping":                                 {`{"method":"ping","req_id":3}`, `{"method":"pong","req_id":3,"time_in":"*","time_out":"*"}`},
		"ping with parameters":                 {`{"method":"ping","params":{}}`, `{"method":"ping","success":false,"error":"Unsupported field: 'params' for the given msg type: ping"}`},
		"no JSON":                              {`hello`, `{"success":false,"error":"Malformed request"}`},
		"a list":                               {`[1]`, `{"error":"Malformed request"}`},
		"parameters that are a list":           {`{"method":"subscribe","params":[]}`, `{"error":"Malformed request"}`},
		"no method":                            {`{"req_id":1}`, `{"error":"Method(s) not found","req_id":1}`},
		"an unknown method":                    {`{"method":"dance","req_id":1}`, `{"method":"dance","error":"Unsupported event","success":false,"req_id":1}`},
		"a req_id that is no integer":          {`{"method":"ping","req_id":"a"}`, `{"method":"ping","success":false,"error":"Req_id field must be a positive integer less than 18446744073709551616"}`},
		"no channel":                           {`{"method":"subscribe","params":{"token":"TOKEN"}}`, `{"method":"subscribe","error":"Channel(s) not found","success":false}`},
		"an unknown channel":                   {`{"method":"subscribe","params":{"channel":"x","token":"TOKEN"}}`, `{"error":"Unsupported event"}`},
		"a public channel":                     {`{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD"]}}`, `{"error":"Public market data subscriptions are unavailable on this endpoint. Try ws.kraken.com"}`},
		"no token":                             {`{"method":"subscribe","params":{"channel":"executions"}}`, `{"channel":"executions","error":"ESession:Invalid session","method":"subscribe","status":"error","success":false}`},
		"an unknown token":                     {`{"method":"subscribe","params":{"channel":"balances","token":"x"},"req_id":9}`, `{"channel":"balances","error":"ESession:Invalid session","req_id":9}`},
		"to unsubscribe with an unknown token": {`{"method":"unsubscribe","params":{"channel":"balances","token":"x"}}`, `{"error":"ESession:Invalid session"}`},
		"to unsubscribe from no channel":       {`{"method":"unsubscribe","params":{}}`, `{"error":"Channel(s) not found"}`},
		"an order without a token":             {`{"method":"add_order","params":{}}`, `{"method":"add_order","error":"Token(s) not found","success":false}`},
		"an order with an unknown token":       {`{"method":"add_order","params":{"token":"x"}}`, `{"error":"ESession:Invalid session"}`},
		"an order on an unknown market":        {order(`,"symbol":"XBT/USD"`), `{"error":"EQuery:Unknown asset pair"}`},
		"a quantity in a string":               {order(`,"order_qty":"1"`), `{"error":"Order_qty field must be a number_float"}`},
		"no quantity":                          {order(`,"order_qty":0`), `{"error":"EGeneral:Invalid arguments:volume"}`},
		"a negative price":                     {order(`,"limit_price":-1`), `{"error":"EGeneral:Invalid arguments:price"}`},
		"neither buy nor sell":                 {order(`,"side":"hold"`), `{"error":"EGeneral:Invalid arguments:side"}`},
		"an unknown order type":                {order(`,"order_type":"magic"`), `{"error":"EGeneral:Invalid arguments:ordertype"}`},
		"more than there is":                   {order(`,"order_qty":1001`), `{"error":"EOrder:Insufficient funds"}`},
		"more than any number":                 {order(`,"order_qty":1e308,"limit_price":1e308`), `{"error":"EOrder:Insufficient funds"}`},
		"an order to be validated only":        {order(`,"validate":true,"order_userref":5`), `{"success":true,"result":{"order_userref":5}}`},
		"to cancel nothing":                    {`{"method":"cancel_order","params":{"token":"TOKEN"}}`, `{"error":"EGeneral:Invalid arguments:order_id"}`},
		"to cancel an unknown order":           {`{"method":"cancel_order","params":{"token":"TOKEN","cl_ord_id":"x"}}`, `{"error":"EOrder:Unknown order"}`},
	}
	x := New(exampleKey)
	token := mintToken(t, x)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sent := newBench(x, v2{}).receive([]byte(strings.ReplaceAll(test.frame, "TOKEN", token)))
			require.Len(t, sent, 1)
			matches(t, test.want, sent[0])
			assert.NotContains(t, sent[0], token)
		})
	}
	assert.Empty(t, x.account(ExampleAPIKey).open)
}

func TestOpenOrdersAreLimited(t *testing.T) {
	x := New(exampleKey)
	b := newBench(x, v2{})
	order := []byte(`{"method":"add_order","params":{"token":"` + mintToken(t, x) + `","order_type":"limit","side":"buy",` +
		`"order_qty":0.001,"limit_price":1,"symbol":"ETH/USD"}}`)
	for range maxOpenOrders {
		matches(t, `{"success":true}`, b.receive(order)[0])
	}
	matches(t, `{"success":false,"error":"EOrder:Orders limit exceeded"}`, b.receive(order)[0])
}

package feed

import (
	"fmt"
	"strings"
	"testing"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestV2GreetsWithItsStatus(t *testing.T) {
	wiretest.Matches(t, `{"channel":"status","type":"update","data":[{"api_version":"v2","connection_id":"*","system":"online",
		"version":"*"}]}`, wiretest.Dial(t, serve(t).v2).Next())
}

func TestV2SubscribesToPrivateChannels(t *testing.T) {
	server := serve(t)
	ws := wiretest.Dial(t, server.v2)
	ws.Next()
	token := server.NewToken(trader)

	ws.Send(fmt.Sprintf(v2Executions, token))
	wiretest.Matches(t, `{"method":"subscribe","req_id":7,"success":true,"time_in":"*","time_out":"*",
		"result":{"channel":"executions","snapshot":true,"maxratecount":180}}`, ws.Next())
	wiretest.Matches(t, `{"channel":"executions","type":"snapshot","data":[],"sequence":1}`, ws.Next())
	ws.Send(fmt.Sprintf(v2Executions, token))
	wiretest.Matches(t, `{"success":false,"error":"Already subscribed","req_id":7}`, ws.Next())

	ws.Send(`{"method":"subscribe","params":{"channel":"balances","token":"` + token + `"}}`)
	wiretest.Matches(t, `{"method":"subscribe","success":true,"result":{"channel":"balances","snapshot":true}}`, ws.Next())
	wiretest.Matches(t, `{"channel":"balances","type":"snapshot","sequence":1,"data":[{"asset":"USD","balance":100000},
		{"asset":"BTC","asset_class":"currency","balance":2,"wallets":[{"type":"spot","id":"main","balance":2}]},
		{"asset":"ETH","balance":50}]}`, ws.Next())

	ws.Send(`{"method":"unsubscribe","params":{"channel":"balances","token":"` + token + `"}}`)
	wiretest.Matches(t, `{"method":"unsubscribe","success":true,"result":{"channel":"balances"}}`, ws.Next())
	ws.Send(`{"method":"unsubscribe","params":{"channel":"balances","token":"` + token + `"}}`)
	wiretest.Matches(t, `{"method":"unsubscribe","success":false,"error":"Subscription Not Found"}`, ws.Next())

	ws.Send(`{"method":"subscribe","params":{"channel":"balances","snapshot":false,"token":"` + token + `"}}`)
	wiretest.Matches(t, `{"success":true,"result":{"snapshot":false}}`, ws.Next())
	ws.Send(`{"method":"ping"}`)
	wiretest.Matches(t, `{"method":"pong"}`, ws.Next())
}

func TestV2TradesOnPaper(t *testing.T) {
	server := serve(t)
	ws := wiretest.Dial(t, server.v2)
	ws.Next()
	token := server.NewToken(trader)
	ws.Send(fmt.Sprintf(v2Executions, token))
	ws.Next()
	ws.Next()

	order := `{"method":"add_order","req_id":1,"params":{"order_type":"%s","side":"sell","order_qty":0.25,` +
		`"limit_price":90000.5,"symbol":"BTC/USD","cl_ord_id":"mine","token":"` + token + `"}}`
	ws.Send(fmt.Sprintf(order, "limit"))
	ack := wiretest.Matches(t, `{"method":"add_order","req_id":1,"success":true,"time_in":"*","time_out":"*",
		"result":{"order_id":"*","cl_ord_id":"mine"}}`, ws.Next())
	id := ack.(map[string]any)["result"].(map[string]any)["order_id"].(string)
	assert.Regexp(t, orderID, id)
	wiretest.Matches(t, `{"channel":"executions","type":"update","sequence":2,"data":[{"order_id":"`+id+`","cl_ord_id":"mine",
		"exec_type":"pending_new","order_status":"pending_new","symbol":"BTC/USD","side":"sell","order_type":"limit",
		"order_qty":0.25,"limit_price":90000.5,"time_in_force":"GTC","timestamp":"*"}]}`, ws.Next())
	wiretest.Matches(t, `{"sequence":3,"data":[{"order_id":"`+id+`","exec_type":"new","order_status":"new"}]}`, ws.Next())

	ws.Send(fmt.Sprintf(order, "limit"))
	wiretest.Matches(t, `{"success":false,"error":"EGeneral:Invalid arguments:cl_ord_id not unique"}`, ws.Next())

	other := wiretest.Dial(t, server.v2)
	other.Next()
	other.Send(fmt.Sprintf(v2Executions, token))
	other.Next()
	wiretest.Matches(t, `{"type":"snapshot","data":[{"order_id":"`+id+`","exec_type":"new"}]}`, other.Next())

	ws.Send(`{"method":"cancel_order","params":{"order_id":["` + id + `","OXXXXX-XXXXX-XXXXXX"],"token":"` + token + `"}}`)
	wiretest.Matches(t, `{"method":"cancel_order","success":true,"result":{"order_id":"`+id+`"}}`, ws.Next())
	wiretest.Matches(t, `{"method":"cancel_order","success":false,"error":"EOrder:Unknown order"}`, ws.Next())
	wiretest.Matches(t, `{"sequence":4,"data":[{"order_id":"`+id+`","exec_type":"canceled","order_status":"canceled",
		"reason":"User requested","cum_qty":0}]}`, ws.Next())

	ws.Send(fmt.Sprintf(order, "market"))
	wiretest.Matches(t, `{"success":true}`, ws.Next())
	wiretest.Matches(t, `{"data":[{"exec_type":"pending_new"}]}`, ws.Next())
	wiretest.Matches(t, `{"data":[{"exec_type":"new"}]}`, ws.Next())
	wiretest.Matches(t, `{"data":[{"exec_type":"canceled"}]}`, ws.Next())
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
		"neither buy nor sell":                 {order(`,"side":"hold"`), `{"error":"EGeneral:Invalid arguments:type"}`},
		"an unknown order type":                {order(`,"order_type":"magic"`), `{"error":"EGeneral:Invalid arguments:ordertype"}`},
		"more than there is":                   {order(`,"order_qty":1001`), `{"error":"EOrder:Insufficient funds"}`},
		"more than any number":                 {order(`,"order_qty":1e308,"limit_price":1e308`), `{"error":"EOrder:Insufficient funds"}`},
		"an order to be validated only":        {order(`,"validate":true,"order_userref":5`), `{"success":true,"result":{"order_userref":5}}`},
		"to cancel nothing":                    {`{"method":"cancel_order","params":{"token":"TOKEN"}}`, `{"error":"EGeneral:Invalid arguments:order_id"}`},
		"to cancel an unknown order":           {`{"method":"cancel_order","params":{"token":"TOKEN","cl_ord_id":"x"}}`, `{"error":"EOrder:Unknown order"}`},
	}
	f := New()
	token := f.NewToken(trader)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sent := newBench(f, v2{}).receive([]byte(strings.ReplaceAll(test.frame, "TOKEN", token)))
			require.Len(t, sent, 1)
			wiretest.Matches(t, test.want, sent[0])
			assert.NotContains(t, sent[0], token)
		})
	}
	assert.Empty(t, f.account(trader.APIKey).Open())
}

package feed

import (
	"fmt"
	"strings"
	"testing"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestV1GreetsWithItsStatus(t *testing.T) {
	server := serve(t)
	{
		wiretest.Matches(t, `{"event":"systemStatus","status":"online","version":"*","connectionID":"*"}`,
			wiretest.Dial(t, server.v1).Next())
	}
}

func TestV1SubscribesAndTradesOnPaper(t *testing.T) {
	server := serve(t)
	ws := wiretest.Dial(t, server.v1)
	ws.Next()
	token := server.NewToken(trader)

	ws.Send(fmt.Sprintf(v1OpenOrders, token))
	wiretest.Matches(t, `{"event":"subscriptionStatus","channelName":"openOrders","status":"subscribed","reqid":7,
		"subscription":{"name":"openOrders","maxratecount":180}}`, ws.Next())
	wiretest.Matches(t, `[[],"openOrders",{"sequence":1}]`, ws.Next())
	ws.Send(`{"event":"subscribe","subscription":{"name":"ownTrades","token":"` + token + `"}}`)
	wiretest.Matches(t, `{"event":"subscriptionStatus","channelName":"ownTrades","status":"subscribed"}`, ws.Next())
	wiretest.Matches(t, `[[],"ownTrades",{"sequence":1}]`, ws.Next())

	ws.Send(`{"event":"addOrder","reqid":8,"token":"` + token + `","pair":"XBT/USD","type":"buy","ordertype":"limit",` +
		`"price":"9857.0","volume":"0.002","userref":"3"}`)
	ack := wiretest.Matches(t, `{"event":"addOrderStatus","status":"ok","reqid":8,"txid":"*",
		"descr":"buy 0.00200000 XBTUSD @ limit 9857.0"}`, ws.Next())
	id := ack.(map[string]any)["txid"].(string)
	assert.Regexp(t, orderID, id)
	wiretest.Matches(t, `[[{"`+id+`":{"status":"pending","userref":3,"vol":"0.00200000","vol_exec":"0.00000000","oflags":"fciq",
		"timeinforce":"GTC","opentm":"*","descr":{"type":"buy","ordertype":"limit","price":"9857.00000","leverage":null}}}],
		"openOrders",{"sequence":2}]`, ws.Next())
	wiretest.Matches(t, `[[{"`+id+`":{"status":"open","userref":3}}],"openOrders",{"sequence":3}]`, ws.Next())

	other := wiretest.Dial(t, server.v1)
	other.Next()
	other.Send(fmt.Sprintf(v1OpenOrders, token))
	other.Next()
	wiretest.Matches(t, `[[{"`+id+`":{"status":"open","descr":{"order":"buy 0.00200000 XBT/USD @ limit 9857.0"}}}],"openOrders",
		{"sequence":1}]`, other.Next())

	ws.Send(`{"event":"cancelOrder","token":"` + token + `","txid":["` + id + `","` + id + `"]}`)
	wiretest.Matches(t, `{"event":"cancelOrderStatus","status":"ok"}`, ws.Next())
	wiretest.Matches(t, `[[{"`+id+`":{"status":"canceled","cancel_reason":"User requested","lastupdated":"*"}}],"openOrders",
		{"sequence":4}]`, ws.Next())

	ws.Send(`{"event":"unsubscribe","subscription":{"name":"ownTrades","token":"` + token + `"}}`)
	wiretest.Matches(t, `{"event":"subscriptionStatus","channelName":"ownTrades","status":"unsubscribed"}`, ws.Next())
	ws.Send(`{"event":"unsubscribe","subscription":{"name":"ownTrades","token":"` + token + `"}}`)
	wiretest.Matches(t, `{"status":"error","errorMessage":"Subscription Not Found"}`, ws.Next())
}

func TestV1RefusesInKrakensWords(t *testing.T) {
	order := func(fields string) string {
		return `{"event":"addOrder","token":"TOKEN","pair":"XBT/USD","type":"buy","ordertype":"limit","price":"1",` +
			`"volume":"1"` + fields + `}`
	}
	tests := map[string]struct{ frame, want string }{
		"ping":                        {`{"event":"ping","reqid":42}`, `{"event":"pong","reqid":42}`},
		"ping without a number":       {`{"event":"ping"}`, `{"event":"pong"}`},
		"a reqid that is no integer":  {`{"event":"ping","reqid":"a"}`, `{"errorMessage":"Reqid field must be a positive integer less than 18446744073709551616","event":"pingStatus","reqid":"a","status":"error"}`},
		"no JSON":                     {`hello`, `{"event":"error","errorMessage":"Malformed request"}`},
		"no event":                    {`{"reqid":1}`, `{"errorMessage":"Event(s) not found","event":"subscriptionStatus","reqid":1,"status":"error"}`},
		"an unknown event":            {`{"event":"ping ","reqid":1}`, `{"errorMessage":"Unsupported event","event":"subscriptionStatus","reqid":1,"status":"error"}`},
		"an unknown channel":          {`{"event":"subscribe","subscription":{"name":"x"}}`, `{"event":"subscriptionStatus","status":"error","errorMessage":"Subscription name invalid"}`},
		"no subscription":             {`{"event":"subscribe"}`, `{"errorMessage":"Subscription name invalid"}`},
		"a public channel":            {`{"event":"subscribe","pair":["XBT/USD"],"subscription":{"name":"ticker"}}`, `{"errorMessage":"Public channels not available in this endpoint"}`},
		"no token":                    {`{"event":"subscribe","subscription":{"name":"ownTrades"}}`, `{"event":"subscriptionStatus","status":"error","errorMessage":"ESession:Invalid session","subscription":{"name":"ownTrades"}}`},
		"an unknown token":            {`{"event":"subscribe","subscription":{"name":"openOrders","token":"x"}}`, `{"errorMessage":"ESession:Invalid session"}`},
		"to unsubscribe from nothing": {`{"event":"unsubscribe"}`, `{"errorMessage":"Subscription name invalid"}`},
		"an order without a token":    {`{"event":"addOrder"}`, `{"event":"addOrderStatus","status":"error","errorMessage":"ESession:Invalid session"}`},
		"an order on a v2 market":     {order(`,"pair":"BTC/USD"`), `{"event":"addOrderStatus","errorMessage":"EQuery:Unknown asset pair"}`},
		"a volume that is no number":  {order(`,"volume":"NaN"`), `{"errorMessage":"EGeneral:Invalid arguments:volume"}`},
		"an infinite price":           {order(`,"price":"Inf"`), `{"errorMessage":"EGeneral:Invalid arguments:price"}`},
		"to cancel nothing":           {`{"event":"cancelOrder","token":"TOKEN"}`, `{"event":"cancelOrderStatus","errorMessage":"EGeneral:Invalid arguments:txid"}`},
		"to cancel an unknown order":  {`{"event":"cancelOrder","token":"TOKEN","txid":["x"]}`, `{"event":"cancelOrderStatus","status":"error","errorMessage":"EOrder:Unknown order"}`},
	}
	f := New()
	token := f.NewToken(trader)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sent := newBench(f, v1{}).receive([]byte(strings.ReplaceAll(test.frame, "TOKEN", token)))
			require.Len(t, sent, 1)
			wiretest.Matches(t, test.want, sent[0])
			assert.NotContains(t, sent[0], token)
		})
	}
}

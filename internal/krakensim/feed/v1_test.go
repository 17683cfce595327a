package feed

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

func TestV1GreetsWithItsStatus(t *testing.T) {
	wiretest.Matches(t, `{"event":"systemStatus","status":"online","version":"*","connectionID":"*"}`,
		wiretest.Dial(t, serve(t).v1).Next())
}

func TestV1RefusesWhatItCannotRead(t *testing.T) {
	tests := map[string]struct{ message, want string }{
		"ping":                  {`{"event":"ping","reqid":42}`, `{"event":"pong","reqid":42}`},
		"ping without a number": {`{"event":"ping"}`, `{"event":"pong"}`},
		"no JSON":               {`hello`, `{"event":"error","errorMessage":"Malformed request"}`},
		"a list":                {`[1]`, `{"event":"error","errorMessage":"Malformed request"}`},
		"no event": {`{"reqid":1}`,
			`{"errorMessage":"Event(s) not found","event":"subscriptionStatus","reqid":1,"status":"error"}`},
		"an unknown event": {`{"event":"ping ","reqid":1}`,
			`{"errorMessage":"Unsupported event","event":"subscriptionStatus","reqid":1,"status":"error"}`},
		"a reqid that is no integer": {`{"event":"ping","reqid":"a"}`,
			`{"errorMessage":"Reqid field must be a positive integer less than 18446744073709551616","event":"pingStatus","reqid":"a","status":"error"}`},
		"a reqid that is null": {`{"event":"addOrder","pair":"USDC/USD","reqid":null}`,
			`{"errorMessage":"Reqid field must be a positive integer less than 18446744073709551616","event":"addOrderStatus","pair":"USDC/USD","reqid":null,"status":"error"}`},
		"a field of another message": {v1Add(`,"refid":"x"`),
			`{"errorMessage":"Unsupported field: 'refid' for the given msg type: add order","event":"addOrderStatus","pair":"ETH/USD","status":"error"}`},
		"a field beside a subscription": {`{"event":"subscribe","error":null,"subscription":{"name":"ownTrades","token":"TOKEN"}}`,
			`{"errorMessage":"Unsupported field: 'error' for the given msg type: subscribe","event":"subscriptionStatus","status":"error","subscription":{"name":"ownTrades","token":"TOKEN"}}`},
		"a field of a long name's message": {`{"event":"cancelAllOrdersAfter","token":"TOKEN","timeout":1,"x":1}`,
			`{"errorMessage":"Unsupported field: 'x' for the given msg type: cancel all orders after","event":"cancelAllOrdersAfterStatus","status":"error"}`},
		"an order without a token": {`{"event":"addOrder","pair":"ETH/USD"}`,
			`{"errorMessage":"Token(s) not found","event":"addOrderStatus","pair":"ETH/USD","status":"error"}`},
		"an order without a volume": {`{"event":"addOrder","token":"TOKEN","pair":"ETH/USD","type":"buy","ordertype":"market"}`,
			`{"errorMessage":"Volume(s) not found","event":"addOrderStatus","pair":"ETH/USD","status":"error"}`},
		"a number that is no text": {v1Add(`,"volume":1`),
			`{"errorMessage":"Volume field must be a string","event":"addOrderStatus","pair":"ETH/USD","status":"error"}`},
		"a pair that is no text": {v1Add(`,"pair":["ETH/USD"]`),
			`{"errorMessage":"Pair field must be a string","event":"addOrderStatus","status":"error"}`},
		"a null": {v1Add(`,"userref":null`),
			`{"errorMessage":"Userref field must be a string","event":"addOrderStatus","pair":"ETH/USD","status":"error"}`},
		"a text that is no boolean": {v1Add(`,"reduce_only":"false"`),
			`{"errorMessage":"Reduce_only field must be a boolean","event":"addOrderStatus","pair":"ETH/USD","status":"error"}`},
		"a flag that is a number": {v1Add(`,"validate":1`),
			`{"errorMessage":"Validate field must be a boolean","event":"addOrderStatus","pair":"ETH/USD","status":"error"}`},
		"a flag that is neither true nor false": {v1Add(`,"validate":"x"`),
			`{"errorMessage":"Validate field must be a boolean","event":"addOrderStatus","pair":"ETH/USD","status":"error"}`},
		"an order where a list belongs": {`{"event":"cancelOrder","token":"TOKEN","txid":"x"}`,
			`{"errorMessage":"Txid field must be an array","event":"cancelOrderStatus","status":"error"}`},
		"a list of numbers": {`{"event":"cancelOrder","token":"TOKEN","txid":[1]}`,
			`{"errorMessage":"Txid field must be an array","event":"cancelOrderStatus","status":"error"}`},
		"a timeout that is no integer": {`{"event":"cancelAllOrdersAfter","token":"TOKEN","timeout":"60"}`,
			`{"errorMessage":"Timeout field must be a number_integer","event":"cancelAllOrdersAfterStatus","status":"error"}`},
		"a subscription that is no object": {`{"event":"subscribe","subscription":"openOrders"}`,
			`{"errorMessage":"Subscription field must be an object","event":"subscriptionStatus","status":"error"}`},
		"no subscription": {`{"event":"subscribe"}`,
			`{"errorMessage":"Subscription(s) not found","event":"subscriptionStatus","status":"error"}`},
	}
	f := New()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newV1Client(t, f)
			c.exchange(test.message, test.want)
			assert.Zero(t, c.open())
		})
	}
}

func TestV1TradesOnlyWithATokenThatMay(t *testing.T) {
	messages := map[string]string{
		"addOrder":             v1Add(""),
		"editOrder":            `{"event":"editOrder","token":"TOKEN","orderid":"x","pair":"ETH/USD"}`,
		"amendOrder":           `{"event":"amendOrder","token":"TOKEN","txid":"x"}`,
		"cancelOrder":          `{"event":"cancelOrder","token":"TOKEN","txid":["x"]}`,
		"cancelAll":            `{"event":"cancelAll","token":"TOKEN"}`,
		"cancelAllOrdersAfter": `{"event":"cancelAllOrdersAfter","token":"TOKEN","timeout":0}`,
	}
	const session, denied = "ESession:Invalid session", "EGeneral:Permission denied"
	modify := map[string]string{"editOrder": denied}
	cancel := map[string]string{"addOrder": denied, "editOrder": denied}
	for event, message := range messages {
		tests := map[string]struct {
			permissions []string
			token       string
			refusal     string // where it is known
		}{
			"unknown":     {nil, "x", session},
			"no trading":  {nil, "", denied},
			"only modify": {[]string{"modify-trades"}, "", modify[event]},
			"only close":  {[]string{"close-trades"}, "", cancel[event]},
		}
		for name, test := range tests {
			t.Run(event+" with a token: "+name, func(t *testing.T) {
				f := New()
				c := newV1Client(t, f)
				c.token = test.token
				if c.token == "" {
					c.token = f.NewToken(Holder{APIKey: trader.APIKey, Permissions: test.permissions})
				}
				sent := c.send(message)
				require.Len(t, sent, 1)
				if test.refusal != "" {
					assert.JSONEq(t, `{"errorMessage":"`+test.refusal+`","event":"`+event+`Status","status":"error"}`, sent[0])
				} else {
					assert.NotContains(t, strings.Join(sent, ""), denied)
				}
			})
		}
	}
}

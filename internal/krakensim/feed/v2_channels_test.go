package feed

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

func TestV2SubscribesToPrivateChannels(t *testing.T) {
	server := serve(t)
	ws := wiretest.Dial(t, server.v2)
	ws.Next()
	token := server.NewToken(trader)

	ws.Send(`{"method":"subscribe","req_id":7,"params":{"channel":"executions","token":"` + token + `"}}`)
	wiretest.Exactly(t, `{"method":"subscribe","req_id":7,"success":true,"time_in":"*","time_out":"*",
		"result":{"channel":"executions","snapshot":true,"maxratecount":180,"warnings":[
			"cancel_reason is deprecated, use reason","stop_price is deprecated, use triggers.price",
			"trigger is deprecated use triggers.reference","triggered_price is deprecated use triggers.last_price"]}}`, ws.Next())
	wiretest.Exactly(t, `{"channel":"executions","type":"snapshot","data":[],"sequence":1}`, ws.Next())
	ws.Send(`{"method":"subscribe","params":{"channel":"balances","token":"` + token + `"}}`)
	wiretest.Exactly(t, `{"method":"subscribe","success":true,"result":{"channel":"balances","snapshot":true},"time_in":"*","time_out":"*"}`, ws.Next())
	wiretest.Matches(t, `{"channel":"balances","type":"snapshot","sequence":1}`, ws.Next())

	ws.Send(`{"method":"subscribe","params":{"channel":"balances","token":"` + token + `"}}`)
	wiretest.Matches(t, `{"success":false,"error":"Already subscribed"}`, ws.Next())
	ws.Send(`{"method":"unsubscribe","params":{"channel":"balances","token":"` + token + `"}}`)
	wiretest.Exactly(t, `{"method":"unsubscribe","success":true,"result":{"channel":"balances"},"time_in":"*","time_out":"*"}`, ws.Next())
	ws.Send(`{"method":"unsubscribe","params":{"channel":"balances","token":"` + token + `"}}`)
	wiretest.Matches(t, `{"method":"unsubscribe","success":false,"error":"Subscription Not Found"}`, ws.Next())
}

func TestV2RefusesChannelsInKrakensWords(t *testing.T) {
	const public = `{"error":"Public market data subscriptions are unavailable on this endpoint. Try ws.kraken.com"}`
	tests := map[string]struct{ frame, want string }{
		"no channel":                           {`{"method":"subscribe","params":{"token":"TOKEN"}}`, `{"method":"subscribe","error":"Channel(s) not found","success":false}`},
		"an unknown channel":                   {`{"method":"subscribe","params":{"channel":"x","token":"TOKEN"}}`, `{"error":"Unsupported event"}`},
		"a public channel":                     {`{"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD"]}}`, public},
		"no token":                             {`{"method":"subscribe","params":{"channel":"executions"}}`, `{"error":"Token(s) not found","method":"subscribe","success":false}`},
		"an unknown token":                     {`{"method":"subscribe","params":{"channel":"balances","token":"x"},"req_id":9}`, `{"channel":"balances","error":"ESession:Invalid session","method":"subscribe","status":"error","success":false,"req_id":9}`},
		"to unsubscribe with an unknown token": {`{"method":"unsubscribe","params":{"channel":"balances","token":"x"}}`, `{"error":"ESession:Invalid session"}`},
		"to unsubscribe from no channel":       {`{"method":"unsubscribe","params":{}}`, `{"error":"Channel(s) not found"}`},
		"to unsubscribe without a snapshot":    {`{"method":"unsubscribe","params":{"channel":"balances","token":"TOKEN","snapshot":false}}`, `{"error":"Unsupported field: 'snapshot' for the given msg type: unsubscribe"}`},
		"a snapshot that is no boolean":        {`{"method":"subscribe","params":{"channel":"balances","token":"TOKEN","snapshot":"true"}}`, `{"error":"Snapshot field must be a boolean"}`},
		"another channel's option":             {`{"method":"subscribe","params":{"channel":"balances","token":"TOKEN","snap_orders":true}}`, `{"error":"Unsupported field: 'snap_orders' for the given msg type: subscribe"}`},
		"the rate counter":                     {`{"method":"subscribe","params":{"channel":"executions","token":"TOKEN","ratecounter":true}}`, `{"error":"EGeneral:Invalid arguments:ratecounter"}`},
		"all users":                            {`{"method":"subscribe","params":{"channel":"executions","token":"TOKEN","users":"all"}}`, `{"error":"EGeneral:Invalid arguments:users"}`},
	}
	f := New()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newV2Client(t, f)
			sent := c.ask(test.frame)
			require.Len(t, sent, 1)
			wiretest.Matches(t, test.want, sent[0])
			assert.NotContains(t, sent[0], c.token)
			assert.Empty(t, c.socket.subscriptions)
		})
	}
}

package feed

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

func TestV2GreetsWithItsStatus(t *testing.T) {
	wiretest.Exactly(t, `{"channel":"status","type":"update","data":[{"api_version":"v2","connection_id":"*","system":"online",
		"version":"2.0.10","upcoming_maintenance":[],"emergency":[]}]}`, wiretest.Dial(t, serve(t).v2).Next())
}

func TestV2AnswersWithTimesAndTheNumberOfTheRequest(t *testing.T) {
	c := newV2Client(t, New())
	wiretest.Exactly(t, `{"method":"pong","time_in":"*","time_out":"*"}`, c.ask(`{"method":"ping"}`)[0])
	got := c.ask(`{"method":"ping","req_id":18446744073709551615}`)[0]
	assert.Contains(t, got, `"req_id":18446744073709551615`)
	assert.Regexp(t, `"time_in":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"`, got)
	wiretest.Exactly(t, `{"method":"cancel_all","req_id":3,"success":true,"result":{"count":0},"time_in":"*","time_out":"*"}`,
		c.ask(`{"method":"cancel_all","req_id":3,"params":{"token":"TOKEN"}}`)[0])
	wiretest.Exactly(t, `{"method":"cancel_all","req_id":3,"success":false,"error":"Token(s) not found","time_in":"*","time_out":"*"}`,
		c.ask(`{"method":"cancel_all","req_id":3,"params":{}}`)[0])
}

func TestV2RefusesMessagesInKrakensWords(t *testing.T) {
	tests := map[string]struct{ frame, want string }{
		"no JSON":                         {`hello`, `{"success":false,"error":"Malformed request"}`},
		"a list":                          {`[1]`, `{"success":false,"error":"Malformed request"}`},
		"no method":                       {`{"event":"subscribe","req_id":1}`, `{"error":"Method(s) not found","method":"subscribe","req_id":1}`},
		"a method that is no text":        {`{"method":5}`, `{"error":"Method field must be a string"}`},
		"an unknown method":               {`{"method":"dance","req_id":1}`, `{"method":"dance","error":"Unsupported event","success":false,"req_id":1}`},
		"a method in capitals":            {`{"METHOD":"ping"}`, `{"error":"Method(s) not found"}`},
		"a req_id that is no integer":     {`{"method":"ping","req_id":"a"}`, `{"method":"ping","success":false,"error":"Req_id field must be a positive integer less than 18446744073709551616"}`},
		"a negative req_id":               {`{"method":"ping","req_id":-1}`, `{"method":"ping","error":"Req_id field must be a positive integer less than 18446744073709551616"}`},
		"ping with parameters":            {`{"method":"ping","params":{}}`, `{"method":"ping","success":false,"error":"Unsupported field: 'params' for the given msg type: ping"}`},
		"parameters that are a list":      {`{"method":"subscribe","params":[]}`, `{"method":"subscribe","error":"Params field must be an object"}`},
		"no parameters":                   {`{"method":"add_order"}`, `{"method":"add_order","error":"Token(s) not found"}`},
		"a parameter beside the others":   {`{"method":"subscribe","channel":"balances"}`, `{"error":"Unsupported field: 'channel' for the given msg type: subscribe"}`},
		"an unknown field beside a trade": {`{"method":"add_order","token":"TOKEN"}`, `{"error":"Unsupported field: 'token' for the given msg type: add order"}`},
	}
	f := New()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sent := newV2Client(t, f).ask(test.frame)
			require.Len(t, sent, 1)
			wiretest.Matches(t, test.want, sent[0])
		})
	}
}

func TestV2NeverRepeatsATokenThatItRefuses(t *testing.T) {
	c := newV2Client(t, New())
	for _, frame := range []string{
		`{"method":"subscribe","params":{"channel":"executions","token":"TOKEN","x":1}}`,
		`{"method":"add_order","params":{"token":["TOKEN"]}}`,
		`{"method":"subscribe","token":"TOKEN"}`,
		`"TOKEN"`,
	} {
		assert.NotContains(t, strings.Join(c.ask(frame), ""), c.token)
	}
}

package feed

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// v2 is Kraken's WebSocket API v2, as at wss://ws-auth.kraken.com/v2: private channels and trading, no market data.
type v2 struct{}

// v2Time is the format of v2's timestamps.
const v2Time = "2006-01-02T15:04:05.000000Z"

func (v2) greet(s *socket) {
	s.send(object{"channel": "status", "type": "update", "data": []object{{
		"api_version": "v2", "connection_id": rand.Uint64(), "system": "online", "version": "2.0.10",
		"upcoming_maintenance": []object{}, "emergency": []object{},
	}}})
}

// channels has executions first: in the examples of Kraken's pages, a trade is told some 90 µs before its lines of the ledger.
func (v2) channels() []string { return []string{"executions", "balances"} }

func (v2) heartbeat() []byte { return []byte(`{"channel":"heartbeat"}`) }

// v2Request is a message from the client.
type v2Request struct {
	method string
	params params
	reqID  json.RawMessage // nil for none
	in     time.Time
}

func (v v2) receive(s *socket, message []byte, now time.Time) {
	q := v2Request{in: now}
	var fields params
	if json.Unmarshal(message, &fields) != nil {
		v.refuse(s, q, paper.Refusal("Malformed request"))
		return
	}
	err := checkRequestID("req_id", fields["req_id"])
	if err != nil {
		q.method = fields.text("method")
		v.refuse(s, q, err)
		return
	}
	q.reqID = fields["req_id"]
	if q.method, q.params, err = v2Envelope(fields); err != nil {
		v.refuse(s, q, err)
		return
	}
	switch q.method {
	case "ping":
		v.reply(s, q, object{"method": "pong"})
	case "subscribe":
		v.subscribe(s, q)
	case "unsubscribe":
		v.unsubscribe(s, q)
	default:
		v.dispatch(s, q)
	}
}

// v2Envelope takes a message apart. The error is a [paper.Refusal].
func v2Envelope(fields params) (method string, _ params, err error) {
	if fields["method"] == nil {
		return "subscribe", nil, missing("method") // that is the method that Kraken answers for
	}
	if !isText.is(fields["method"]) {
		return "", nil, paper.Refusal("Method field must be " + isText.name)
	}
	method = fields.text("method")
	envelope := form{required("method", isText), optional("params", isObject)}
	switch _, trading := v2Trading[method]; {
	case method == "ping":
		envelope = envelope[:1]
	case !trading && method != "subscribe" && method != "unsubscribe":
		return method, nil, unsupported
	}
	delete(fields, "req_id") // which was looked at
	return method, value[params](fields, "params"), envelope.check(v2Request{method: method}.words(), fields)
}

// words are the method as Kraken's refusals write it: "add order".
func (q v2Request) words() string { return strings.ReplaceAll(q.method, "_", " ") }

// reply answers the request with fields; method, times and req_id are the same in all answers.
func (v2) reply(s *socket, q v2Request, fields object) {
	fields["time_in"] = q.in.UTC().Format(v2Time)
	fields["time_out"] = time.Now().UTC().Format(v2Time)
	if q.method != "" && fields["method"] == nil {
		fields["method"] = q.method
	}
	if q.reqID != nil {
		fields["req_id"] = q.reqID
	}
	s.send(fields)
}

// answer tells what came of a request: its result, or the [paper.Refusal] that err is.
func (v v2) answer(s *socket, q v2Request, result any, err error) {
	if err != nil {
		v.refuse(s, q, err)
		return
	}
	v.reply(s, q, object{"success": true, "result": result})
}

func (v v2) refuse(s *socket, q v2Request, refusal error) {
	v.reply(s, q, object{"success": false, "error": refusal.Error()})
}

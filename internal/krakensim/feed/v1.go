package feed

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// v1 is Kraken's WebSocket API v1, as at wss://ws-auth.kraken.com: private channels and trading, no market data. Its pages
// are docs.kraken.com/api/docs/websocket-v1/…; what they don't say is from recorded messages.
type v1 struct{}

func (v1) greet(s *socket) {
	s.send(object{"event": "systemStatus", "connectionID": newConnectionID(), "status": "online", "version": "1.9.6"})
}

func (v1) channels() []string { return []string{"openOrders", "ownTrades"} }

func (v1) heartbeat() []byte { return []byte(`{"event":"heartbeat"}`) }

// v1Request is a message from the client. Its fields stand beside its event.
type v1Request struct {
	event  string
	answer string // the event of the answer
	fields params
	in     time.Time
}

// v1Message is a kind of message that a client can send.
type v1Message struct {
	answer   string // the event of its answer
	fields   map[string]v1Type
	required []string
	handle   func(v1, *socket, v1Request)
}

// v1Type is what a field has to be, as a refusal says it.
type v1Type string

const (
	v1Text     v1Type = "a string"
	v1Texts    v1Type = "an array"
	v1Object   v1Type = "an object"
	v1Integer  v1Type = "an integer"
	v1Boolean  v1Type = "a boolean"
	v1FlagText v1Type = "a boolean or string" // Kraken's pages have both
	v1Any      v1Type = ""
)

var v1Messages = map[string]v1Message{
	"ping": {answer: "pingStatus", handle: v1.ping},
	"subscribe": {
		answer:   "subscriptionStatus",
		fields:   map[string]v1Type{"subscription": v1Object, "pair": v1Any},
		required: []string{"subscription"},
		handle:   v1.subscribe,
	},
	"unsubscribe": {
		answer:   "subscriptionStatus",
		fields:   map[string]v1Type{"subscription": v1Object, "pair": v1Any, "channelID": v1Integer},
		required: []string{"subscription"},
		handle:   v1.unsubscribe,
	},
	"addOrder": {
		answer: "addOrderStatus",
		fields: map[string]v1Type{"token": v1Text, "pair": v1Text, "type": v1Text, "ordertype": v1Text, "volume": v1Text,
			"price": v1Text, "price2": v1Text, "leverage": v1Text, "margin": v1Boolean, "reduce_only": v1Boolean,
			"oflags": v1Text, "starttm": v1Text, "expiretm": v1Text, "deadline": v1Text, "cl_ord_id": v1Text,
			"userref": v1Text, "sender_sub_id": v1Text, "stp_type": v1Text, "validate": v1FlagText, "timeinforce": v1Text,
			"close[ordertype]": v1Text, "close[price]": v1Text, "close[price2]": v1Text},
		required: []string{"token", "pair", "type", "ordertype", "volume"},
		handle:   v1.addOrder,
	},
	"editOrder": {
		answer: "editOrderStatus",
		// The page has volume as required, and no volume in its example.
		fields: map[string]v1Type{"token": v1Text, "orderid": v1Text, "pair": v1Text, "volume": v1Text, "price": v1Text,
			"price2": v1Text, "oflags": v1Text, "newuserref": v1Text, "validate": v1FlagText},
		required: []string{"token", "orderid", "pair"},
		handle:   v1.editOrder,
	},
	"amendOrder": {
		answer: "amendOrderStatus",
		fields: map[string]v1Type{"token": v1Text, "txid": v1Text, "cl_ord_id": v1Text, "volume": v1Text,
			"limit_price": v1Text, "post_only": v1Boolean, "pair": v1Text, "deadline": v1Text, "display_volume": v1Text,
			"trigger_price": v1Text},
		required: []string{"token"},
		handle:   v1.amendOrder,
	},
	"cancelOrder": {
		answer:   "cancelOrderStatus",
		fields:   map[string]v1Type{"token": v1Text, "txid": v1Texts, "cl_ord_id": v1Texts},
		required: []string{"token"},
		handle:   v1.cancelOrder,
	},
	"cancelAll": {
		answer:   "cancelAllStatus",
		fields:   map[string]v1Type{"token": v1Text},
		required: []string{"token"},
		handle:   v1.cancelAll,
	},
	"cancelAllOrdersAfter": {
		answer:   "cancelAllOrdersAfterStatus",
		fields:   map[string]v1Type{"token": v1Text, "timeout": v1Integer},
		required: []string{"token", "timeout"},
		handle:   v1.cancelAllOrdersAfter,
	},
}

func (v v1) receive(s *socket, message []byte, now time.Time) {
	q := v1Request{in: now}
	if json.Unmarshal(message, &q.fields) != nil || json.Unmarshal(orNull(q.fields["event"]), &q.event) != nil {
		s.send(object{"event": "error", "errorMessage": "Malformed request"})
		return
	}
	kind, known := v1Messages[q.event]
	q.answer = kind.answer
	if !known {
		q.answer = "subscriptionStatus"
	}
	switch refusal := kind.check(q); {
	case refusal != "":
		v.misread(s, q, refusal)
	case q.event == "":
		v.misread(s, q, "Event(s) not found")
	case !known:
		v.misread(s, q, "Unsupported event")
	default:
		kind.handle(v, s, q)
	}
}

// check says what is wrong with a message's form; "" for nothing.
func (kind v1Message) check(q v1Request) string {
	if raw := q.fields["reqid"]; raw != nil {
		if _, err := strconv.ParseUint(string(raw), 10, 64); err != nil {
			return "Reqid field must be a positive integer less than 18446744073709551616"
		}
	}
	if kind.handle == nil {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(q.fields)) {
		want, known := kind.fields[name]
		switch {
		case name == "event", name == "reqid":
		case !known:
			return unsupportedField(name, q.event)
		case !want.is(q.fields[name]):
			return fieldName(name) + " field must be " + string(want)
		}
	}
	for _, name := range kind.required {
		if q.fields[name] == nil {
			return fieldName(name) + "(s) not found"
		}
	}
	return ""
}

func (want v1Type) is(raw json.RawMessage) bool {
	var value any
	_ = json.Unmarshal(raw, &value) // it was part of a JSON text
	_, isText := value.(string)
	_, isBoolean := value.(bool)
	switch want {
	case v1Text:
		return isText
	case v1Boolean:
		return isBoolean
	case v1FlagText:
		return isText || isBoolean
	case v1Texts:
		return json.Unmarshal(raw, new([]string)) == nil && value != nil
	case v1Object:
		return json.Unmarshal(raw, new(object)) == nil && value != nil
	case v1Integer:
		return json.Unmarshal(raw, new(int64)) == nil && value != nil
	}
	return true
}

// unsupportedField refuses a field that this kind of message doesn't have. Kraken writes the kind in words: "add order".
func unsupportedField(name, event string) string {
	var words strings.Builder
	for _, letter := range event {
		if unicode.IsUpper(letter) {
			words.WriteByte(' ')
		}
		words.WriteRune(unicode.ToLower(letter))
	}
	return "Unsupported field: '" + name + "' for the given msg type: " + words.String()
}

func (v1) reply(s *socket, q v1Request, fields object) {
	if q.fields["reqid"] != nil {
		fields["reqid"] = q.fields["reqid"]
	}
	s.send(fields)
}

// refuse answers a request that was understood.
func (v v1) refuse(s *socket, q v1Request, refusal error) {
	v.reply(s, q, refused(q, refusal.Error()))
}

// misread answers a message whose form is wrong. Such an answer repeats the pair.
func (v v1) misread(s *socket, q v1Request, message string) {
	fields := refused(q, message)
	if v1Text.is(orNull(q.fields["pair"])) {
		fields["pair"] = q.fields["pair"]
	}
	v.reply(s, q, fields)
}

// refused has what a client sent as its subscription, token included: so it was recorded from Kraken.
func refused(q v1Request, message string) object {
	fields := object{"event": q.answer, "status": "error", "errorMessage": message}
	if sent := q.fields["subscription"]; v1Object.is(orNull(sent)) {
		fields["subscription"] = sent
	}
	return fields
}

func (v v1) ping(s *socket, q v1Request) { v.reply(s, q, object{"event": "pong"}) }

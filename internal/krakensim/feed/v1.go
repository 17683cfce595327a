package feed

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"time"
	"unicode"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

// v1 is Kraken's WebSocket API v1, as at wss://ws-auth.kraken.com: private channels and trading, no market data. Its pages
// are docs.kraken.com/api/docs/websocket-v1/…; what they don't say is from recorded messages.
type v1 struct{}

func (v1) greet(s *socket) {
	s.send(object{"event": "systemStatus", "connectionID": rand.Uint64(), "status": "online", "version": "1.9.1"})
}

func (v1) channels() []string { return []string{"openOrders", "ownTrades"} }

func (v1) heartbeat() []byte { return []byte(`{"event":"heartbeat"}`) }

// v1Request is a message from the client. Its fields stand beside its event.
type v1Request struct {
	event       string
	answerEvent string
	fields      params // without event and reqid
	reqID       json.RawMessage
	in          time.Time
}

// v1Message is a kind of message that a client can send.
type v1Message struct {
	answerEvent string
	fields      form
	handle      func(v1, *socket, v1Request)
}

// Fields that several messages have.
var (
	v1Token    = required("token", isText)
	v1Pair     = required("pair", isText)
	v1Deadline = optional("deadline", isText)
	v1Validate = optional("validate", isFlagOrItsText)
)

var v1Messages = map[string]v1Message{
	"ping": {"pingStatus", nil, v1.ping},
	"subscribe": {"subscriptionStatus", form{
		required("subscription", isObject), optional("pair", isAnything),
	}, v1.subscribe},
	"unsubscribe": {"subscriptionStatus", form{
		required("subscription", isObject), optional("pair", isAnything), optional("channelID", isInteger),
	}, v1.unsubscribe},
	"addOrder": {"addOrderStatus", form{
		v1Token, v1Pair, required("type", isText), required("ordertype", isText), required("volume", isText),
		optional("price", isText), optional("oflags", isText), optional("timeinforce", isText),
		optional("cl_ord_id", isText), optional("userref", isText), v1Deadline, v1Validate,
		optional("leverage", isText), optional("margin", isFlag), optional("reduce_only", isFlag),
		// These make no difference. So does stp_type: no two orders of a paper account meet.
		optional("price2", isText, `"0"`), optional("starttm", isText, `"0"`), optional("expiretm", isText, `"0"`),
		optional("stp_type", isText, `"cancel_newest"`, `"cancel_oldest"`, `"cancel_both"`),
		foreign("sender_sub_id", isText), foreign("close[ordertype]", isText), foreign("close[price]", isText),
		foreign("close[price2]", isText),
	}, v1ForAccount(permission.ToPlace, v1AddOrder)},
	"editOrder": {"editOrderStatus", form{
		v1Token, required("orderid", isText), v1Pair,
		optional("volume", isText), // required, says the page, whose own example has none
		optional("price", isText), optional("oflags", isText), optional("newuserref", isText), v1Validate,
		optional("price2", isText, `"0"`),
	}, v1ForAccount(permission.ToReplace, v1EditOrder)},
	"amendOrder": {"amendOrderStatus", form{
		v1Token, optional("txid", isText), optional("cl_ord_id", isText), optional("volume", isText),
		optional("limit_price", isText), optional("post_only", isFlag), optional("pair", isText), v1Deadline,
		foreign("display_volume", isText), foreign("trigger_price", isText),
	}, v1ForAccount(permission.ToChange, v1AmendOrder)},
	"cancelOrder": {"cancelOrderStatus", form{
		v1Token, optional("txid", isTexts), optional("cl_ord_id", isTexts),
	}, v1.cancelOrder},
	"cancelAll": {"cancelAllStatus", form{v1Token}, v1ForAccount(permission.ToChange, v1CancelAll)},
	"cancelAllOrdersAfter": {"cancelAllOrdersAfterStatus", form{v1Token, required("timeout", isInteger)},
		v1ForAccount(permission.ToChange, v1CancelAllOrdersAfter)},
}

func (v v1) receive(s *socket, message []byte, now time.Time) {
	q := v1Request{in: now}
	err := json.Unmarshal(message, &q.fields)
	if event := q.fields["event"]; err == nil && event != nil {
		err = json.Unmarshal(event, &q.event)
	}
	if err != nil {
		s.send(object{"event": "error", "errorMessage": "Malformed request"})
		return
	}
	q.reqID = q.fields["reqid"]
	delete(q.fields, "event")
	delete(q.fields, "reqid")
	kind, known := v1Messages[q.event]
	if q.answerEvent = kind.answerEvent; !known {
		q.answerEvent = "subscriptionStatus"
	}
	if err := q.checkEnvelope(kind.fields, known); err != nil {
		v.malformed(s, q, err)
		return
	}
	if err := kind.fields.checkValues(q.fields); err != nil {
		v.refuse(s, q, err)
		return
	}
	kind.handle(v, s, q)
}

// checkEnvelope says what is wrong with a message's form, from its number to its fields. The error is a [paper.Refusal].
func (q v1Request) checkEnvelope(wanted form, known bool) error {
	if err := checkRequestID("reqid", q.reqID); err != nil {
		return err
	}
	switch {
	case q.event == "":
		return paper.Refusal("Event(s) not found")
	case !known:
		return unsupported
	}
	return wanted.checkForm(q.words(), q.fields)
}

// words are the event as Kraken's refusals write it: "add order".
func (q v1Request) words() string {
	var words strings.Builder
	for _, letter := range q.event {
		if unicode.IsUpper(letter) {
			words.WriteByte(' ')
		}
		words.WriteRune(unicode.ToLower(letter))
	}
	return words.String()
}

func (v1) reply(s *socket, q v1Request, fields object) {
	if q.reqID != nil {
		fields["reqid"] = q.reqID
	}
	s.send(fields)
}

// refuse answers a request that was understood. It repeats what the client sent as its subscription, token included: so it was
// recorded from Kraken.
func (v v1) refuse(s *socket, q v1Request, refusal error) { v.reply(s, q, v.refusal(q, refusal)) }

func (v1) refusal(q v1Request, refusal error) object {
	fields := object{"event": q.answerEvent, "status": "error", "errorMessage": refusal.Error()}
	if sent := q.fields["subscription"]; isObject.is(sent) {
		fields["subscription"] = sent
	}
	return fields
}

// malformed answers a message whose form is wrong. Such an answer repeats the pair, too.
func (v v1) malformed(s *socket, q v1Request, refusal error) {
	fields := v.refusal(q, refusal)
	if isText.is(q.fields["pair"]) {
		fields["pair"] = q.fields["pair"]
	}
	v.reply(s, q, fields)
}

func (v v1) ping(s *socket, q v1Request) { v.reply(s, q, object{"event": "pong"}) }

package feed

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

// v1 is Kraken's WebSocket API v1, as at wss://ws-auth.kraken.com: private channels and trading, no market data.
type v1 struct{}

// v1Channels are the private channels, each with the permission it takes.
var v1Channels = map[string]string{
	"openOrders": permission.QueryOpenTrades,
	"ownTrades":  permission.QueryClosedTrades,
}

var v1PublicChannels = []string{"ticker", "ohlc", "trade", "book", "spread"}

func (v1) greet(s *socket) {
	s.send(object{"event": "systemStatus", "connectionID": newConnectionID(), "status": "online", "version": "1.9.6"})
}

func (v1) heartbeat() []byte { return []byte(`{"event":"heartbeat"}`) }

// v1Request is a message from the client. Its fields stand beside its event.
type v1Request struct {
	event  string
	fields params
	reqID  json.RawMessage // nil for none
	in     time.Time
}

func (v v1) receive(s *socket, message []byte, now time.Time) {
	q := v1Request{in: now}
	if json.Unmarshal(message, &q.fields) != nil || json.Unmarshal(orNull(q.fields["event"]), &q.event) != nil {
		s.send(object{"event": "error", "errorMessage": "Malformed request"})
		return
	}
	if raw := q.fields["reqid"]; raw != nil {
		q.reqID = raw
		if _, err := strconv.ParseUint(string(raw), 10, 64); err != nil {
			v.fail(s, q, q.event+"Status", "Reqid field must be a positive integer less than 18446744073709551616")
			return
		}
	}
	switch q.event {
	case "ping":
		v.reply(s, q, object{"event": "pong"})
	case "subscribe":
		v.subscribe(s, q)
	case "unsubscribe":
		v.unsubscribe(s, q)
	case "addOrder":
		v.addOrder(s, q)
	case "cancelOrder":
		v.cancelOrder(s, q)
	case "":
		v.fail(s, q, "subscriptionStatus", "Event(s) not found")
	default:
		v.fail(s, q, "subscriptionStatus", "Unsupported event")
	}
}

func (v1) reply(s *socket, q v1Request, fields object) {
	if q.reqID != nil {
		fields["reqid"] = q.reqID
	}
	s.send(fields)
}

func (v v1) fail(s *socket, q v1Request, event, message string) {
	v.reply(s, q, object{"event": event, "status": "error", "errorMessage": message})
}

// refuse answers a request about a channel that there is.
func (v v1) refuse(s *socket, q v1Request, channel string, refusal error) {
	v.reply(s, q, object{"event": "subscriptionStatus", "status": "error", "errorMessage": refusal.Error(),
		"subscription": object{"name": channel}})
}

func (v v1) subscribe(s *socket, q v1Request) {
	name, token, ok := v.subscription(s, q)
	if !ok {
		return
	}
	sub, err := s.subscribe(name, token, v1Channels[name], q.in)
	if err != nil {
		v.refuse(s, q, name, err)
		return
	}
	subscribed := object{"name": name}
	snapshot := []object{} // nothing has been traded
	if name == "openOrders" {
		subscribed["maxratecount"] = sub.session.MaxRateCount
		for _, o := range s.feed.account(sub.session.APIKey).Open() {
			snapshot = append(snapshot, object{o.ID: v1Order(o, "open")})
		}
	}
	v.reply(s, q, object{"event": "subscriptionStatus", "channelName": name, "status": "subscribed",
		"subscription": subscribed})
	s.send([]any{snapshot, name, object{"sequence": sub.next()}})
}

func (v v1) unsubscribe(s *socket, q v1Request) {
	name, token, ok := v.subscription(s, q)
	if !ok {
		return
	}
	if err := s.unsubscribe(name, token, q.in); err != nil {
		v.refuse(s, q, name, err)
		return
	}
	v.reply(s, q, object{"event": "subscriptionStatus", "channelName": name, "status": "unsubscribed",
		"subscription": object{"name": name}})
}

// subscription is the private channel and the token that the request names; if it names no private channel, the
// client has been told.
func (v v1) subscription(s *socket, q v1Request) (name, token string, ok bool) {
	var fields params
	_ = json.Unmarshal(orNull(q.fields["subscription"]), &fields)
	name = fields.text("name")
	switch {
	case v1Channels[name] != "":
		return name, fields.text("token"), true
	case slices.Contains(v1PublicChannels, name):
		v.fail(s, q, "subscriptionStatus", "Public channels not available in this endpoint")
	default:
		v.fail(s, q, "subscriptionStatus", "Subscription name invalid")
	}
	return "", "", false
}

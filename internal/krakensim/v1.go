package krakensim

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// v1 is Kraken's WebSocket API v1, as at wss://ws-auth.kraken.com: private channels and trading, no market data.
type v1 struct{}

// v1Channels are the private channels, each with the permission it takes.
var v1Channels = map[string]string{
	"openOrders": PermissionQueryOpenTrades,
	"ownTrades":  PermissionQueryClosedTrades,
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
func (v v1) refuse(s *socket, q v1Request, channel, refusal string) {
	v.reply(s, q, object{"event": "subscriptionStatus", "status": "error", "errorMessage": refusal,
		"subscription": object{"name": channel}})
}

func (v v1) subscribe(s *socket, q v1Request) {
	name, token, ok := v.subscription(s, q)
	if !ok {
		return
	}
	sub, refusal := s.subscribe(name, token, v1Channels[name], q.in)
	if sub == nil {
		v.refuse(s, q, name, refusal)
		return
	}
	subscribed := object{"name": name}
	snapshot := []object{} // nothing has been traded
	if name == "openOrders" {
		subscribed["maxratecount"] = sub.session.maxRateCount()
		for _, o := range s.exchange.account(sub.session.apiKey).open {
			snapshot = append(snapshot, object{o.id: v1Order(o, "open")})
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
	if refusal := s.unsubscribe(name, token, q.in); refusal != "" {
		v.refuse(s, q, name, refusal)
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

// trader finds the account that the request's token may trade for; if there is none, the client has been told.
func (v v1) trader(s *socket, q v1Request, event, permission string) (*account, bool) {
	session := s.exchange.session(q.fields.text("token"), q.in)
	switch {
	case session == nil:
		v.fail(s, q, event, invalidSession)
	case !session.may(permission):
		v.fail(s, q, event, permissionDenied)
	default:
		return s.exchange.account(session.apiKey), true
	}
	return nil, false
}

func (v v1) addOrder(s *socket, q v1Request) {
	const event = "addOrderStatus"
	account, ok := v.trader(s, q, event, PermissionModifyTrades)
	if !ok {
		return
	}
	o := &order{side: q.fields.text("type"), orderType: q.fields.text("ordertype")}
	o.quantity, _ = strconv.ParseFloat(q.fields.text("volume"), 64) // 0 is refused below
	o.price, _ = strconv.ParseFloat(q.fields.text("price"), 64)
	o.userref, _ = strconv.ParseInt(q.fields.text("userref"), 10, 64)
	i := slices.IndexFunc(pairs, func(p pair) bool { return p.wsname == q.fields.text("pair") })
	if i < 0 {
		v.fail(s, q, event, "EQuery:Unknown asset pair")
		return
	}
	o.pair = pairs[i]
	if refusal := account.check(o); refusal != "" {
		v.fail(s, q, event, refusal)
		return
	}
	o.id = newOrderID()
	v.reply(s, q, object{"event": event, "status": "ok", "txid": o.id, "descr": o.describe(o.pair.altname)})
	s.exchange.place(account, o, q.in)
}

// cancelOrder cancels all orders named or, if one of them isn't there, none.
func (v v1) cancelOrder(s *socket, q v1Request) {
	const event = "cancelOrderStatus"
	account, ok := v.trader(s, q, event, PermissionCloseTrades)
	if !ok {
		return
	}
	var orders []*order
	for _, id := range q.fields.texts("txid") {
		o := account.find(id)
		if o == nil {
			v.fail(s, q, event, "EOrder:Unknown order")
			return
		}
		if !slices.Contains(orders, o) {
			orders = append(orders, o)
		}
	}
	if len(orders) == 0 {
		v.fail(s, q, event, "EGeneral:Invalid arguments:txid")
		return
	}
	v.reply(s, q, object{"event": event, "status": "ok"})
	for _, o := range orders {
		s.exchange.cancel(account, o, "User requested", q.in)
	}
}

func (v1) publish(s *socket, channel string, sub *subscription, e event) {
	if channel != "openOrders" {
		return
	}
	var change object
	switch e.status {
	case "pending_new":
		change = v1Order(e.order, "pending")
	case "new":
		change = object{"status": "open", "userref": e.order.userref}
	case "canceled":
		change = object{"status": "canceled", "userref": e.order.userref, "lastupdated": unixTime(e.at),
			"vol_exec": "0.00000000", "cost": "0.00000", "fee": "0.00000", "avg_price": "0.00000",
			"cancel_reason": e.reason}
	}
	s.send([]any{[]object{{e.order.id: change}}, channel, object{"sequence": sub.next()}})
}

// v1Order is an order as openOrders has it.
func v1Order(o *order, status string) object {
	price := strconv.FormatFloat(o.price, 'f', 5, 64)
	return object{
		"avg_price": "0.00000", "cost": "0.00000", "fee": "0.00000", "limitprice": "0.00000", "stopprice": "0.00000",
		"descr": object{
			"close": nil, "leverage": nil, "order": o.describe(o.pair.wsname),
			"ordertype": o.orderType, "pair": o.pair.wsname, "price": price, "price2": "0.00000", "type": o.side,
		},
		"expiretm": nil, "starttm": nil, "refid": nil, "misc": "", "oflags": "fciq", "opentm": unixTime(o.opened),
		"status": status, "timeinforce": "GTC", "userref": o.userref,
		"vol": strconv.FormatFloat(o.quantity, 'f', 8, 64), "vol_exec": "0.00000000",
	}
}

// unixTime is v1's time: seconds with six decimals, in a string.
func unixTime(t time.Time) string {
	return strconv.FormatInt(t.Unix(), 10) + t.Format(".000000")
}

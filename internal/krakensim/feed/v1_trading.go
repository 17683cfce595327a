package feed

import (
	"slices"
	"strconv"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

func (v v1) addOrder(s *socket, q v1Request) {
	const event = "addOrderStatus"
	account, err := s.trade(q.fields.text("token"), permission.ModifyTrades, q.in)
	if err != nil {
		v.fail(s, q, event, err.Error())
		return
	}
	r := paper.Request{Side: q.fields.text("type"), Type: q.fields.text("ordertype")}
	r.Quantity, _ = strconv.ParseFloat(q.fields.text("volume"), 64) // 0 is refused below
	r.Price, _ = strconv.ParseFloat(q.fields.text("price"), 64)
	r.Userref, _ = strconv.ParseInt(q.fields.text("userref"), 10, 64)
	var known bool
	if r.Pair, known = paper.FindPair(func(p paper.Pair) bool { return p.WSName == q.fields.text("pair") }); !known {
		v.fail(s, q, event, "EQuery:Unknown asset pair")
		return
	}
	o, err := account.Place(r, q.in)
	if err != nil {
		v.fail(s, q, event, err.Error())
		return
	}
	v.reply(s, q, object{"event": event, "status": "ok", "txid": o.ID, "descr": o.Describe(o.Pair.Altname)})
}

// cancelOrder cancels all orders named or, if one of them isn't there, none.
func (v v1) cancelOrder(s *socket, q v1Request) {
	const event = "cancelOrderStatus"
	account, err := s.trade(q.fields.text("token"), permission.CloseTrades, q.in)
	if err != nil {
		v.fail(s, q, event, err.Error())
		return
	}
	var ids []string
	for _, id := range q.fields.texts("txid") {
		if _, there := account.Find(id); !there {
			v.fail(s, q, event, paper.UnknownOrder.Error())
			return
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		v.fail(s, q, event, "EGeneral:Invalid arguments:txid")
		return
	}
	for _, id := range ids {
		_, _ = account.Cancel(id, q.in) // it is there
	}
	v.reply(s, q, object{"event": event, "status": "ok"})
}

func (v1) publish(s *socket, channel string, sub *subscription, e paper.Event) {
	if channel != "openOrders" {
		return
	}
	var change object
	switch e.Type {
	case paper.PendingNew:
		change = v1Order(e.Order, "pending")
	case paper.New:
		change = object{"status": "open", "userref": e.Order.Userref}
	case paper.WasCanceled:
		change = object{"status": "canceled", "userref": e.Order.Userref, "lastupdated": unixTime(e.At),
			"vol_exec": "0.00000000", "cost": "0.00000", "fee": "0.00000", "avg_price": "0.00000",
			"cancel_reason": e.Order.Reason}
	default:
		return
	}
	s.send([]any{[]object{{e.Order.ID: change}}, channel, object{"sequence": sub.next()}})
}

// v1Order is an order as openOrders has it.
func v1Order(o paper.Order, status string) object {
	price := strconv.FormatFloat(o.Price, 'f', 5, 64)
	return object{
		"avg_price": "0.00000", "cost": "0.00000", "fee": "0.00000", "limitprice": "0.00000", "stopprice": "0.00000",
		"descr": object{
			"close": nil, "leverage": nil, "order": o.Describe(o.Pair.WSName),
			"ordertype": o.Type, "pair": o.Pair.WSName, "price": price, "price2": "0.00000", "type": o.Side,
		},
		"expiretm": nil, "starttm": nil, "refid": nil, "misc": "", "oflags": "fciq", "opentm": unixTime(o.Opened),
		"status": status, "timeinforce": "GTC", "userref": o.Userref,
		"vol": strconv.FormatFloat(o.Quantity, 'f', 8, 64), "vol_exec": "0.00000000",
	}
}

// unixTime is v1's time: seconds with six decimals, in a string.
func unixTime(t time.Time) string {
	return strconv.FormatInt(t.Unix(), 10) + t.Format(".000000")
}

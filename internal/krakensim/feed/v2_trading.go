package feed

import (
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

// trader finds the account that the request's token may trade for; if there is none, the client has been told.
func (v v2) trader(s *socket, q v2Request, permission string) (*paper.Account, bool) {
	token := q.params.text("token")
	if token == "" {
		v.fail(s, q, "Token(s) not found")
		return nil, false
	}
	account, err := s.trade(token, permission, q.in)
	if err != nil {
		v.fail(s, q, err.Error())
		return nil, false
	}
	return account, true
}

func (v v2) addOrder(s *socket, q v2Request) {
	account, ok := v.trader(s, q, permission.ModifyTrades)
	if !ok {
		return
	}
	r := paper.Request{
		Side:     q.params.text("side"),
		Type:     q.params.text("order_type"),
		ClientID: q.params.text("cl_ord_id"),
	}
	var userref float64
	for name, value := range map[string]*float64{
		"order_qty": &r.Quantity, "limit_price": &r.Price, "order_userref": &userref,
	} {
		if *value, ok = q.params.number(name); !ok {
			v.fail(s, q, fieldName(name)+" field must be a number_float")
			return
		}
	}
	r.Userref = int64(userref)
	if r.Pair, ok = paper.FindPair(func(p paper.Pair) bool { return p.Symbol == q.params.text("symbol") }); !ok {
		v.fail(s, q, "EQuery:Unknown asset pair")
		return
	}
	result := object{}
	if r.ClientID != "" {
		result["cl_ord_id"] = r.ClientID
	}
	if r.Userref != 0 {
		result["order_userref"] = r.Userref
	}
	if q.params.flag("validate", false) {
		if err := account.Check(r); err != nil {
			v.fail(s, q, err.Error())
			return
		}
		v.succeed(s, q, result)
		return
	}
	o, err := account.Place(r, q.in)
	if err != nil {
		v.fail(s, q, err.Error())
		return
	}
	result["order_id"] = o.ID
	v.succeed(s, q, result)
}

// cancelOrder answers once for each order, as Kraken does.
func (v v2) cancelOrder(s *socket, q v2Request) {
	account, ok := v.trader(s, q, permission.CloseTrades)
	if !ok {
		return
	}
	named := false
	for _, by := range []struct {
		field string
		find  func(id string) (paper.Order, bool)
	}{{"order_id", account.Find}, {"cl_ord_id", account.FindClientID}} {
		for _, id := range q.params.texts(by.field) {
			named = true
			o, there := by.find(id)
			if !there {
				v.fail(s, q, paper.UnknownOrder.Error())
				continue
			}
			_, _ = account.Cancel(o.ID, q.in) // it is there
			v.succeed(s, q, object{by.field: id})
		}
	}
	if !named {
		v.fail(s, q, "EGeneral:Invalid arguments:order_id")
	}
}

func (v2) publish(s *socket, channel string, sub *subscription, e paper.Event) {
	if channel != "executions" {
		return
	}
	var data object
	switch e.Type {
	case paper.PendingNew:
		data = v2Order(e.Order, "pending_new")
	case paper.New:
		data = object{"order_id": e.Order.ID}
	case paper.WasCanceled:
		data = object{"order_id": e.Order.ID, "cum_qty": 0.0, "cum_cost": 0.0, "avg_price": 0.0,
			"fee_usd_equiv": 0.0, "cancel_reason": e.Order.Reason, "reason": e.Order.Reason}
	default:
		return
	}
	data["exec_type"], data["order_status"] = string(e.Type), string(e.Type)
	data["timestamp"] = e.At.UTC().Format(v2Time)
	identify(data, e.Order)
	s.send(object{"channel": channel, "type": "update", "data": []object{data}, "sequence": sub.next()})
}

// v2Order is an order as executions has it.
func v2Order(o paper.Order, status string) object {
	data := object{
		"order_id": o.ID, "symbol": o.Pair.Symbol, "order_qty": o.Quantity, "cum_qty": 0.0, "cum_cost": 0.0,
		"time_in_force": "GTC", "exec_type": status, "side": o.Side, "order_type": o.Type, "stop_price": 0.0,
		"order_status": status, "fee_usd_equiv": 0.0, "fee_ccy_pref": "fciq",
		"timestamp": o.Opened.UTC().Format(v2Time),
	}
	if o.Type == "limit" {
		data["limit_price_type"], data["limit_price"] = "static", o.Price
	}
	identify(data, o)
	return data
}

// identify adds the names that the client gave the order.
func identify(data object, o paper.Order) {
	if o.ClientID != "" {
		data["cl_ord_id"] = o.ClientID
	} else {
		data["order_userref"] = o.Userref
	}
}

// v2Orders is the snapshot of executions: the open orders.
func v2Orders(a *account) []object {
	data := []object{}
	for _, o := range a.Open() {
		data = append(data, v2Order(o, "new"))
	}
	return data
}

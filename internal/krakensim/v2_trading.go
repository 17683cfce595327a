package krakensim

import (
	"slices"
)

// trader finds the account that the request's token may trade for; if there is none, the client has been told.
func (v v2) trader(s *socket, q v2Request, permission string) (*account, bool) {
	token := q.params.text("token")
	session := s.exchange.session(token, q.in)
	switch {
	case token == "":
		v.fail(s, q, "Token(s) not found")
	case session == nil:
		v.fail(s, q, invalidSession)
	case !session.may(permission):
		v.fail(s, q, permissionDenied)
	default:
		return s.exchange.account(session.apiKey), true
	}
	return nil, false
}

func (v v2) addOrder(s *socket, q v2Request) {
	account, ok := v.trader(s, q, PermissionModifyTrades)
	if !ok {
		return
	}
	o := &order{
		side:      q.params.text("side"),
		orderType: q.params.text("order_type"),
		clOrdID:   q.params.text("cl_ord_id"),
	}
	var userref float64
	for name, value := range map[string]*float64{
		"order_qty": &o.quantity, "limit_price": &o.price, "order_userref": &userref,
	} {
		if *value, ok = q.params.number(name); !ok {
			v.fail(s, q, fieldName(name)+" field must be a number_float")
			return
		}
	}
	o.userref = int64(userref)
	i := slices.IndexFunc(pairs, func(p pair) bool { return p.symbol == q.params.text("symbol") })
	if i < 0 {
		v.fail(s, q, "EQuery:Unknown asset pair")
		return
	}
	o.pair = pairs[i]
	if refusal := account.check(o); refusal != "" {
		v.fail(s, q, refusal)
		return
	}
	result := object{}
	if o.clOrdID != "" {
		result["cl_ord_id"] = o.clOrdID
	}
	if o.userref != 0 {
		result["order_userref"] = o.userref
	}
	if q.params.flag("validate", false) {
		v.succeed(s, q, result)
		return
	}
	if o.clOrdID != "" && account.find(o.clOrdID) != nil {
		v.fail(s, q, "EOrder:Duplicate order")
		return
	}
	o.id = newOrderID()
	result["order_id"] = o.id
	v.succeed(s, q, result)
	s.exchange.place(account, o, q.in)
}

// cancelOrder answers once for each order, as Kraken does.
func (v v2) cancelOrder(s *socket, q v2Request) {
	account, ok := v.trader(s, q, PermissionCloseTrades)
	if !ok {
		return
	}
	named := false
	for _, field := range []string{"order_id", "cl_ord_id"} {
		for _, id := range q.params.texts(field) {
			named = true
			o := account.find(id)
			if o == nil {
				v.fail(s, q, "EOrder:Unknown order")
				continue
			}
			v.succeed(s, q, object{field: id})
			s.exchange.cancel(account, o, "User requested", q.in)
		}
	}
	if !named {
		v.fail(s, q, "EGeneral:Invalid arguments:order_id")
	}
}

func (v2) publish(s *socket, channel string, sub *subscription, e event) {
	if channel != "executions" {
		return // balances change when something is traded, which is never
	}
	var data object
	switch e.status {
	case "pending_new":
		data = v2Order(e.order, "pending_new")
	case "new":
		data = object{"order_id": e.order.id}
	case "canceled":
		data = object{"order_id": e.order.id, "cum_qty": 0.0, "cum_cost": 0.0, "avg_price": 0.0,
			"fee_usd_equiv": 0.0, "cancel_reason": e.reason, "reason": e.reason}
	}
	data["exec_type"], data["order_status"] = e.status, e.status
	data["timestamp"] = e.at.UTC().Format(v2Time)
	identify(data, e.order)
	s.send(object{"channel": channel, "type": "update", "data": []object{data}, "sequence": sub.next()})
}

// v2Order is an order as executions has it.
func v2Order(o *order, status string) object {
	data := object{
		"order_id": o.id, "symbol": o.pair.symbol, "order_qty": o.quantity, "cum_qty": 0.0, "cum_cost": 0.0,
		"time_in_force": "GTC", "exec_type": status, "side": o.side, "order_type": o.orderType, "stop_price": 0.0,
		"order_status": status, "fee_usd_equiv": 0.0, "fee_ccy_pref": "fciq",
		"timestamp": o.opened.UTC().Format(v2Time),
	}
	if o.orderType == "limit" {
		data["limit_price_type"], data["limit_price"] = "static", o.price
	}
	identify(data, o)
	return data
}

// identify adds the names that the client gave the order.
func identify(data object, o *order) {
	if o.clOrdID != "" {
		data["cl_ord_id"] = o.clOrdID
	} else {
		data["order_userref"] = o.userref
	}
}

// v2Orders is the snapshot of executions: the open orders.
func v2Orders(a *account) []object {
	data := []object{}
	for _, o := range a.open {
		data = append(data, v2Order(o, "new"))
	}
	return data
}

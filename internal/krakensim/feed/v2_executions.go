package feed

import (
	"slices"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// v2Warnings come with each subscription to executions, as recorded in 2024 (Brendan-Blanchard/kraken-async-rs).
var v2Warnings = []string{
	"cancel_reason is deprecated, use reason",
	"stop_price is deprecated, use triggers.price",
	"trigger is deprecated use triggers.reference",
	"triggered_price is deprecated use triggers.last_price",
}

// v2SubscribeExecutions is what a subscription to executions is answered with, and its snapshot; nil for none.
func v2SubscribeExecutions(sub *subscription, p params, account *paper.Account) (result object, snapshot []object) {
	result = object{"maxratecount": sub.session.MaxRateCount, "warnings": v2Warnings}
	orders, trades := true, false
	if wanted := pointer[bool](p, "snapshot"); wanted != nil {
		orders = *wanted
	}
	if value[bool](p, "snapshot_trades") {
		orders, trades = false, true
	}
	for name, wanted := range map[string]*bool{"snap_orders": &orders, "snap_trades": &trades} {
		if asked := pointer[bool](p, name); asked != nil {
			*wanted = *asked
			result[name] = *asked
		}
	}
	if status := pointer[bool](p, "order_status"); status != nil {
		sub.brief = !*status
	}
	if orders || trades {
		snapshot = []object{}
	}
	if orders {
		for _, o := range slices.Backward(account.Open()) { // the last one comes first, as in v1's
			snapshot = append(snapshot, v2OpenOrder(o))
		}
	}
	if trades {
		for _, t := range account.LastTrades(maxTradesShown) {
			_, open := account.Find(t.Order.ID)
			snapshot = append(snapshot, v2OldTrade(t, open))
		}
	}
	return result, snapshot
}

// v2Execution is an event as executions tells it; nil if it doesn't. A brief subscriber wants to know only that orders open and
// close.
func v2Execution(e paper.Event, brief bool) object {
	if brief && (e.Type == paper.PendingNew || e.Type == paper.Amended || e.Type == paper.Traded) {
		return nil
	}
	o := e.Order
	data := v2Report(string(e.Type), o, e.At)
	switch e.Type {
	case paper.PendingNew:
		data["order_status"] = "pending_new"
		v2Describe(data, o)
		data["cum_cost"], data["fee_usd_equiv"] = 0.0, 0.0
	case paper.New:
	case paper.Amended:
		data["amended"], data["reason"] = true, paper.UserRequested
		data["order_qty"], data["cum_qty"] = o.Quantity, o.Executed
		data["limit_price"], data["limit_price_type"] = o.Price, "static"
	case paper.Traded:
		// Kraken's page has it so, also for a trade that fills the order: that comes in a message of its own.
		data["order_status"] = "partially_filled"
		v2Totals(data, o)
		v2Traded(data, *e.Trade)
	case paper.WasFilled:
		v2Totals(data, o)
	case paper.WasCanceled:
		v2Totals(data, o)
		data["cancel_reason"], data["reason"] = o.Reason, o.Reason
	}
	return data
}

// v2OpenOrder is an open order as the snapshot has it.
func v2OpenOrder(o paper.Order) object {
	data := v2Report("new", o, o.Opened)
	v2Describe(data, o)
	v2Totals(data, o)
	data["amended"] = o.Amended
	return data
}

// v2OldTrade is a trade as the snapshot has it, of an order that is still open, or isn't.
func v2OldTrade(t paper.Trade, open bool) object {
	data := v2Report("trade", t.Order, t.At)
	data["order_status"] = "filled"
	if open {
		data["order_status"] = "partially_filled"
	}
	v2Traded(data, t)
	data["fee_usd_equiv"] = t.Fee
	return data
}

// v2Report has what all reports of an order have.
func v2Report(execType string, o paper.Order, at time.Time) object {
	data := object{"exec_type": execType, "order_id": o.ID, "order_status": string(o.Status), "timestamp": at.UTC().Format(v2Time)}
	switch {
	case o.Status == paper.Open && o.Executed > 0:
		data["order_status"] = "partially_filled"
	case o.Status == paper.Open:
		data["order_status"] = "new"
	}
	if o.ClientID != "" {
		data["cl_ord_id"] = o.ClientID
	} else {
		data["order_userref"] = o.Userref // 0 for none, as recorded
	}
	return data
}

// v2Describe says what the client ordered.
func v2Describe(data object, o paper.Order) {
	data["symbol"], data["side"], data["order_type"], data["order_qty"] = o.Pair.Symbol, o.Side, o.Type, o.Quantity
	data["time_in_force"], data["fee_ccy_pref"], data["stop_price"] = o.TimeInForce, "fciq", 0.0
	if o.Type == "limit" {
		data["limit_price_type"], data["limit_price"] = "static", o.Price
	}
	if o.PostOnly {
		data["post_only"] = true
	}
}

// v2Totals says what was executed of an order so far. A fee is in the pair's quote, which is dollars in all pairs.
func v2Totals(data object, o paper.Order) {
	data["cum_qty"], data["cum_cost"], data["avg_price"], data["fee_usd_equiv"] = o.Executed, o.Cost, o.AveragePrice(), o.Fee
}

// v2Traded says what was traded.
func v2Traded(data object, t paper.Trade) {
	o := t.Order
	data["exec_id"], data["trade_id"] = t.ID, t.Number
	data["symbol"], data["side"], data["order_type"] = o.Pair.Symbol, o.Side, o.Type
	data["last_qty"], data["last_price"], data["cost"] = t.Quantity, t.Price, t.Cost
	data["liquidity_ind"] = "m" // for it rested
	data["fees"] = []object{{"asset": o.Pair.Quote, "qty": t.Fee}}
}

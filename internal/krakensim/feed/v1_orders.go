package feed

import (
	"fmt"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// v1Order is an order as openOrders has it when it is new, and in a snapshot.
func v1Order(o paper.Order, status string) object {
	none := o.Pair.FormatCost(0)
	order := v1Executed(o)
	order["descr"] = object{
		"close": nil, "leverage": nil, "ordertype": o.Type, "pair": o.Pair.WSName, "price": o.Pair.FormatCost(o.Price),
		"price2": none, "type": o.Side,
		"order": fmt.Sprintf("%s %s %s @ %s %s", o.Side, paper.FormatVolume(o.Quantity), o.Pair.WSName, o.Type,
			o.Pair.FormatCost(o.Price)), // with the price of a market order too, which is zero
	}
	order["expiretm"], order["starttm"], order["refid"] = nil, nil, nil
	order["limitprice"], order["stopprice"] = none, none
	order["misc"], order["oflags"] = "", o.Flags()
	order["opentm"], order["status"], order["timeinforce"] = paper.UnixTime(o.Opened), status, o.TimeInForce
	order["vol"] = paper.FormatVolume(o.Quantity)
	if o.Amended {
		order["amended"] = true
	}
	v1Name(order, o)
	return order
}

// v1Executed is what a trade changes about an order.
func v1Executed(o paper.Order) object {
	return object{"vol_exec": paper.FormatVolume(o.Executed), "cost": o.Pair.FormatCost(o.Cost), "fee": o.Pair.FormatCost(o.Fee),
		"avg_price": o.Pair.FormatCost(o.AveragePrice()), "userref": o.Userref}
}

// v1Closed is an order that isn't open any more.
func v1Closed(o paper.Order, status string, at time.Time) object {
	order := v1Executed(o)
	order["status"], order["lastupdated"] = status, paper.UnixTime(at)
	return order
}

// v1Trade is a trade as ownTrades has it.
func v1Trade(t paper.Trade) object {
	pair := t.Order.Pair
	return object{
		"cost": pair.FormatCost(t.Cost), "fee": pair.FormatCost(t.Fee), "margin": pair.FormatCost(0),
		"ordertxid": t.Order.ID, "ordertype": t.Order.Type, "pair": pair.WSName, "postxid": paper.NoPosition,
		"price": pair.FormatCost(t.Price), "time": paper.UnixTime(t.At), "type": t.Order.Side, "vol": paper.FormatVolume(t.Quantity),
	}
}

// v1Name adds the name that the client gave the order.
func v1Name(fields object, o paper.Order) {
	if o.ClientID != "" {
		fields["cl_ord_id"] = o.ClientID
	}
}

package feed

import (
	"fmt"
	"strconv"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// v1Order is an order as openOrders has it when it is new, and in a snapshot.
func v1Order(o paper.Order, status string) object {
	none := v1Amount(o.Pair, 0)
	order := v1Executed(o)
	order["descr"] = object{
		"close": nil, "leverage": nil, "ordertype": o.Type, "pair": o.Pair.WSName, "price": v1Amount(o.Pair, o.Price),
		"price2": none, "type": o.Side,
		"order": fmt.Sprintf("%s %s %s @ %s %s", o.Side, v1Volume(o.Quantity), o.Pair.WSName, o.Type,
			v1Amount(o.Pair, o.Price)), // with the price of a market order too, which is zero
	}
	order["expiretm"], order["starttm"], order["refid"] = nil, nil, nil
	order["limitprice"], order["stopprice"] = none, none
	order["misc"], order["oflags"] = "", "fciq"
	order["opentm"], order["status"], order["timeinforce"] = unixTime(o.Opened), status, "GTC"
	order["vol"] = v1Volume(o.Quantity)
	if o.PostOnly {
		order["oflags"] = "fciq,post"
	}
	if o.TimeInForce != "" {
		order["timeinforce"] = o.TimeInForce
	}
	if o.Amended {
		order["amended"] = true
	}
	v1Name(order, o)
	return order
}

// v1Executed is what a trade changes about an order.
func v1Executed(o paper.Order) object {
	return object{"vol_exec": v1Volume(o.Executed), "cost": v1Amount(o.Pair, o.Cost), "fee": v1Amount(o.Pair, o.Fee),
		"avg_price": v1Amount(o.Pair, o.AveragePrice()), "userref": o.Userref}
}

// v1Closed is an order that isn't open any more.
func v1Closed(o paper.Order, status string, at time.Time) object {
	order := v1Executed(o)
	order["status"], order["lastupdated"] = status, unixTime(at)
	return order
}

// v1Position is the position of all trades without margin, in recordings of several accounts.
const v1Position = "TKH2SE-M7IF5-CFI7LT"

// v1Trade is a trade as ownTrades has it.
func v1Trade(t paper.Trade) object {
	pair := t.Order.Pair
	return object{
		"cost": v1Amount(pair, t.Cost), "fee": v1Amount(pair, t.Fee), "margin": v1Amount(pair, 0),
		"ordertxid": t.Order.ID, "ordertype": t.Order.Type, "pair": pair.WSName, "postxid": v1Position,
		"price": v1Amount(pair, t.Price), "time": unixTime(t.At), "type": t.Order.Side, "vol": v1Volume(t.Quantity),
	}
}

// v1Name adds the name that the client gave the order.
func v1Name(fields object, o paper.Order) {
	if o.ClientID != "" {
		fields["cl_ord_id"] = o.ClientID
	}
}

// v1Amount is a price, a cost or a fee. All have the decimals of the pair's cost, as recorded.
func v1Amount(p paper.Pair, amount float64) string {
	return strconv.FormatFloat(amount, 'f', p.CostDecimals, 64)
}

func v1Volume(volume float64) string {
	return strconv.FormatFloat(volume, 'f', paper.VolumeDecimals, 64)
}

// unixTime is v1's time: seconds with six decimals, in a string.
func unixTime(t time.Time) string {
	return strconv.FormatInt(t.Unix(), 10) + t.Format(".000000")
}

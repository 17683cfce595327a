package krakensim

import (
	"crypto/rand"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// account is the paper account of one API key. Exchange.mu guards it.
type account struct {
	apiKey string
	open   []*order // oldest first
}

// order is an order of a paper account. Nothing trades against it: it rests until it is cancelled.
type order struct {
	id        string
	clOrdID   string // "" for none
	userref   int64
	pair      pair
	side      string // buy or sell
	orderType string // market, limit, …
	quantity  float64
	price     float64 // 0 for a market order
	opened    time.Time
}

// maxOpenOrders is per account; Kraken has such a limit by pair and tier.
const maxOpenOrders = 500

// account returns the key's paper account. The caller holds x.mu.
func (x *Exchange) account(apiKey string) *account {
	a := x.accounts[apiKey]
	if a == nil {
		a = &account{apiKey: apiKey}
		x.accounts[apiKey] = a
	}
	return a
}

// held is how much of each asset, by code, the open orders hold.
func (a *account) held() map[string]float64 {
	held := map[string]float64{}
	for _, o := range a.open {
		if o.side == "buy" {
			held[o.pair.quote] += o.quantity * o.price
		} else {
			held[o.pair.base] += o.quantity
		}
	}
	return held
}

// available is how much of an asset is neither spent nor held.
func (a *account) available(code string) float64 {
	i := slices.IndexFunc(assets, func(asset asset) bool { return asset.code == code })
	return assets[i].balance - a.held()[code]
}

// check returns Kraken's error string for an order that can't be placed; "" if it can.
func (a *account) check(o *order) string {
	positive := func(v float64) bool { return v > 0 && !math.IsInf(v, 0) && !math.IsNaN(v) }
	if o.orderType == "market" {
		o.price = 0
	}
	switch {
	case o.side != "buy" && o.side != "sell":
		return "EGeneral:Invalid arguments:side"
	case o.orderType != "market" && o.orderType != "limit":
		return "EGeneral:Invalid arguments:ordertype"
	case !positive(o.quantity):
		return "EGeneral:Invalid arguments:volume"
	case o.orderType == "limit" && !positive(o.price):
		return "EGeneral:Invalid arguments:price"
	case len(a.open) >= maxOpenOrders:
		return "EOrder:Orders limit exceeded"
	case o.side == "buy" && !(o.quantity*o.price <= a.available(o.pair.quote)),
		o.side == "sell" && !(o.quantity <= a.available(o.pair.base)):
		return "EOrder:Insufficient funds"
	}
	return ""
}

// place puts a checked order on the book and tells the account's subscribers. A market order finds nobody to trade
// with and is cancelled at once. The caller holds x.mu, and has told the client the order's id.
func (x *Exchange) place(a *account, o *order, now time.Time) {
	o.opened = now
	a.open = append(a.open, o)
	x.publish(a, event{order: o, status: "pending_new", at: now})
	x.publish(a, event{order: o, status: "new", at: now})
	if o.orderType == "market" {
		x.cancel(a, o, "Order has no counterparty", now)
	}
}

// cancel takes an order off the book and tells the account's subscribers. The caller holds x.mu.
func (x *Exchange) cancel(a *account, o *order, reason string, now time.Time) {
	a.open = slices.DeleteFunc(a.open, func(other *order) bool { return other == o })
	x.publish(a, event{order: o, status: "canceled", reason: reason, at: now})
}

// find returns the open order with the id, Kraken's or the client's; nil if there is none.
func (a *account) find(id string) *order {
	for _, o := range a.open {
		if o.id == id || (o.clOrdID != "" && o.clOrdID == id) {
			return o
		}
	}
	return nil
}

// describe is the sentence in which Kraken repeats an order.
func (o *order) describe(pairName string) string {
	text := fmt.Sprintf("%s %.8f %s @ %s", o.side, o.quantity, pairName, o.orderType)
	if o.orderType == "market" {
		return text
	}
	return text + fmt.Sprintf(" %.*f", o.pair.decimals, o.price)
}

// event is a change of an order, as subscribers are told of it.
type event struct {
	order  *order
	status string // pending_new, new, canceled
	reason string
	at     time.Time
}

// publish tells everybody who has subscribed to the account's orders. The caller holds x.mu.
func (x *Exchange) publish(a *account, e event) {
	for s := range x.sockets {
		for channel, sub := range s.subscriptions {
			if sub.session.apiKey == a.apiKey {
				s.protocol.publish(s, channel, sub, e)
			}
		}
	}
}

// newOrderID makes an id of the shape of Kraken's, OXXXXX-XXXXX-XXXXXX.
func newOrderID() string {
	text := strings.ToUpper(rand.Text()) // 26 characters of base32
	return "O" + text[:5] + "-" + text[5:10] + "-" + text[10:16]
}

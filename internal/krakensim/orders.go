package krakensim

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

func openOrders(x *Exchange, q query) (any, error) {
	wanted, err := q.filter()
	if err != nil {
		return nil, err
	}
	orders := object{}
	return object{"open": orders}, x.feed.WithAccount(q.key.APIKey, func(account *paper.Account) error {
		for _, o := range account.Open() {
			if wanted.has(o) {
				orders[o.ID] = orderInfo(o, wanted.trades)
			}
		}
		return nil
	})
}

func closedOrders(x *Exchange, q query) (any, error) {
	wanted, err := q.filter()
	if err != nil {
		return nil, err
	}
	at := q.text("closetime")
	if !slices.Contains([]string{"", "both", "open", "close"}, at) {
		return nil, paper.Invalid("closetime")
	}
	var part history
	var orders []paper.Order
	err = x.feed.WithAccount(q.key.APIKey, func(account *paper.Account) (err error) {
		orders = account.Closed()
		part, err = q.history(func(id string) (time.Time, bool) {
			o, err := account.Recall(id)
			return o.Opened, err == nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(orders)
	orders = slices.DeleteFunc(orders, func(o paper.Order) bool {
		inPeriod := at != "close" && part.has(o.Opened) || at != "open" && part.has(o.Closed)
		return !inPeriod || !wanted.has(o)
	})
	return pageOf(part, "closed", orders, func(o paper.Order) (string, object) {
		return o.ID, orderInfo(o, wanted.trades)
	}), nil
}

// queryOrders tells of orders by their ids. A key may see the open ones, the closed ones, or both.
func queryOrders(x *Exchange, q query) (any, error) {
	wanted, err := q.filter()
	if err != nil {
		return nil, err
	}
	const maxIDs = 50
	ids := strings.Split(q.text("txid"), ",")
	if q.text("txid") == "" || len(ids) > maxIDs {
		return nil, paper.Invalid("txid")
	}
	orders := object{}
	return orders, x.feed.WithAccount(q.key.APIKey, func(account *paper.Account) error {
		for _, id := range ids {
			o, err := account.Recall(strings.TrimSpace(id))
			if err != nil {
				return err
			}
			needed := permission.QueryClosedTrades
			if o.Status == paper.Open {
				needed = permission.QueryOpenTrades
			}
			if !q.may(needed) {
				return paper.PermissionDenied
			}
			if wanted.has(o) {
				orders[o.ID] = orderInfo(o, wanted.trades)
			}
		}
		return nil
	})
}

// filter is which orders are asked for, and how.
type filter struct {
	userref  *int64 // nil for any
	clientID string // "" for any
	trades   bool   // with the ids of their trades
}

func (q query) filter() (f filter, err error) {
	f.clientID = q.text("cl_ord_id")
	if q.text("userref") != "" {
		userref, err := q.integer("userref")
		if err != nil {
			return f, err
		}
		f.userref = &userref
	}
	f.trades, err = q.flag("trades")
	return f, err
}

func (f filter) has(o paper.Order) bool {
	return (f.userref == nil || o.Userref == *f.userref) && (f.clientID == "" || o.ClientID == f.clientID)
}

// orderInfo is an order as OpenOrders, ClosedOrders and QueryOrders have it: the fields and types of answers recorded from
// the real API in 2025, by knowm/XChange. They have userref 0 for none, and cl_ord_id only if there is one.
func orderInfo(o paper.Order, trades bool) object {
	cost := o.Pair.FormatCost
	price, average := "0", cost(0)
	if o.Type == "limit" {
		price = amount(o.Price, o.Pair.Decimals)
	}
	if o.Executed > 0 {
		average = amount(o.AveragePrice(), o.Pair.Decimals)
	}
	info := object{
		"refid": nil, "userref": o.Userref, "status": o.Status, "opentm": unixSeconds(o.Opened), "starttm": 0, "expiretm": 0,
		"descr": object{
			"pair": o.Pair.Altname, "aclass": "forex", "type": o.Side, "ordertype": o.Type, "price": price, "price2": "0",
			"leverage": "none", "order": o.Describe(o.Pair.Altname), "close": "",
		},
		"vol": paper.FormatVolume(o.Quantity), "vol_exec": paper.FormatVolume(o.Executed),
		"cost": cost(o.Cost), "fee": cost(o.Fee), "price": average, "stopprice": cost(0), "limitprice": cost(0),
		"misc": misc(o), "oflags": o.Flags(),
	}
	if o.ClientID != "" {
		info["cl_ord_id"] = o.ClientID
	}
	if trades && len(o.Trades) > 0 {
		info["trades"] = o.Trades
	}
	if o.Status == paper.Filled {
		info["status"] = "closed"
	}
	if o.Status != paper.Open {
		info["closetm"], info["reason"] = unixSeconds(o.Closed), nil
		if o.Reason != "" {
			info["reason"] = o.Reason
		}
	}
	return info
}

func misc(o paper.Order) string {
	var list []string
	if o.Executed > 0 && o.Rest() > 0 {
		list = append(list, "partial")
	}
	if o.Amended {
		list = append(list, "amended")
	}
	return strings.Join(list, ",")
}

// unixSeconds is REST's time of orders and trades, a number.
func unixSeconds(t time.Time) json.Number { return json.Number(paper.UnixTime(t)) }

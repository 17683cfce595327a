package krakensim

import "github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"

// foreignToAddOrder are the fields of AddOrder (docs.kraken.com, "Add Order") that ask for what the paper account doesn't do. It
// trades with nobody, itself included, so it is all one which of two orders stptype would cancel.
var foreignToAddOrder = []foreign{
	{name: "stptype", only: []string{"cancel-newest", "cancel-oldest", "cancel-both"}},
	{name: "trigger", only: []string{"last"}},
	{name: "starttm", only: []string{"0"}},
	{name: "expiretm", only: []string{"0"}},
	{name: "price2", only: []string{"0"}},
	{name: "close", only: []string{"{}"}},
	{name: "close[ordertype]"},
	{name: "close[price]"},
	{name: "close[price2]"},
	{name: "displayvol"},
	{name: "asset_class"},
	{name: "broker"},
}

// addOrder places an order, or only says whether it could.
func addOrder(x *Exchange, q query) (any, error) {
	request, err := q.order()
	if err != nil {
		return nil, err
	}
	validate, err := q.flag("validate")
	if err != nil {
		return nil, err
	}
	added := object{"descr": object{"order": request.Describe(request.Pair.Altname)}}
	return added, x.feed.WithAccount(q.key.APIKey, func(account *paper.Account) error {
		if validate {
			return account.Check(request)
		}
		order, err := account.Place(request, q.now)
		added["txid"] = []string{order.ID}
		return err
	})
}

// order is what an AddOrder asks for.
func (q query) order() (request paper.Request, err error) {
	if kind := q.text("ordertype"); kind != "market" && kind != "limit" {
		return request, paper.Invalid("ordertype") // which says more of a stop order than its other fields would
	}
	if err = q.refuseForeign(foreignToAddOrder); err != nil {
		return request, err
	}
	if err = q.deadline(); err != nil {
		return request, err
	}
	pair, err := q.pair()
	if err != nil {
		return request, err
	}
	request = paper.Request{
		Pair:        pair,
		Side:        q.text("type"),
		Type:        q.text("ordertype"),
		TimeInForce: q.text("timeinforce"),
		ClientID:    q.text("cl_ord_id"),
		Margin:      paper.Leveraged(q.text("leverage")),
	}
	if request.ReduceOnly, err = q.flag("reduce_only"); err != nil {
		return request, err
	}
	if request.Quantity, err = q.number("volume"); err != nil {
		return request, err
	}
	if request.Price, err = q.number("price"); err != nil {
		return request, err
	}
	if request.Userref, err = q.integer("userref"); err != nil {
		return request, err
	}
	request.PostOnly, err = paper.ParseFlags(q.text("oflags"))
	return request, err
}

// cancelOrder cancels an order by Kraken's id or the client's, or all that have a userref.
func cancelOrder(x *Exchange, q query) (any, error) {
	canceled := object{}
	return canceled, x.feed.WithAccount(q.key.APIKey, func(account *paper.Account) error {
		id, err := account.Which(q.text("txid"), q.text("cl_ord_id"))
		if err != nil {
			return err
		}
		ids := account.Named(id)
		if len(ids) == 0 {
			return paper.UnknownOrder
		}
		for _, id := range ids {
			if _, err := account.Cancel(id, q.now); err != nil {
				return err
			}
		}
		canceled["count"] = len(ids)
		return nil
	})
}

func cancelAll(x *Exchange, q query) (any, error) {
	canceled := object{}
	return canceled, x.feed.WithAccount(q.key.APIKey, func(account *paper.Account) error {
		canceled["count"] = account.CancelAll(q.now)
		return nil
	})
}

// cancelAllOrdersAfter is Kraken's dead man's switch. Its timeout is in seconds.
func cancelAllOrdersAfter(x *Exchange, q query) (any, error) {
	timeout, err := q.integer("timeout")
	if err != nil || q.text("timeout") == "" {
		return nil, paper.Invalid("timeout")
	}
	set := object{"currentTime": paper.WholeSeconds(q.now)}
	return set, x.feed.WithAccount(q.key.APIKey, func(account *paper.Account) error {
		due, err := account.CancelAllAfter(timeout, q.now)
		set["triggerTime"] = paper.WholeSeconds(due)
		return err
	})
}

// foreignToAmendOrder are the fields of AmendOrder that the paper account doesn't know.
var foreignToAmendOrder = []foreign{{name: "display_qty"}, {name: "trigger_price"}}

// amendOrder changes an order's quantity or price. It is what ccxt's editOrder asks for.
func amendOrder(x *Exchange, q query) (any, error) {
	change, err := q.change()
	if err != nil {
		return nil, err
	}
	amended := object{}
	return amended, x.feed.WithAccount(q.key.APIKey, func(account *paper.Account) (err error) {
		id, err := account.Which(q.text("txid"), q.text("cl_ord_id"))
		if err != nil {
			return err
		}
		amended["amend_id"], _, err = account.Amend(id, change, q.now)
		return err
	})
}

// change is what an AmendOrder asks for. Its post_only is about a price that would take, which none does here.
func (q query) change() (change paper.Change, err error) {
	if err = q.refuseForeign(foreignToAmendOrder); err != nil {
		return change, err
	}
	if err = q.deadline(); err != nil {
		return change, err
	}
	if q.text("pair") != "" {
		pair, err := q.pair()
		if err != nil {
			return change, err
		}
		change.Pair = &pair
	}
	if change.Quantity, err = q.optional("order_qty"); err != nil {
		return change, err
	}
	if change.Price, err = q.optional("limit_price"); err != nil {
		return change, err
	}
	_, err = q.flag("post_only")
	return change, err
}

package krakensim

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/feed"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

// privateMethod is a method under /0/private/: what it needs, and what it answers once the caller is known. No lock is held
// meanwhile.
type privateMethod struct {
	need   permission.Need
	cost   int                                                // on the key's call counter
	answer func(x *Exchange, q query) (result any, err error) // an error is a refusal, in Kraken's words
}

// query is a private request whose caller is known.
type query struct {
	key    keyState
	fields url.Values
	now    time.Time
}

func (q query) may(permission string) bool { return slices.Contains(q.key.permissions(), permission) }

// privateMethods have the permissions and the costs that docs.kraken.com gives them. For the cost of AmendOrder, CancelAll and
// CancelAllOrdersAfter it names no figure. They go to the matching engine as AddOrder and CancelOrder do, which cost nothing.
var privateMethods = map[string]privateMethod{
	"GetWebSocketsToken": {permission.AllOf(permission.WebSockets), 1, getWebSocketsToken},
	"GetApiKeyInfo":      {permission.Need{}, 1, getAPIKeyInfo},
	"Balance":            {permission.AllOf(permission.QueryFunds), 1, balance},
	"BalanceEx":          {permission.AllOf(permission.QueryFunds), 1, balanceEx},

	"TradeBalance":  {permission.AllOf(permission.QueryOpenTrades), 1, tradeBalance},
	"OpenOrders":    {permission.AllOf(permission.QueryOpenTrades), 1, openOrders},
	"ClosedOrders":  {permission.AllOf(permission.QueryClosedTrades), 1, closedOrders},
	"QueryOrders":   {permission.OneOf(permission.QueryOpenTrades, permission.QueryClosedTrades), 1, queryOrders},
	"TradesHistory": {permission.AllOf(permission.QueryClosedTrades), 2, tradesHistory},

	"AddOrder":             {permission.ToPlace, 0, addOrder},
	"AmendOrder":           {permission.ToChange, 0, amendOrder},
	"CancelOrder":          {permission.ToChange, 0, cancelOrder},
	"CancelAll":            {permission.ToChange, 0, cancelAll},
	"CancelAllOrdersAfter": {permission.ToChange, 0, cancelAllOrdersAfter},
}

func getWebSocketsToken(x *Exchange, q query) (any, error) {
	return object{"token": x.feed.NewToken(q.key.holder()), "expires": int(feed.TokenLife.Seconds())}, nil
}

// amount writes a number with so many decimals, as Kraken's REST API has them: in a string.
func amount(number float64, decimals int) string {
	return strconv.FormatFloat(number, 'f', decimals, 64)
}

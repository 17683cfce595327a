package krakensim

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/feed"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
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

// getAPIKeyInfo has the fields of docs.kraken.com, "Get API Key Info", with the names and types that an answer recorded from
// the real API has: snake case, and numbers (times are Unix seconds) as text.
func getAPIKeyInfo(_ *Exchange, q query) (any, error) {
	key := q.key
	seconds := func(t time.Time) string {
		if t.IsZero() {
			return "0"
		}
		return strconv.FormatInt(t.Unix(), 10)
	}
	info := object{
		"api_key_name":  key.Name,
		"api_key":       key.APIKey,
		"nonce":         strconv.FormatUint(key.nonce, 10),
		"nonce_window":  "0",
		"permissions":   key.permissions(),
		"iban":          "AA00 SIMU LATE DACC",
		"valid_until":   seconds(key.ValidUntil),
		"query_from":    "0",
		"query_to":      "0",
		"created_time":  seconds(key.created),
		"modified_time": seconds(key.modified),
		"ip_allowlist":  []string{""}, // which is how an empty one comes
		"last_used":     seconds(key.lastUsed),
	}
	if key.CamelCase {
		info = inCamelCase(info)
	}
	return info, nil
}

// inCamelCase has the names as Kraken's page writes them: validUntil for valid_until.
func inCamelCase(info object) object {
	renamed := object{}
	for name, value := range info {
		words := strings.Split(name, "_")
		for i := 1; i < len(words); i++ {
			words[i] = strings.ToUpper(words[i][:1]) + words[i][1:]
		}
		renamed[strings.Join(words, "")] = value
	}
	return renamed
}

func balance(x *Exchange, q query) (any, error) {
	balances := object{}
	return balances, x.feed.WithAccount(q.key.APIKey, func(account *paper.Account) error {
		for _, asset := range paper.Assets {
			balances[asset.ID] = amount(account.Balance(asset.Code), asset.Decimals)
		}
		return nil
	})
}

// balanceEx is what ccxt's fetchBalance asks for.
func balanceEx(x *Exchange, q query) (any, error) {
	balances := object{}
	return balances, x.feed.WithAccount(q.key.APIKey, func(account *paper.Account) error {
		for _, asset := range paper.Assets {
			balances[asset.ID] = object{
				"balance":    amount(account.Balance(asset.Code), asset.Decimals),
				"hold_trade": amount(account.Held(asset.Code), asset.Decimals),
			}
		}
		return nil
	})
}

// amount writes a number with so many decimals, as Kraken's REST API has them: in a string.
func amount(number float64, decimals int) string {
	return strconv.FormatFloat(number, 'f', decimals, 64)
}

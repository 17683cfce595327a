package krakensim

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// privateMethod is a method under /0/private/: what it needs, and what it answers once the caller is known. The
// answer is made with x.mu held.
type privateMethod struct {
	permission string
	answer     func(x *Exchange, key *keyState, now time.Time) answer
}

var privateMethods = map[string]privateMethod{
	"GetWebSocketsToken": {PermissionWebSockets, getWebSocketsToken},
	"GetApiKeyInfo":      {"", getAPIKeyInfo},
	"Balance":            {PermissionQueryFunds, balance},
	"BalanceEx":          {PermissionQueryFunds, balanceEx},
}

func getWebSocketsToken(x *Exchange, key *keyState, now time.Time) answer {
	return result(object{"token": x.mint(key, now), "expires": int(tokenLife.Seconds())})
}

// getAPIKeyInfo has the fields of docs.kraken.com, "Get API Key Info", with the names and types that an answer recorded from
// the real API has: snake case, and numbers (times are Unix seconds) as text.
func getAPIKeyInfo(_ *Exchange, key *keyState, _ time.Time) answer {
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
	return result(info)
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

func balance(x *Exchange, key *keyState, _ time.Time) answer {
	balances := object{}
	for _, asset := range assets {
		balances[asset.id] = asset.amount(asset.balance)
	}
	return result(balances)
}

// balanceEx is what ccxt's fetchBalance asks for.
func balanceEx(x *Exchange, key *keyState, _ time.Time) answer {
	held := x.account(key.APIKey).held()
	balances := object{}
	for _, asset := range assets {
		balances[asset.id] = object{
			"balance":    asset.amount(asset.balance),
			"hold_trade": asset.amount(held[asset.code]),
		}
	}
	return result(balances)
}

// public answers a request that isn't under /0/private/. Any method will do, as at Kraken.
func public(path string, r *http.Request) answer {
	method, ok := publicMethods[path]
	switch {
	case !ok:
		return unknownMethod()
	case r.UserAgent() == "":
		return noUserAgent()
	}
	return result(method(time.Now().UTC()))
}

// publicMethods are as many as a client needs to set its clock and load its markets.
var publicMethods = map[string]func(now time.Time) any{
	"/0/public/Time": func(now time.Time) any {
		return object{"unixtime": now.Unix(), "rfc1123": now.Format("Mon, 02 Jan 06 15:04:05 -0700")}
	},
	"/0/public/SystemStatus": func(now time.Time) any {
		return object{"status": "online", "timestamp": now.Format(time.RFC3339)}
	},
	"/0/public/Assets":     func(time.Time) any { return json.RawMessage(assetsJSON) },
	"/0/public/AssetPairs": func(time.Time) any { return json.RawMessage(assetPairsJSON) },
}

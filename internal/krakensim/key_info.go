package krakensim

import (
	"strconv"
	"strings"
	"time"
)

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

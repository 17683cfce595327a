package krakensim

import (
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

func TestKeyInfoTellsOfTheKeyThatSigns(t *testing.T) {
	key := exampleKey
	key.ValidUntil = time.Unix(4102444800, 0)
	permissions := `["query-funds","query-open-trades","query-closed-trades","modify-trades","close-trades","create-ws-token"]`
	got := newRequest("/0/private/GetApiKeyInfo", 77).do(t, New(key).Transport())
	wiretest.Matches(t, `{"error":[],"result":{"api_key_name":"example","api_key":"`+ExampleAPIKey+`","nonce":"77","nonce_window":"0",
		"permissions":`+permissions+`,"iban":"*","valid_until":"4102444800","query_from":"0","query_to":"0","created_time":"*",
		"modified_time":"*","ip_allowlist":[""],"last_used":"*"}}`, got.body)

	key.CamelCase = true
	got = newRequest("/0/private/GetApiKeyInfo", 78).do(t, New(key).Transport())
	wiretest.Matches(t, `{"error":[],"result":{"apiKeyName":"example","apiKey":"`+ExampleAPIKey+`","nonce":"78","nonceWindow":"0",
		"permissions":`+permissions+`,"iban":"*","validUntil":"4102444800","queryFrom":"0","queryTo":"0","createdTime":"*",
		"modifiedTime":"*","ipAllowlist":[""],"lastUsed":"*"}}`, got.body)
}

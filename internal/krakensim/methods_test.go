package krakensim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

func TestTokensAreUniqueAndLongEnough(t *testing.T) {
	x := New(exampleKey)
	got := newRequest(tokenPath, 1).do(t, x.Transport())
	wiretest.Matches(t, `{"error":[],"result":{"token":"*","expires":900}}`, got.body)
	first, second := mintToken(t, x), mintToken(t, x)
	assert.NotEqual(t, first, second)
	assert.Len(t, first, 43)
}

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

func TestBalanceIsThatOfThePaperAccount(t *testing.T) {
	x := New(exampleKey)
	wiretest.Matches(t, `{"error":[],"result":{"ZUSD":"100000.0000","XXBT":"2.0000000000","XETH":"50.0000000000"}}`,
		newRequest("/0/private/Balance", 1).do(t, x.Transport()).body)
	wiretest.Matches(t, `{"error":[],"result":{"ZUSD":{"balance":"100000.0000","hold_trade":"0.0000"}}}`,
		newRequest("/0/private/BalanceEx", 2).do(t, x.Transport()).body)
}

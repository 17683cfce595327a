package krakensecrets

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKeyInfoHandsOnWhatKrakenSays(t *testing.T) {
	for _, test := range []struct {
		camelCase                   bool
		name, allowList, validUntil string
	}{
		{false, "api_key_name", "ip_allowlist", "valid_until"},
		{true, "apiKeyName", "ipAllowlist", "validUntil"},
	} {
		key := exampleKey
		key.Name, key.CamelCase = "desk a", test.camelCase
		e := newEngine(t, key)
		e.configure("desk-a", nil)
		response, err := e.read("key-info/desk-a")
		require.NoError(t, err)
		assert.Equal(t, "desk a", response.Data[test.name])
		assert.Contains(t, response.Data["permissions"], "query-funds")
		assert.Equal(t, []any{""}, response.Data[test.allowList])
		assert.Equal(t, "0", response.Data[test.validUntil])
		assert.Len(t, response.Data, 13)
		require.Len(t, response.Warnings, 1, "a key to query and trade is as it should be, but for where it may be used from")
		assert.Contains(t, response.Warnings[0], "no IP allow-list")
	}
}

// keyInfoOf is what key-info answers where Kraken gives the result.
func keyInfoOf(t *testing.T, result string) (*logical.Response, error) {
	t.Helper()
	e := newEngine(t)
	e.configure("", nil)
	e.sim.Misbehave(krakensim.Fault{Body: `{"error":[],"result":` + result + `}`})
	return e.read("key-info")
}

func TestKeyInfoWarns(t *testing.T) {
	const (
		token  = `"permissions":["query-funds","create-ws-token"]`
		excess = `This API key may do more than a WebSocket token needs: `
		none   = `This API key can't make WebSocket tokens. Enable "Access WebSockets API" on it at Kraken, also called "WebSocket interface - On" or "Get WebSocket Token".`
		open   = `This API key has no IP allow-list`
		window = `This API key has a nonce window of `
	)
	in := func(days time.Duration) int64 { return time.Now().Add(days*24*time.Hour + time.Hour).Unix() }
	for name, test := range map[string]struct {
		result string
		want   []string // how the warnings begin
	}{
		"a key that may trade, for ever": {`{"permissions":["create-ws-token","modify-trades","close-trades","query-open-trades","export-data"],"ip_allowlist":["192.0.2.1"],"nonce_window":"0","valid_until":"0"}`, nil},
		"nothing known":                  {`{"api_key_name":"x"}`, nil},
		"nothing but null":               {`{"permissions":null,"nonce_window":null,"valid_until":null}`, nil},

		"a key that may withdraw":              {`{"permissions":["create-ws-token","query-funds","withdraw-funds"]}`, []string{excess + `"withdraw-funds". Take that away from it at Kraken.`}},
		"a key that may change where to":       {`{"permissions":["create-ws-token","add-withdraw-address","update-withdraw-address"]}`, []string{excess + `"add-withdraw-address", "update-withdraw-address". `}},
		"a permission that is new":             {`{"permissions":["create-ws-token","lend-house"]}`, []string{excess + `"lend-house". `}},
		"a forged permission stays one line":   {`{"permissions":["create-ws-token","x\nforged\u001b[2J\" line"]}`, []string{excess + `"x forged [2J\" line". `}},
		"a long permission is cut":             {`{"permissions":["create-ws-token","` + strings.Repeat("x", 1000) + `"]}`, []string{excess + `"` + strings.Repeat("x", 50) + `". `}},
		"of many permissions some are named":   {`{"permissions":["create-ws-token"` + strings.Repeat(`,"x"`, 1000) + `]}`, []string{excess + strings.Repeat(`"x", `, 19) + `"x" and 980 more. `}},
		"a key that can't make tokens":         {`{"permissions":["query-funds"]}`, []string{none}},
		"a key that can't do anything":         {`{"permissions":[]}`, []string{none}},
		"the other name of making tokens":      {`{"permissions":["access-websockets"]}`, nil},
		"no allow-list":                        {`{` + token + `,"ip_allowlist":[]}`, []string{open}},
		"no allow-list, as Kraken says it":     {`{` + token + `,"ip_allowlist":[""]}`, []string{open}},
		"no allow-list, as null":               {`{` + token + `,"ip_allowlist":null}`, []string{open}},
		"no allow-list, in camel case":         {`{` + token + `,"ipAllowlist":[]}`, []string{open}},
		"an allow-list":                        {`{` + token + `,"ipAllowlist":["192.0.2.0/24"]}`, nil},
		"a nonce window":                       {`{` + token + `,"nonce_window":"15000"}`, []string{window + `15000, `}},
		"a nonce window, in camel case":        {`{` + token + `,"nonceWindow":15}`, []string{window + `15, `}},
		"a key that expires in 13 days":        {fmt.Sprintf(`{"valid_until":"%d"}`, in(13)), []string{"This API key expires at 20"}},
		"the same, as a number, in camel case": {fmt.Sprintf(`{"validUntil":%d}`, in(13)), []string{"This API key expires at 20"}},
		"a key that expires in 14 days":        {fmt.Sprintf(`{"valid_until":"%d"}`, in(14)), nil},
		"a key that has expired":               {`{"valid_until":"1577836800"}`, []string{"This API key expired at 2020-01-01T00:00:00Z. Create another at Kraken"}},
		"all at once": {`{"permissions":["withdraw-funds"],"ip_allowlist":[""],"nonce_window":"1","valid_until":"1"}`,
			[]string{excess, none, open, window, "This API key expired at 1970-"}},
	} {
		t.Run(name, func(t *testing.T) {
			response, err := keyInfoOf(t, test.result)
			require.NoError(t, err)
			require.Len(t, response.Warnings, len(test.want), response.Warnings)
			for i, want := range test.want {
				assert.Equal(t, want, response.Warnings[i][:min(len(want), len(response.Warnings[i]))])
			}
		})
	}
}

// TestKeyInfoCannotSteerVault: some names of data fields mean more than data to Vault, and to Vault Agent. They do so only as they are
// written here.
func TestKeyInfoCannotSteerVault(t *testing.T) {
	response, err := keyInfoOf(t, `{"http_status_code":200,"http_content_type":"text/html","http_raw_body":"<script>","error":"x",
		"rotation_period":1,"ttl":"x","secret_id":1,"certificate":1,"api_key_name":"good","Error":"y","HTTP_raw_body":"z","nested":{"error":"w"}}`)
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"api_key_name": "good", "ttl": "x", "Error": "y", "HTTP_raw_body": "z", "nested": map[string]any{"error": "w"}}, response.Data)

	_, err = keyInfoOf(t, `{"error":"x"}`)
	requireCode(t, http.StatusBadGateway, err)
}

func TestKeyInfoOfNonsense(t *testing.T) {
	for name, result := range map[string]string{
		"1 MB":               `{"a":"` + strings.Repeat("x", 1e6) + `"}`,
		"10,000 levels":      `{"a":` + strings.Repeat("[", 1e4) + strings.Repeat("]", 1e4) + `}`,
		"20 levels":          `{"a":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`,
		"a name twice":       `{"permissions":["query-funds"],"permissions":["withdraw-funds"]}`,
		"numbers for lists":  `{"permissions":1,"ip_allowlist":2}`,
		"a list for a value": `["permissions"]`,
		"nothing":            `{}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := keyInfoOf(t, result)
			requireCode(t, http.StatusBadGateway, err)
			assert.Less(t, len(err.Error()), 300)
		})
	}
}

func TestKeyInfoIsGuardedAsTokensAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", nil)
		e.sim.Misbehave(says("EAPI:Invalid key"))
		e.sim.ForgetCalls()
		for range 20 {
			_, err := e.read("key-info")
			requireCode(t, http.StatusBadRequest, err)
			_, err = e.read("ws-token")
			requireCode(t, http.StatusBadRequest, err)
		}
		assert.Equal(t, 1, e.calls())
	})
}

// TestARefusedMethodIsNoOtherMethods: a key that may not make tokens may still tell about itself, and the other way round.
func TestARefusedMethodIsNoOtherMethods(t *testing.T) {
	for _, message := range []string{"EGeneral:Permission denied", "EGeneral:Unknown method"} {
		for refused, other := range map[string]string{"ws-token": "key-info", "key-info": "ws-token"} {
			t.Run(message+" "+refused, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := newEngine(t)
					e.configure("", nil)
					method := map[string]string{"ws-token": "GetWebSocketsToken", "key-info": "GetApiKeyInfo"}[refused]
					e.sim.Misbehave(krakensim.Fault{Path: method, Errors: []string{message}})
					for range 3 {
						_, err := e.read(refused)
						requireCode(t, http.StatusBadRequest, err)
						assert.Contains(t, err.Error(), message)
						e.mustRead(other)
					}
					assert.Equal(t, 1+1+3, e.calls(), "the proof, one refusal, and the other method's")
				})
			})
		}
	}
}

// TestKeyInfoCountsAgainstTheKeysLimits, for it is a call with the same key.
func TestKeyInfoCountsAgainstTheKeysLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := exampleKey
		key.Tier = krakensim.TierStarter
		e := newEngine(t, key)
		e.configure("", map[string]any{account.FieldTier: "starter", account.FieldRequestTimeout: 1})
		for e.calls() < 14 {
			e.mustRead("key-info")
		}
		_, err := e.read("ws-token")
		assert.LessOrEqual(t, waitTold(t, err), 4*time.Second)
		e.requireOrderly()
	})
}

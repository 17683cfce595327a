package krakensecrets

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKeyInfoHandsOnWhatKrakenSays(t *testing.T) {
	key := exampleKey
	key.Name = "desk a"
	e := newEngine(t, key)
	e.configure("desk-a", nil)
	response, err := e.read("key-info/desk-a")
	require.NoError(t, err)
	assert.Equal(t, "desk a", response.Data["apiKeyName"])
	assert.Contains(t, response.Data["permissions"], "query-funds")
	assert.Empty(t, response.Warnings, "a key to query and trade is as it should be")
}

func TestKeyInfoWarns(t *testing.T) {
	for name, test := range map[string]struct {
		permissions []string
		validFor    time.Duration
		want        string
	}{
		"a key that may withdraw":            {[]string{"create-ws-token", "query-funds", "withdraw-funds"}, 0, `may do more than a WebSocket token needs: "withdraw-funds"`},
		"a permission that is new":           {[]string{"create-ws-token", "query-funds", "lend-house"}, 0, `"lend-house"`},
		"a key that expires in 13 days":      {[]string{"create-ws-token", "query-funds"}, 13 * 24 * time.Hour, "This API key expires at "},
		"a key that expires in 15 days":      {[]string{"create-ws-token", "query-funds"}, 15 * 24 * time.Hour, ""},
		"a key that may trade, for ever":     {[]string{"create-ws-token", "modify-trades", "close-trades", "query-open-trades"}, 0, ""},
		"a forged permission stays one line": {[]string{"create-ws-token", "x\nforged log line"}, 0, `"x\nforged log line"`},
	} {
		t.Run(name, func(t *testing.T) {
			key := exampleKey
			key.Permissions = test.permissions
			if test.validFor > 0 {
				key.ValidUntil = time.Now().Add(test.validFor)
			}
			e := newEngine(t, key)
			e.configure("", nil)
			response, err := e.read("key-info")
			require.NoError(t, err)
			if test.want == "" {
				assert.Empty(t, response.Warnings)
				return
			}
			require.Len(t, response.Warnings, 1)
			assert.Contains(t, response.Warnings[0], test.want)
		})
	}
}

func TestValidUntilAsTextOrNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		soon := strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10)
		for _, value := range []string{soon, `"` + soon + `"`} {
			e := newEngine(t)
			e.configure("", nil)
			e.sim.Misbehave(krakensim.Fault{Body: `{"error":[],"result":{"validUntil":` + value + `}}`})
			response, err := e.read("key-info")
			require.NoError(t, err)
			assert.Len(t, response.Warnings, 1, value)
		}
	})
}

// TestKeyInfoCannotSteerVault: some names of data fields mean more than data to Vault.
func TestKeyInfoCannotSteerVault(t *testing.T) {
	e := newEngine(t)
	e.configure("", nil)
	e.sim.Misbehave(krakensim.Fault{Body: `{"error":[],"result":{"http_status_code":200,"http_content_type":"text/html","http_raw_body":"<script>","error":"x","apiKeyName":"good"}}`})
	assert.Equal(t, map[string]any{"apiKeyName": "good"}, e.mustRead("key-info"))
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

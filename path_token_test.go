package krakensecrets

import (
	"context"
	"net/http"
	"path"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestATokenWithAllThatIsNeededToUseIt(t *testing.T) {
	for _, name := range []string{"", "desk-a"} {
		t.Run(account.Title(name), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newBubbleEngine(t)
				e.configure(name, nil)
				e.sim.Misbehave(krakensim.Fault{Latency: 3 * time.Second, Times: 1})
				asked := time.Now()
				response, err := e.read(path.Join(pathTokenBase, name))
				require.NoError(t, err)
				assert.NotEmpty(t, response.Data[fieldToken])
				assert.Equal(t, int64(897), response.Data[fieldTTL], "counted from before the request was sent")
				assert.Equal(t, asked.Add(900*time.Second).UTC().Format(time.RFC3339), response.Data[fieldExpiresAt])
				assert.Equal(t, "wss://ws-auth.kraken.com/v2", response.Data[fieldWebSocketURL])
				assert.Equal(t, false, response.Data[fieldCached])
				assert.Nil(t, response.Secret, "Kraken can't revoke a token, so there is no lease")
				assert.Empty(t, response.Warnings)
			})
		})
	}
}

func TestEveryReadMintsWithoutACache(t *testing.T) {
	e := newEngine(t)
	e.configure("", nil)
	seen := map[any]bool{}
	for range 5 {
		seen[e.mustRead("ws-token")[fieldToken]] = true
	}
	assert.Len(t, seen, 5)
}

func TestReadAnswersFromTheCacheAndWriteMintsPastIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBubbleEngine(t)
		e.configure("", map[string]any{account.FieldCacheTTL: "5m"})
		first := e.mustRead("ws-token")
		time.Sleep(time.Minute)
		second := e.mustRead("ws-token")
		assert.Equal(t, first[fieldToken], second[fieldToken])
		assert.Equal(t, true, second[fieldCached])
		assert.Equal(t, int64(840), second[fieldTTL])

		response, err := e.write("ws-token", nil)
		require.NoError(t, err)
		assert.NotEqual(t, first[fieldToken], response.Data[fieldToken])
		assert.Equal(t, false, response.Data[fieldCached])
		assert.Equal(t, response.Data[fieldToken], e.mustRead("ws-token")[fieldToken], "it is the cached one now")
	})
}

func TestNoTokenBeforeAConfig(t *testing.T) {
	e := newEngine(t)
	for path, want := range map[string]string{
		"ws-token":        "No key pair is configured for the default account; write one: vault write kraken/config api_key=",
		"ws-token/desk-a": `No key pair is configured for account "desk-a"; write one: vault write kraken/config/desk-a api_key=`,
		"key-info/desk-a": `account "desk-a"`,
		"status/desk-a":   `account "desk-a"`,
	} {
		_, err := e.read(path)
		requireCode(t, http.StatusBadRequest, err)
		assert.Contains(t, err.Error(), want)
	}
	_, err := e.write("ws-token/desk-a", nil)
	requireCode(t, http.StatusBadRequest, err)
}

func TestADeletedAccountGivesNoTokens(t *testing.T) {
	e := newEngine(t)
	e.configure("", map[string]any{account.FieldCacheTTL: 60})
	e.mustRead("ws-token")
	_, err := e.do(t.Context(), "delete", "config", nil)
	require.NoError(t, err)
	_, err = e.read("ws-token")
	requireCode(t, http.StatusBadRequest, err)
}

func TestTheSecondFactorGoesWithEachRequest(t *testing.T) {
	for name, test := range map[string]struct{ key, good, bad map[string]any }{
		"password": {good: map[string]any{account.FieldOTPPassword: "a password"}, bad: map[string]any{account.FieldOTPPassword: "another"}},
		"totp":     {good: map[string]any{account.FieldTOTPSecret: totpSeed}, bad: map[string]any{account.FieldTOTPSecret: "MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK"}},
	} {
		t.Run(name, func(t *testing.T) {
			password, _ := test.good[account.FieldOTPPassword].(string)
			seed, _ := test.good[account.FieldTOTPSecret].(string)
			e := newEngine(t, krakensim.Key{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret, OTPPassword: password, TOTPSecret: seed})
			_, err := e.write("config", e.pair(test.bad))
			requireCode(t, http.StatusBadRequest, err)
			assert.Contains(t, err.Error(), "second factor")
			e.configure("", test.good)
			e.mustRead("ws-token")
		})
	}
}

// TestAReaderWhoLeavesDoesNotAbandonARequest: a request left behind in the network could arrive after the next one.
func TestAReaderWhoLeavesDoesNotAbandonARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBubbleEngine(t)
		e.configure("", nil)
		e.sim.Misbehave(krakensim.Fault{Latency: 2 * time.Second, Times: 1})
		ctx, leave := context.WithCancel(t.Context())
		go func() { _, _ = e.do(ctx, "read", "ws-token", nil) }()
		time.Sleep(time.Second)
		leave()
		e.mustRead("ws-token")
		for _, call := range e.sim.Calls() {
			assert.Empty(t, call.Errors)
			assert.Equal(t, 1, call.InFlight)
		}
		assert.Equal(t, 3, e.calls())
	})
}

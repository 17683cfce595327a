package krakensecrets

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
)

// Tenants are kept apart: whoever may write one account's config, here "evil", can't harm or learn of another one, the default account or "desk-a".

// withSecret is the example key with another's private key, as whoever knows but the public one would write it.
func withSecret(secret string) map[string]any {
	return map[string]any{account.FieldAPISecret: secret, account.FieldVerify: true}
}

// TestAKeyThatIsNotStoredYetCannotBePushedAhead: a thousand refused writes of a public key, answered by a gateway that refuses every nonce, don't cost the
// one who stores it afterwards a nonce that is ahead of the clock.
func TestAKeyThatIsNotStoredYetCannotBePushedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.sim.Misbehave(says("EAPI:Invalid nonce"))
		began := time.Now()
		for i := range 1000 {
			require.Error(t, e.writeOnly("config/evil", e.pair(map[string]any{account.FieldRequestTimeout: fmt.Sprint(5 + i%5)})))
			time.Sleep(95 * time.Millisecond)
		}
		require.LessOrEqual(t, e.calls(), 6*5*2, "five refused proofs a minute, of six tries each")
		time.Sleep(time.Until(began.Add(3 * time.Minute)))
		e.sim.Behave()
		e.sim.ForgetCalls()
		e.configure("", nil)
		e.mustRead("ws-token")
		for _, call := range e.sim.Calls() {
			require.WithinDuration(t, time.Now(), time.Unix(0, int64(call.Nonce)), time.Second)
		}
		e.requireOrderly()
	})
}

// TestNothingOfOneTenantsStallsAnothersDelete: not proofs that hang, reads that hang, or loops of deletes and writes, whatever the accounts are called.
func TestNothingOfOneTenantsStallsAnothersDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, exampleKey, secondKey)
		e.configure("", map[string]any{account.FieldCacheTTL: "10m"})
		e.mustRead("ws-token")
		const names = 300 // more than Vault has locks to share among names
		e.sim.Misbehave(krakensim.Fault{Hang: true})
		ctx, stop := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer stop()
		for i := range names {
			go e.do(ctx, logical.UpdateOperation, fmt.Sprint("config/evil-", i), map[string]any{
				account.FieldAPIKey: fmt.Sprint("evil", i), account.FieldAPISecret: otherSecret, account.FieldAPIURL: e.url, account.FieldRequestTimeout: "55s",
			})
			go e.do(ctx, logical.DeleteOperation, fmt.Sprint("config/evil-", i), nil)
		}
		synctest.Wait()
		began := time.Now()
		e.mustRead("ws-token") // of the cache
		for range 10 {
			require.NoError(t, e.delete("config"))
			e.configure("", map[string]any{account.FieldVerify: false})
			require.NoError(t, e.writeOnly("config", map[string]any{account.FieldTier: "pro"}))
		}
		require.Equal(t, began, time.Now())
	})
}

// TestRefusedProofsOfOneTenantAreNotAnothers, nor do they count against the key that they name once it is stored.
func TestRefusedProofsOfOneTenantAreNotAnothers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, exampleKey, secondKey)
		e.configure("", map[string]any{account.FieldTier: "starter"})
		left := func() any { return e.mustRead("status")[fieldCallsLeft] }
		before := left()
		e.sim.ForgetCalls()
		for range 20 {
			err := e.writeOnly("config/evil", e.pair(withSecret(otherSecret)))
			requireCode(t, http.StatusBadRequest, err)
			require.EqualError(t, err, "api_key is in use by another account of this mount; an API key stands in one account only: read its tokens there, or create another API key at Kraken and write it to kraken/config/evil")
		}
		require.Zero(t, e.calls(), "nothing is sent")
		require.Equal(t, before, left())
		for i := range 5 {
			requireCode(t, http.StatusBadRequest, e.writeOnly("config/evil", e.pair(map[string]any{account.FieldAPIKey: fmt.Sprint("wrong", i)})))
		}
		requireCode(t, http.StatusTooManyRequests, e.writeOnly("config/evil", e.pair(map[string]any{account.FieldAPIKey: "wrong"})))
		require.NoError(t, e.writeOnly("config/desk-a", e.pair(map[string]any{account.FieldAPIKey: secondKey.APIKey, account.FieldAPISecret: secondKey.APISecret})))
		require.Equal(t, before, left())
		e.mustRead("ws-token")
		require.EqualValues(t, 0, e.mustRead("status")[fieldNonceRefusals])
	})
}

// TestErrorTextsScanNoPorts: what can't be asked is refused by its name alone. Nobody dials it, so open, closed and filtered ports look alike.
func TestErrorTextsScanNoPorts(t *testing.T) {
	var dialled []string
	sim := krakensim.New(exampleKey)
	e := startEngine(t, sim, "http://localhost", account.Options{
		Transport: func(*x509.CertPool) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				dialled = append(dialled, r.URL.Host)
				return nil, errors.New("connection refused")
			})
		},
	})
	e.allowed = ""
	e.start()
	for _, place := range []string{"http://127.0.0.1:22", "http://127.0.0.1:8200", "http://localhost", "https://[::1]:8200", "https://169.254.169.254", "https://vault.internal:8200", "https://api.kraken.com:8443"} {
		for _, verify := range []bool{true, false} {
			err := e.writeOnly("config/evil", e.pair(map[string]any{account.FieldAPIURL: place, account.FieldVerify: verify}))
			requireCode(t, http.StatusBadRequest, err)
			require.EqualError(t, err, "api_url "+place+" is none that the mount's option allowed_api_urls allows; whoever administers the mount gives the whole list: "+
				"vault secrets tune -options=allowed_api_urls=URL,URL kraken, and then: vault write sys/plugins/reload/backend mounts=kraken")
		}
	}
	require.Empty(t, dialled)
	require.Empty(t, e.stored())
}

// TestStatusAndAnswersTellNothingOfAnotherTenant, even where the two have written the same key.
func TestStatusAndAnswersTellNothingOfAnotherTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("evil", map[string]any{account.FieldAPISecret: otherSecret, account.FieldVerify: false, account.FieldTier: "none"})
		e.configure("desk-a", map[string]any{account.FieldTier: "starter", account.FieldVerify: true})
		e.sim.Misbehave(krakensim.Fault{Errors: []string{"EAPI:Rate limit exceeded"}, Times: 1})
		_, err := e.read("ws-token/desk-a")
		requireCode(t, http.StatusTooManyRequests, err)
		require.NotNil(t, e.mustRead("status/desk-a")[fieldHeldUntil])
		for range 50 {
			_, err := e.read("ws-token/evil")
			requireCode(t, http.StatusBadRequest, err)
			require.NotContains(t, err.Error(), "desk-a")
		}
		status := fmt.Sprint(e.mustRead("status/evil"))
		for _, field := range []string{"desk-a", fieldHeldUntil, fieldCallsLeft, "rate_limited"} {
			require.NotContains(t, status, field)
		}
		require.Zero(t, e.mustRead("status/desk-a")[fieldCallsWaiting], "nor does it stand in that one's queue")
	})
}

// TestAShortRequestTimeoutIsNobodyElsesOutage.
func TestAShortRequestTimeoutIsNobodyElsesOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, exampleKey, secondKey)
		e.configure("", nil)
		require.NoError(t, e.writeOnly("config/evil", e.pair(map[string]any{
			account.FieldAPIKey: secondKey.APIKey, account.FieldAPISecret: secondKey.APISecret, account.FieldRequestTimeout: "1s",
		})))
		e.sim.Misbehave(krakensim.Fault{Latency: 2 * time.Second})
		for range 10 {
			_, err := e.read("ws-token/evil")
			require.Error(t, err)
		}
		e.mustRead("ws-token")
		require.NotContains(t, e.mustRead("status"), fieldOutageSince)
		require.Empty(t, e.mustRead("status")[fieldFailures])
	})
}

// TestWhatOneAccountMeetsIsNotBelievedOfAnUpstream, however many keys it goes through, and a proof's answers are believed of nobody.
func TestWhatOneAccountMeetsIsNotBelievedOfAnUpstream(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusTooManyRequests} {
		synctest.Test(t, func(t *testing.T) {
			e := newEngine(t)
			e.configure("", nil)
			for i := range 5 {
				e.sim.Misbehave(krakensim.Fault{Status: status})
				evil := e.pair(map[string]any{account.FieldAPIKey: fmt.Sprint("evil", i), account.FieldAPISecret: otherSecret})
				require.Error(t, e.writeOnly("config/evil", evil))
				evil[account.FieldVerify] = false
				require.NoError(t, e.writeOnly("config/evil", evil))
				_, err := e.read("ws-token/evil")
				require.Error(t, err)
				require.NotContains(t, err.Error(), "other accounts")
				e.sim.Behave()
				e.mustRead("ws-token")
			}
		})
	}
}

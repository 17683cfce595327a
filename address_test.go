package krakensecrets

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// thirdKey is one more key pair.
var thirdKey = krakensim.Key{APIKey: "third", APISecret: otherSecret}

// threeDesks has an account of its own for each of three keys.
func threeDesks(t *testing.T) *engine {
	t.Helper()
	e := newEngine(t, exampleKey, secondKey, thirdKey)
	for name, key := range map[string]krakensim.Key{"desk-a": exampleKey, "desk-b": secondKey, "desk-c": thirdKey} {
		e.configure(name, map[string]any{account.FieldAPIKey: key.APIKey, account.FieldAPISecret: key.APISecret, "verify": false})
		e.mustRead("ws-token/" + name) // a key is stored, and used
	}
	time.Sleep(time.Second)
	e.sim.ForgetCalls()
	return e
}

// TestACDNThatRefusesTheAddress: it costs two calls in 30 seconds, however many accounts there are and however often they are read.
func TestACDNThatRefusesTheAddress(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusUnavailableForLegalReasons} {
		synctest.Test(t, func(t *testing.T) {
			e := threeDesks(t)
			e.sim.Misbehave(krakensim.Fault{Status: status})
			for _, name := range []string{"desk-a", "desk-b"} {
				_, err := e.read("ws-token/" + name)
				requireCode(t, http.StatusBadGateway, err)
				assert.Contains(t, err.Error(), "came from in front of Kraken: this host's address is refused there. What stands in front of Kraken refuses this Vault server's address")
			}
			for range 100 {
				for _, path := range []string{"ws-token/desk-a", "ws-token/desk-b", "ws-token/desk-c", "key-info/desk-c"} {
					_, err := e.read(path)
					requireCode(t, http.StatusBadGateway, err)
				}
			}
			_, err := e.read("ws-token/desk-c")
			assert.Contains(t, err.Error(), "and other accounts of this Vault server meet it too (remembered, to protect the account: Kraken is asked again from ")
			assert.Equal(t, 2, e.calls())
			assert.NotEmpty(t, e.mustRead("status/desk-c")["held_back_until"])

			// Whoever writes a pair is told of that pair.
			e.sim.Behave()
			_, err = e.write("config/desk-c", map[string]any{"verify": true})
			require.NoError(t, err)
			_, err = e.read("ws-token/desk-c")
			requireCode(t, http.StatusBadGateway, err) // a proof teaches nothing about an upstream
			time.Sleep(30 * time.Second)
			for _, name := range []string{"desk-a", "desk-b", "desk-c"} {
				e.mustRead("ws-token/" + name)
			}
		})
	}
}

// TestACDNThatHoldsTheAddressBack: all accounts wait as long as it asks.
func TestACDNThatHoldsTheAddressBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := threeDesks(t)
		e.sim.Misbehave(krakensim.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"42"}}, Times: 2})
		for _, name := range []string{"desk-a", "desk-b"} {
			_, err := e.read("ws-token/" + name)
			assert.Equal(t, 42*time.Second, waitTold(t, err))
		}
		for range 100 {
			_, err := e.read("ws-token/desk-c")
			assert.Equal(t, 42*time.Second, waitTold(t, err))
			assert.Contains(t, err.Error(), "HTTP 429 (too many requests) came from in front of Kraken, and other accounts of this Vault server meet it too.")
		}
		_, err := e.write("config/desk-c", map[string]any{"verify": true})
		assert.Equal(t, 42*time.Second, waitTold(t, err), "a proof keeps to it as well")
		assert.Equal(t, 2, e.calls())
		time.Sleep(42 * time.Second)
		e.mustRead("ws-token/desk-c")
	})
}

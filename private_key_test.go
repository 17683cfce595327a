package krakensecrets

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAPrivateKeyOfAnotherLengthThanKrakens: Kraken says only that the signature is wrong, and the length tells why. Kraken may change it one day, and takes
// what it takes, so that nothing is refused for it.
func TestAPrivateKeyOfAnotherLengthThanKrakens(t *testing.T) {
	cut := exampleKey.APISecret[:84] // of 88 characters
	long := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 70)))
	for name, test := range map[string]struct{ secret, want string }{
		"cut short":           {cut, "api_secret decodes to 63 bytes, and Kraken's private keys to 64: it may have lost its end in copying."},
		"with something else": {long, "api_secret decodes to 70 bytes, and Kraken's private keys to 64: more than the key may have been copied."},
		"of the right length": {otherSecret, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, message := range []string{"EAPI:Invalid signature", "EAPI:Invalid key"} {
				e := newEngine(t)
				e.sim.Misbehave(says(message))
				_, err := e.write("config", e.pair(withSecret(test.secret)))
				requireCode(t, http.StatusBadRequest, err)
				assert.Contains(t, err.Error(), "The config was not written. Kraken answered "+message+". The ")
				requireHint(t, test.want, err.Error())

				response, err := e.write("config", e.pair(map[string]any{account.FieldAPISecret: test.secret, account.FieldVerify: false}))
				require.NoError(t, err)
				warnings := strings.Join(response.Warnings, "\n")
				requireHint(t, test.want, warnings)
				if test.want != "" {
					assert.Contains(t, warnings, "The pair was stored without asking Kraken")
				}
				response, err = e.write("config", map[string]any{account.FieldCacheTTL: 60})
				require.NoError(t, err)
				assert.Empty(t, response.Warnings, "it was told once")

				for range 2 { // the second is remembered
					_, err = e.read("ws-token")
					requireCode(t, http.StatusBadRequest, err)
					requireHint(t, test.want, err.Error())
				}
				_, err = e.read("key-info")
				requireHint(t, test.want, err.Error())
			}
		})
	}
	t.Run("that Kraken takes", func(t *testing.T) {
		e := newEngine(t, krakensim.Key{APIKey: "public", APISecret: cut})
		response, err := e.write("config", e.pair(map[string]any{account.FieldAPIKey: "public", account.FieldAPISecret: cut}))
		require.NoError(t, err)
		assert.Empty(t, response.Warnings)
		e.sim.Misbehave(says("EGeneral:Permission denied"))
		_, err = e.read("ws-token")
		assert.NotContains(t, err.Error(), "bytes", "the signature was right")
	})
}

func requireHint(t *testing.T, want, text string) {
	t.Helper()
	if want == "" {
		require.NotContains(t, text, "bytes")
	} else {
		require.Contains(t, text, want)
	}
}

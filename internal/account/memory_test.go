package account

import (
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"
	"weak"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
)

// TestThePrivateKeysTextIsLetGo: what runs needs the key as bytes, so nothing of it may hold on to the text, and the garbage collector can take that.
func TestThePrivateKeysTextIsLetGo(t *testing.T) {
	as := New(Options{})
	t.Cleanup(as.Close)
	a, config, text := buildFromText(t, as)
	runtime.GC()
	require.Nil(t, config.Value(), "the config as it was given")
	require.Nil(t, text.Value(), "the private key's text")
	require.Equal(t, &settings{
		apiKey: krakensim.ExampleAPIKey, apiURL: "https://api.kraken.com", timeout: 10 * time.Second, cacheTTL: time.Minute, tier: "pro",
	}, a.settings.Load())
}

// buildFromText makes an account, and returns it with what tells whether its config and the text of its private key are still there.
func buildFromText(t *testing.T, as *Accounts) (*Account, weak.Pointer[Config], weak.Pointer[byte]) {
	t.Helper()
	text := strings.Clone(krakensim.ExampleAPISecret)
	config := &Config{APIKey: krakensim.ExampleAPIKey, APISecret: text, APIURL: "https://api.kraken.com", RequestTimeout: 10, CacheTTL: 60, Tier: "pro"}
	a, err := as.build(nil, &entry{name: "desk"}, config)
	require.NoError(t, err)
	t.Cleanup(a.giveUp)
	require.True(t, a.runsBy(config))
	other := *config
	other.APISecret = strings.Replace(text, "k", "K", 1)
	require.False(t, a.runsBy(&other))
	return a, weak.Make(config), weak.Make(unsafe.StringData(text))
}

func TestSettings(t *testing.T) {
	whole := &Config{
		APIKey: "key", APISecret: "secret", OTPPassword: "password", TOTPSecret: "seed", APIURL: "url", CACert: "bundle", WebSocketURL: "feed",
		RequestTimeout: 1, CacheTTL: 2, Tier: "pro", Disabled: true,
	}
	require.Equal(t, &settings{
		apiKey: "key", apiURL: "url", webSocketURL: "feed", timeout: time.Second, cacheTTL: 2 * time.Second, tier: "pro", disabled: true,
	}, whole.settings())
}

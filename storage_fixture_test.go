package krakensecrets

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// storageFixture is what the first release stored of a mount: a default account, and two named ones with a second
// factor. It was made by v0.1.0's own code, in three writes (verify=false) to config, config/desk-a and config/desk.b and
// one SaveCeiling for each API key, and then copied from the storage, entry by entry. All its secrets are examples: the
// private key is the one of Kraken's authentication guide.
//
// Storage that users have must stay readable, so this file never changes; a release that stores something else gets
// another one beside it.
const storageFixture = "testdata/storage-v0.1.0.json"

// fixtureCeiling is 1 January 2100: the host's clock was far ahead when the fixture was made, so that no test mistakes a
// nonce that comes from the clock for one that goes on from the ceiling.
const fixtureCeiling = uint64(4102444800000000000)

// What the first release stored, every later one reads.
func TestStorageOfTheFirstRelease(t *testing.T) {
	text, err := os.ReadFile(storageFixture)
	require.NoError(t, err)
	var fixture struct {
		Entries map[string]map[string]any `json:"entries"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&fixture))
	require.Len(t, fixture.Entries, 6)

	deskA := krakensim.Key{APIKey: "EXAMPLE/KEY/OF/DESK/A", APISecret: krakensim.ExampleAPISecret, TOTPSecret: "JBSWY3DPEHPK3PXP"}
	deskB := krakensim.Key{APIKey: "EXAMPLE/KEY/OF/DESK/B", APISecret: krakensim.ExampleAPISecret, OTPPassword: "example password"}
	e := newEngine(t, krakensim.Key{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret}, deskA, deskB)
	for key, entry := range fixture.Entries {
		if entry["api_url"] != nil {
			require.Equal(t, "https://api.kraken.com", entry["api_url"])
			entry["api_url"] = e.url
		}
		stored, err := logical.StorageEntryJSON(key, entry)
		require.NoError(t, err)
		require.NoError(t, e.storage.Put(t.Context(), stored))
	}

	names, err := e.do(t.Context(), logical.ListOperation, "config/", nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"desk-a", "desk.b"}, names.Data["keys"])
	for path, want := range map[string]map[string]any{
		"config": {
			account.FieldAPIKey: krakensim.ExampleAPIKey, account.FieldTwoFactor: "none", account.FieldRequestTimeout: 10, account.FieldCacheTTL: 0,
			account.FieldTier: "starter", account.FieldCACert: "",
		},
		"config/desk-a": {
			account.FieldAPIKey: deskA.APIKey, account.FieldTwoFactor: "totp", account.FieldRequestTimeout: 30, account.FieldCacheTTL: 300,
			account.FieldTier: "pro", account.FieldCACert: fixture.Entries["config/desk-a"]["ca_cert"],
		},
		"config/desk.b": {
			account.FieldAPIKey: deskB.APIKey, account.FieldTwoFactor: "password", account.FieldRequestTimeout: 10, account.FieldCacheTTL: 0,
			account.FieldTier: "none", account.FieldCACert: "",
		},
	} {
		want[account.FieldAPIURL] = e.url
		assert.Equal(t, want, e.mustRead(path), path)
	}

	// Each account signs with its stored key and factor, and the nonce goes on where it was.
	for _, path := range []string{"ws-token", "ws-token/desk-a", "ws-token/desk.b"} {
		assert.NotEmpty(t, e.mustRead(path)[fieldToken], path)
	}
	for _, call := range e.sim.Calls() {
		assert.GreaterOrEqual(t, call.Nonce, fixtureCeiling)
	}

	// An API key is still known to be in use.
	_, err = e.write("config/another", map[string]any{account.FieldAPIKey: deskA.APIKey, account.FieldAPISecret: deskA.APISecret})
	assert.ErrorContains(t, err, `"desk-a"`)

	// An update keeps what it doesn't name, and no secret is lost.
	_, err = e.write("config/desk-a", map[string]any{account.FieldTier: "none"})
	require.NoError(t, err)
	assert.NotEmpty(t, e.mustRead("ws-token/desk-a")[fieldToken])
	requireOrderly(t, e.sim.Calls())
}

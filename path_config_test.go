package krakensecrets

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const totpSeed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" // of RFC 6238's examples

func TestConfigIsStoredAndShownWithoutItsSecrets(t *testing.T) {
	for _, path := range []string{"config", "config/desk-a"} {
		t.Run(path, func(t *testing.T) {
			e := newEngine(t, krakensim.Key{APIKey: "public", APISecret: krakensim.ExampleAPISecret, OTPPassword: "second factor"})
			response, err := e.read(path)
			require.NoError(t, err)
			assert.Nil(t, response, "nothing there yet")

			written, err := e.write(path, map[string]any{
				account.FieldAPIKey: "public", account.FieldAPISecret: krakensim.ExampleAPISecret, account.FieldOTPPassword: "second factor", account.FieldAPIURL: e.url,
			})
			require.NoError(t, err)
			want := map[string]any{
				account.FieldAPIKey: "public", account.FieldTwoFactor: "password", account.FieldAPIURL: e.url, account.FieldCACert: "",
				account.FieldRequestTimeout: 10, account.FieldCacheTTL: 0, account.FieldTier: "starter",
			}
			assert.Equal(t, want, written.Data)
			assert.Equal(t, want, e.mustRead(path))

			_, err = e.do(t.Context(), logical.DeleteOperation, path, nil)
			require.NoError(t, err)
			response, err = e.read(path)
			require.NoError(t, err)
			assert.Nil(t, response)
		})
	}
}

func TestConfigDefaultsToKraken(t *testing.T) {
	e := newEngine(t)
	response, err := e.write("config", map[string]any{
		account.FieldAPIKey: krakensim.ExampleAPIKey, account.FieldAPISecret: krakensim.ExampleAPISecret, account.FieldVerify: false,
	})
	require.NoError(t, err)
	assert.Equal(t, kraken.DefaultURL, response.Data[account.FieldAPIURL])
	assert.Equal(t, "none", response.Data[account.FieldTwoFactor])
}

func TestListShowsNamedAccounts(t *testing.T) {
	e := newEngine(t)
	for _, name := range []string{"", "b", "a"} {
		e.configure(name, map[string]any{account.FieldAPIKey: "key-of-" + name, account.FieldVerify: false})
	}
	response, err := e.do(t.Context(), logical.ListOperation, "config/", nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, response.Data["keys"])
}

func TestUpdateChangesTheFieldsGivenAndKeepsTheRest(t *testing.T) {
	e := newEngine(t)
	e.configure("", map[string]any{account.FieldCacheTTL: "5m", account.FieldRequestTimeout: "20s"})
	before := e.mustRead("config")
	for _, test := range []struct {
		field string
		given any
		want  any
	}{
		{account.FieldCacheTTL, "10m", 600},
		{account.FieldCacheTTL, "0", 0},
		{account.FieldRequestTimeout, 7, 7},
		{account.FieldRequestTimeout, json.Number("60"), 60},
		{account.FieldTier, " pro\n", "pro"},
	} {
		_, err := e.write("config", map[string]any{test.field: test.given, account.FieldVerify: false})
		require.NoError(t, err, test)
		before[test.field] = test.want
		assert.Equal(t, before, e.mustRead("config"), test)
	}
	calls := e.calls()
	_, err := e.write("config", map[string]any{account.FieldAPIURL: strings.ToUpper(e.url[:4]) + e.url[4:] + "/"})
	require.NoError(t, err, "the same URL in other words changes nothing")
	assert.Equal(t, calls+1, e.calls(), "it is verified")
}

func TestWhiteSpaceAroundValuesIsDropped(t *testing.T) {
	e := newEngine(t, krakensim.Key{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret, OTPPassword: "pass word"})
	e.configure("", map[string]any{
		account.FieldAPIKey: " " + krakensim.ExampleAPIKey + "\n", account.FieldAPISecret: "\r\n" + krakensim.ExampleAPISecret + "\n",
		account.FieldOTPPassword: "pass word\n", account.FieldAPIURL: "\t" + e.url + "\n",
	})
	assert.Equal(t, krakensim.ExampleAPIKey, e.mustRead("config")[account.FieldAPIKey])
}

func TestRotatingThePair(t *testing.T) {
	e := newEngine(t,
		krakensim.Key{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret},
		krakensim.Key{APIKey: "second", APISecret: otherSecret})
	e.configure("", map[string]any{account.FieldCacheTTL: 60})
	e.mustRead("ws-token")
	_, err := e.write("config", map[string]any{account.FieldAPIKey: "second", account.FieldAPISecret: otherSecret})
	require.NoError(t, err)
	e.sim.RemoveKey(krakensim.ExampleAPIKey)
	_, err = e.write("ws-token", nil)
	require.NoError(t, err, "tokens come by the new pair")
	assert.Equal(t, 60, e.mustRead("config")[account.FieldCacheTTL])

	e.sim.SetKey(krakensim.Key{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret})
	_, err = e.write("config/old", e.pair(nil))
	require.NoError(t, err, "the old key is free again")
}

func TestTheSecondFactorCanBeChangedAndDropped(t *testing.T) {
	e := newEngine(t)
	twoFactor := func(fields map[string]any) string {
		t.Helper()
		fields[account.FieldVerify] = false
		response, err := e.write("config", e.pair(fields))
		require.NoError(t, err)
		return response.Data[account.FieldTwoFactor].(string)
	}
	assert.Equal(t, "password", twoFactor(map[string]any{account.FieldOTPPassword: "one"}))
	assert.Equal(t, "password", twoFactor(map[string]any{}), "kept")
	assert.Equal(t, "totp", twoFactor(map[string]any{account.FieldOTPPassword: "", account.FieldTOTPSecret: totpSeed}))
	assert.Equal(t, "none", twoFactor(map[string]any{account.FieldTOTPSecret: nil}))
}

// TestWhereRequestsGoChangesOnlyByWhoKnowsTheSecrets: else whoever may write the config could have signed requests, or
// the second factor, sent to a host of their own.
func TestWhereRequestsGoChangesOnlyByWhoKnowsTheSecrets(t *testing.T) {
	for name, test := range map[string]struct {
		stored  map[string]any
		given   map[string]any
		wantErr string
	}{
		"without the pair":            {nil, map[string]any{}, "api_url changes only in a write that carries the key pair"},
		"with the pair":               {nil, map[string]any{account.FieldAPIKey: "public", account.FieldAPISecret: otherSecret}, ""},
		"the password isn't given":    {map[string]any{account.FieldOTPPassword: "sesame"}, map[string]any{account.FieldAPIKey: "thief", account.FieldAPISecret: otherSecret}, "api_url changes only in a write that carries the second factor"},
		"the password is given":       {map[string]any{account.FieldOTPPassword: "sesame"}, map[string]any{account.FieldAPIKey: "public", account.FieldAPISecret: otherSecret, account.FieldOTPPassword: "sesame"}, ""},
		"the password is dropped":     {map[string]any{account.FieldOTPPassword: "sesame"}, map[string]any{account.FieldAPIKey: "public", account.FieldAPISecret: otherSecret, account.FieldOTPPassword: ""}, ""},
		"the TOTP seed isn't given":   {map[string]any{account.FieldTOTPSecret: totpSeed}, map[string]any{account.FieldAPIKey: "thief", account.FieldAPISecret: otherSecret}, "api_url changes only in a write that carries the second factor"},
		"another factor in its place": {map[string]any{account.FieldTOTPSecret: totpSeed}, map[string]any{account.FieldAPIKey: "public", account.FieldAPISecret: otherSecret, account.FieldTOTPSecret: "", account.FieldOTPPassword: "x"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			stored := e.pair(test.stored)
			stored[account.FieldVerify] = false
			e.configure("", stored)
			test.given[account.FieldAPIURL], test.given[account.FieldVerify] = "https://elsewhere.example", false
			_, err := e.write("config", test.given)
			if test.wantErr == "" {
				require.NoError(t, err)
				return
			}
			requireCode(t, http.StatusBadRequest, err)
			assert.Contains(t, err.Error(), test.wantErr)
			assert.Equal(t, e.url, e.mustRead("config")[account.FieldAPIURL])
		})
	}
}

func TestAConfigThatKrakenRefusesIsNotStored(t *testing.T) {
	e := newEngine(t)
	e.configure("", map[string]any{account.FieldCacheTTL: 60})
	token := e.mustRead("ws-token")[fieldToken]
	before := snapshot(t, e.storage)

	_, err := e.write("config", e.pair(map[string]any{account.FieldAPISecret: otherSecret}))
	requireCode(t, http.StatusBadRequest, err)
	assert.True(t, strings.HasPrefix(err.Error(), "The config was not written. Kraken answered EAPI:Invalid signature."), err.Error())
	assert.NotContains(t, err.Error(), otherSecret)
	assert.Equal(t, before["config"], snapshot(t, e.storage)["config"])
	assert.Equal(t, token, e.mustRead("ws-token")[fieldToken], "what ran runs on, its cache with it")

	_, err = e.write("config/new", e.pair(map[string]any{account.FieldAPIKey: "unknown"}))
	requireCode(t, http.StatusBadRequest, err)
	response, err := e.read("config/new")
	require.NoError(t, err)
	assert.Nil(t, response)
}

func TestAConfigThatCannotBeProvedTellsHowToStoreItAllTheSame(t *testing.T) {
	e := newEngine(t)
	e.sim.Misbehave(krakensim.Fault{Body: "<html>"})
	_, err := e.write("config", e.pair(nil))
	requireCode(t, http.StatusBadGateway, err)
	assert.Regexp(t, `^The config was not written\. .* add verify=false\.$`, err.Error())
	_, err = e.write("config", e.pair(map[string]any{account.FieldVerify: false}))
	require.NoError(t, err)
}

func TestVerifyFalseAsksNobody(t *testing.T) {
	e := newEngine(t)
	for _, no := range []any{false, "false", 0, "0"} {
		_, err := e.write("config", e.pair(map[string]any{account.FieldAPISecret: otherSecret, account.FieldVerify: no}))
		require.NoError(t, err)
	}
	assert.Zero(t, e.calls())
}

func TestTheTokenThatProvedThePairIsTheFirstCachedOne(t *testing.T) {
	e := newEngine(t)
	e.configure("", map[string]any{account.FieldCacheTTL: 60})
	assert.Equal(t, true, e.mustRead("ws-token")[fieldCached])
	assert.Equal(t, 1, e.calls())
}

// failingStorage fails the writes of some keys.
type failingStorage struct {
	logical.Storage
	prefix string
}

func (s *failingStorage) Put(ctx context.Context, entry *logical.StorageEntry) error {
	if s.prefix != "" && strings.HasPrefix(entry.Key, s.prefix) {
		return errors.New("disk full")
	}
	return s.Storage.Put(ctx, entry)
}

func TestAWriteThatStorageRefusesChangesNothing(t *testing.T) {
	e := newEngine(t,
		krakensim.Key{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret},
		krakensim.Key{APIKey: "second", APISecret: otherSecret})
	storage := &failingStorage{Storage: e.storage}
	e.storage = storage
	e.configure("", map[string]any{account.FieldCacheTTL: 60})
	token := e.mustRead("ws-token")[fieldToken]
	for _, prefix := range []string{"nonce/", "config"} {
		storage.prefix = prefix
		_, err := e.write("config", map[string]any{account.FieldAPIKey: "second", account.FieldAPISecret: otherSecret})
		require.Error(t, err)
		storage.prefix = ""
		assert.Equal(t, krakensim.ExampleAPIKey, e.mustRead("config")[account.FieldAPIKey])
		assert.Equal(t, token, e.mustRead("ws-token")[fieldToken])
	}
	_, err := e.write("config/b", map[string]any{account.FieldAPIKey: "second", account.FieldAPISecret: otherSecret, account.FieldAPIURL: e.url})
	require.NoError(t, err, "a key claimed by a write that failed is free")
}

// snapshot is what is stored of configs, and of keys who holds them.
func snapshot(t *testing.T, storage logical.Storage) map[string]string {
	t.Helper()
	stored := map[string]string{}
	keys, err := logical.CollectKeys(t.Context(), storage)
	require.NoError(t, err)
	for _, key := range keys {
		entry, err := storage.Get(t.Context(), key)
		require.NoError(t, err)
		stored[key] = string(entry.Value)
	}
	return stored
}

// FuzzConfigFields: whatever is written, nothing panics, an error is a 400 that repeats no secret, and what is accepted
// can be read and written again.
func FuzzConfigFields(f *testing.F) {
	f.Add("public", krakensim.ExampleAPISecret, "", "", "https://api.kraken.com", "", "10s", "5m", "pro")
	f.Add("a b", "not base64", "x", totpSeed, "http://127.0.0.1@evil", "-----BEGIN", "0", "15m", "gold")
	f.Fuzz(func(t *testing.T, key, secret, password, seed, url, bundle, timeout, ttl, tier string) {
		e := &engine{t: t, storage: &logical.InmemStorage{}, events: &eventLog{}, log: new(bytes.Buffer)}
		e.start()
		_, err := e.write("config", map[string]any{
			account.FieldAPIKey: key, account.FieldAPISecret: secret, account.FieldOTPPassword: password, account.FieldTOTPSecret: seed, account.FieldAPIURL: url,
			account.FieldCACert: bundle, account.FieldRequestTimeout: timeout, account.FieldCacheTTL: ttl, account.FieldTier: tier, account.FieldVerify: false,
		})
		if err != nil {
			requireCode(t, http.StatusBadRequest, err)
			if len(secret) > 20 {
				assert.NotContains(t, err.Error(), secret)
			}
			return
		}
		shown := fmt.Sprint(e.mustRead("config"))
		if len(secret) > 20 && !strings.Contains(key+url+bundle, secret) {
			assert.NotContains(t, shown, strings.TrimSpace(secret))
		}
		_, err = e.write("config", map[string]any{account.FieldVerify: false})
		require.NoError(t, err)
		assert.True(t, bytes.Equal([]byte(shown), []byte(fmt.Sprint(e.mustRead("config")))))
	})
}

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
				fieldAPIKey: "public", fieldAPISecret: krakensim.ExampleAPISecret, fieldOTPPassword: "second factor", fieldAPIURL: e.url,
			})
			require.NoError(t, err)
			want := map[string]any{
				fieldAPIKey: "public", fieldTwoFactor: "password", fieldAPIURL: e.url, fieldCACert: "",
				fieldRequestTimeout: 10, fieldCacheTTL: 0, fieldTier: "starter",
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
		fieldAPIKey: krakensim.ExampleAPIKey, fieldAPISecret: krakensim.ExampleAPISecret, fieldVerify: false,
	})
	require.NoError(t, err)
	assert.Equal(t, kraken.DefaultURL, response.Data[fieldAPIURL])
	assert.Equal(t, "none", response.Data[fieldTwoFactor])
}

func TestListShowsNamedAccounts(t *testing.T) {
	e := newEngine(t)
	for _, name := range []string{"", "b", "a"} {
		e.configure(name, map[string]any{fieldAPIKey: "key-of-" + name, fieldVerify: false})
	}
	response, err := e.do(t.Context(), logical.ListOperation, "config/", nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, response.Data["keys"])
}

func TestUpdateChangesTheFieldsGivenAndKeepsTheRest(t *testing.T) {
	e := newEngine(t)
	e.configure("", map[string]any{fieldCacheTTL: "5m", fieldRequestTimeout: "20s"})
	before := e.mustRead("config")
	for _, test := range []struct {
		field string
		given any
		want  any
	}{
		{fieldCacheTTL, "10m", 600},
		{fieldCacheTTL, "0", 0},
		{fieldRequestTimeout, 7, 7},
		{fieldRequestTimeout, json.Number("60"), 60},
		{fieldTier, " pro\n", "pro"},
	} {
		_, err := e.write("config", map[string]any{test.field: test.given, fieldVerify: false})
		require.NoError(t, err, test)
		before[test.field] = test.want
		assert.Equal(t, before, e.mustRead("config"), test)
	}
	calls := e.calls()
	_, err := e.write("config", map[string]any{fieldAPIURL: strings.ToUpper(e.url[:4]) + e.url[4:] + "/"})
	require.NoError(t, err, "the same URL in other words changes nothing")
	assert.Equal(t, calls+1, e.calls(), "it is verified")
}

func TestWhiteSpaceAroundValuesIsDropped(t *testing.T) {
	e := newEngine(t, krakensim.Key{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret, OTPPassword: "pass word"})
	e.configure("", map[string]any{
		fieldAPIKey: " " + krakensim.ExampleAPIKey + "\n", fieldAPISecret: "\r\n" + krakensim.ExampleAPISecret + "\n",
		fieldOTPPassword: "pass word\n", fieldAPIURL: "\t" + e.url + "\n",
	})
	assert.Equal(t, krakensim.ExampleAPIKey, e.mustRead("config")[fieldAPIKey])
}

func TestRotatingThePair(t *testing.T) {
	e := newEngine(t,
		krakensim.Key{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret},
		krakensim.Key{APIKey: "second", APISecret: otherSecret})
	e.configure("", map[string]any{fieldCacheTTL: 60})
	e.mustRead("ws-token")
	_, err := e.write("config", map[string]any{fieldAPIKey: "second", fieldAPISecret: otherSecret})
	require.NoError(t, err)
	e.sim.RemoveKey(krakensim.ExampleAPIKey)
	_, err = e.write("ws-token", nil)
	require.NoError(t, err, "tokens come by the new pair")
	assert.Equal(t, 60, e.mustRead("config")[fieldCacheTTL])

	e.sim.SetKey(krakensim.Key{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret})
	_, err = e.write("config/old", e.pair(nil))
	require.NoError(t, err, "the old key is free again")
}

func TestTheSecondFactorCanBeChangedAndDropped(t *testing.T) {
	e := newEngine(t)
	twoFactor := func(fields map[string]any) string {
		t.Helper()
		fields[fieldVerify] = false
		response, err := e.write("config", e.pair(fields))
		require.NoError(t, err)
		return response.Data[fieldTwoFactor].(string)
	}
	assert.Equal(t, "password", twoFactor(map[string]any{fieldOTPPassword: "one"}))
	assert.Equal(t, "password", twoFactor(map[string]any{}), "kept")
	assert.Equal(t, "totp", twoFactor(map[string]any{fieldOTPPassword: "", fieldTOTPSecret: totpSeed}))
	assert.Equal(t, "none", twoFactor(map[string]any{fieldTOTPSecret: nil}))
}

// TestBadInput writes every kind of bad value over a good config and finds it unharmed.
func TestBadInput(t *testing.T) {
	certificate := testCertificate(t)
	pair := func(field string, value any) map[string]any {
		return map[string]any{fieldAPIKey: krakensim.ExampleAPIKey, fieldAPISecret: krakensim.ExampleAPISecret, field: value}
	}
	only := func(field string, value any) map[string]any { return map[string]any{field: value} }
	long := strings.Repeat("A", 1<<20)
	for name, test := range map[string]struct {
		data map[string]any
		want string // the message's beginning: the field and the trouble
	}{
		"api_key empty":                  {pair(fieldAPIKey, ""), "api_key is missing"},
		"api_key null":                   {pair(fieldAPIKey, nil), "api_key is missing"},
		"api_key white space":            {pair(fieldAPIKey, " \n"), "api_key is missing"},
		"api_key of 1 MB":                {pair(fieldAPIKey, long), "api_key is 1048576 bytes long"},
		"api_key with a control char":    {pair(fieldAPIKey, "a\x00b"), "api_key holds white space, control or non-ASCII"},
		"api_key with a newline inside":  {pair(fieldAPIKey, "a\nX-Evil: b"), "api_key holds white space, control or non-ASCII"},
		"api_key not ASCII":              {pair(fieldAPIKey, "kräken"), "api_key holds white space, control or non-ASCII"},
		"api_key a list":                 {pair(fieldAPIKey, []any{"a"}), "api_key is not text"},
		"api_key a boolean":              {pair(fieldAPIKey, true), "api_key is not text"},
		"api_key alone":                  {only(fieldAPIKey, "other"), "api_key changes only together with api_secret"},
		"api_secret empty":               {pair(fieldAPISecret, ""), "api_secret is missing"},
		"api_secret not base64":          {pair(fieldAPISecret, "sesame!"), "api_secret is not base64"},
		"api_secret of 1 MB":             {pair(fieldAPISecret, long), "api_secret is 1048576 bytes long"},
		"api_secret a map":               {pair(fieldAPISecret, map[string]any{"a": "sesame"}), "api_secret is not text"},
		"api_secret alone":               {only(fieldAPISecret, otherSecret), "api_secret changes only together with api_key"},
		"otp_password a list":            {only(fieldOTPPassword, []any{"sesame"}), "otp_password is not text"},
		"otp_password of 1 MB":           {only(fieldOTPPassword, long), "otp_password is 1048576 bytes long"},
		"otp_password with a control":    {only(fieldOTPPassword, "ses\x07ame"), "otp_password holds control characters"},
		"totp_secret not base32":         {only(fieldTOTPSecret, "sesame018"), "totp_secret is not base32"},
		"totp_secret short":              {only(fieldTOTPSecret, "MFRGG"), "totp_secret is too short"},
		"totp_secret of 1 MB":            {only(fieldTOTPSecret, long), "totp_secret is 1048576 bytes long"},
		"both second factors":            {map[string]any{fieldOTPPassword: "sesame", fieldTOTPSecret: totpSeed}, "totp_secret excludes otp_password"},
		"request_timeout empty":          {only(fieldRequestTimeout, ""), "request_timeout is not a duration"},
		"request_timeout null":           {only(fieldRequestTimeout, nil), "request_timeout is not a duration"},
		"request_timeout a word":         {only(fieldRequestTimeout, "soon"), "request_timeout is not a duration"},
		"request_timeout of 1 MB":        {only(fieldRequestTimeout, long), "request_timeout is not a duration"},
		"request_timeout a list":         {only(fieldRequestTimeout, []any{1}), "request_timeout is not a duration"},
		"request_timeout 0":              {only(fieldRequestTimeout, 0), "request_timeout is out of range"},
		"request_timeout 61s":            {only(fieldRequestTimeout, "61s"), "request_timeout is out of range"},
		"request_timeout negative":       {only(fieldRequestTimeout, -1), "request_timeout is negative"},
		"request_timeout 1500ms":         {only(fieldRequestTimeout, "1500ms"), "request_timeout is not a number of whole seconds"},
		"cache_ttl 14m1s":                {only(fieldCacheTTL, "14m1s"), "cache_ttl is out of range"},
		"cache_ttl negative":             {only(fieldCacheTTL, "-1s"), "cache_ttl is negative"},
		"cache_ttl a word":               {only(fieldCacheTTL, "forever"), "cache_ttl is not a duration"},
		"cache_ttl half a second":        {only(fieldCacheTTL, "500ms"), "cache_ttl is not a number of whole seconds"},
		"cache_ttl beyond all":           {only(fieldCacheTTL, "99999999999999999999"), "cache_ttl is not a duration"},
		"tier empty":                     {only(fieldTier, ""), "tier is none of Kraken's"},
		"tier unknown":                   {only(fieldTier, "gold"), "tier is none of Kraken's"},
		"tier in capitals":               {only(fieldTier, "Pro"), "tier is none of Kraken's"},
		"tier a map":                     {only(fieldTier, map[string]any{}), "tier is not text"},
		"verify a word":                  {only(fieldVerify, "maybe"), "verify is neither true nor false"},
		"api_url alone":                  {only(fieldAPIURL, "https://gateway.example"), "api_url changes only in a write that carries the key pair"},
		"ca_cert alone":                  {only(fieldCACert, certificate), "ca_cert changes only in a write that carries the key pair"},
		"ca_cert no PEM":                 {pair(fieldCACert, "certificate"), "ca_cert holds no PEM certificate"},
		"ca_cert a private key":          {pair(fieldCACert, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"), "ca_cert holds PEM that is not a certificate"},
		"ca_cert broken":                 {pair(fieldCACert, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"), "ca_cert holds a certificate that can't be read"},
		"ca_cert of 1 MB":                {pair(fieldCACert, long), "ca_cert is 1048576 bytes long"},
		"api_url empty":                  {pair(fieldAPIURL, ""), "api_url is empty"},
		"api_url a word":                 {pair(fieldAPIURL, "kraken"), "api_url is not a URL with a host"},
		"api_url without a host":         {pair(fieldAPIURL, "https:///0/private"), "api_url is not a URL with a host"},
		"api_url opaque":                 {pair(fieldAPIURL, "https:api.kraken.com"), "api_url is not a URL with a host"},
		"api_url another scheme":         {pair(fieldAPIURL, "ftp://api.kraken.com"), "api_url is not https"},
		"api_url http elsewhere":         {pair(fieldAPIURL, "http://api.kraken.com"), "api_url is http, which is for loopback hosts only"},
		"api_url http like localhost":    {pair(fieldAPIURL, "http://localhost.evil.example"), "api_url is http, which is for loopback hosts only"},
		"api_url http like loopback":     {pair(fieldAPIURL, "http://127.0.0.1.evil.example"), "api_url is http, which is for loopback hosts only"},
		"api_url http as a number":       {pair(fieldAPIURL, "http://2130706433"), "api_url has a host that is neither a name nor an address"},
		"api_url user info":              {pair(fieldAPIURL, "https://user:pass@api.kraken.com"), "api_url holds user info"},
		"api_url loopback as user":       {pair(fieldAPIURL, "https://127.0.0.1@evil.example"), "api_url holds user info"},
		"api_url query":                  {pair(fieldAPIURL, "https://api.kraken.com?a=b"), "api_url holds a query or a fragment"},
		"api_url empty query":            {pair(fieldAPIURL, "https://api.kraken.com?"), "api_url holds a query or a fragment"},
		"api_url empty fragment":         {pair(fieldAPIURL, "https://api.kraken.com/#"), "api_url holds a query or a fragment"},
		"api_url unicode host":           {pair(fieldAPIURL, "https://api.kräken.com"), "api_url holds white space, control or non-ASCII"},
		"api_url full-width dots":        {pair(fieldAPIURL, "https://127。0。0。1"), "api_url holds white space, control or non-ASCII"},
		"api_url newline":                {pair(fieldAPIURL, "https://api.kraken.com\nHost: evil"), "api_url holds white space, control or non-ASCII"},
		"api_url port 0":                 {pair(fieldAPIURL, "https://api.kraken.com:0"), "api_url has a port that is out of range"},
		"api_url port 65536":             {pair(fieldAPIURL, "https://api.kraken.com:65536"), "api_url has a port that is out of range"},
		"api_url empty port":             {pair(fieldAPIURL, "https://api.kraken.com:"), "api_url has a port that is out of range"},
		"api_url zone":                   {pair(fieldAPIURL, "http://[fe80::1%25lo]"), "api_url has a host that is neither"},
		"api_url with /0":                {pair(fieldAPIURL, "https://api.kraken.com/0"), "api_url includes /0"},
		"api_url with the whole path":    {pair(fieldAPIURL, "https://api.kraken.com/0/private/GetWebSocketsToken"), "api_url includes /0"},
		"api_url dot segments":           {pair(fieldAPIURL, "https://api.kraken.com/a/../b"), "api_url has a path with empty or dot segments"},
		"api_url escaped path":           {pair(fieldAPIURL, "https://api.kraken.com/%2e%2e/"), "api_url has a path with characters that need escaping"},
		"api_url of 1 MB":                {pair(fieldAPIURL, "https://api.kraken.com/"+long), "api_url is 1048599 bytes long"},
		"a key that another account has": {map[string]any{fieldAPIKey: "taken", fieldAPISecret: otherSecret}, `api_key is in use by account "owner" of this mount`},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			e.configure("", nil)
			_, err := e.write("config/owner", map[string]any{fieldAPIKey: "taken", fieldAPISecret: otherSecret, fieldVerify: false})
			require.NoError(t, err)
			before := snapshot(t, e.storage)
			calls := e.calls()

			_, err = e.write("config", test.data)
			requireCode(t, http.StatusBadRequest, err)
			assert.True(t, strings.HasPrefix(err.Error(), test.want), err.Error())
			assert.Contains(t, err.Error(), "; ", "the remedy follows")
			assert.Less(t, len(err.Error()), 300)
			assert.NotContains(t, err.Error(), "sesame", "a secret isn't repeated")
			assert.Equal(t, before, snapshot(t, e.storage), "nothing stored changes")
			assert.Equal(t, calls, e.calls(), "Kraken isn't bothered")
			e.mustRead("ws-token")
		})
	}
}

func TestAFirstConfigNeedsThePair(t *testing.T) {
	for name, test := range map[string]struct {
		data map[string]any
		want string
	}{
		"nothing":       {nil, "api_key is missing"},
		"no api_secret": {map[string]any{fieldAPIKey: "public"}, "api_secret is missing"},
		"no api_key":    {map[string]any{fieldAPISecret: otherSecret}, "api_key is missing"},
		"mistyped name": {map[string]any{fieldAPIKey: "public", "api_sercet": otherSecret}, "api_secret is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newEngine(t).write("config/desk-a", test.data)
			requireCode(t, http.StatusBadRequest, err)
			assert.Contains(t, err.Error(), test.want)
			assert.NotContains(t, err.Error(), otherSecret)
		})
	}
}

func TestMistypedFieldNamesDrawAWarning(t *testing.T) {
	e := newEngine(t)
	response, err := e.write("config", e.pair(map[string]any{"cache_tll": "5m"}))
	require.NoError(t, err)
	assert.Equal(t, []string{"Endpoint ignored these unrecognized parameters: [cache_tll]"}, response.Warnings)
}

func TestGoodURLs(t *testing.T) {
	for given, want := range map[string]string{
		"https://api.kraken.com":              "https://api.kraken.com",
		"https://api.kraken.com/":             "https://api.kraken.com",
		"HTTPS://API.Kraken.com:443/":         "https://api.kraken.com:443",
		"https://gateway.example/Kraken/v1/":  "https://gateway.example/Kraken/v1",
		"https://10.1.2.3:8443":               "https://10.1.2.3:8443",
		"https://[2001:db8::1]:8443":          "https://[2001:db8::1]:8443",
		"http://localhost:8080":               "http://localhost:8080",
		"http://127.0.0.53":                   "http://127.0.0.53",
		"http://[::1]:80":                     "http://[::1]:80",
		"https://kraken_gateway.svc.internal": "https://kraken_gateway.svc.internal",
	} {
		normal, problem := normalURL(given)
		assert.Empty(t, problem, given)
		assert.Equal(t, want, normal, given)
	}
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
		"with the pair":               {nil, map[string]any{fieldAPIKey: "public", fieldAPISecret: otherSecret}, ""},
		"the password isn't given":    {map[string]any{fieldOTPPassword: "sesame"}, map[string]any{fieldAPIKey: "thief", fieldAPISecret: otherSecret}, "api_url changes only in a write that carries the second factor"},
		"the password is given":       {map[string]any{fieldOTPPassword: "sesame"}, map[string]any{fieldAPIKey: "public", fieldAPISecret: otherSecret, fieldOTPPassword: "sesame"}, ""},
		"the password is dropped":     {map[string]any{fieldOTPPassword: "sesame"}, map[string]any{fieldAPIKey: "public", fieldAPISecret: otherSecret, fieldOTPPassword: ""}, ""},
		"the TOTP seed isn't given":   {map[string]any{fieldTOTPSecret: totpSeed}, map[string]any{fieldAPIKey: "thief", fieldAPISecret: otherSecret}, "api_url changes only in a write that carries the second factor"},
		"another factor in its place": {map[string]any{fieldTOTPSecret: totpSeed}, map[string]any{fieldAPIKey: "public", fieldAPISecret: otherSecret, fieldTOTPSecret: "", fieldOTPPassword: "x"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			stored := e.pair(test.stored)
			stored[fieldVerify] = false
			e.configure("", stored)
			test.given[fieldAPIURL], test.given[fieldVerify] = "https://elsewhere.example", false
			_, err := e.write("config", test.given)
			if test.wantErr == "" {
				require.NoError(t, err)
				return
			}
			requireCode(t, http.StatusBadRequest, err)
			assert.Contains(t, err.Error(), test.wantErr)
			assert.Equal(t, e.url, e.mustRead("config")[fieldAPIURL])
		})
	}
}

func TestAConfigThatKrakenRefusesIsNotStored(t *testing.T) {
	e := newEngine(t)
	e.configure("", map[string]any{fieldCacheTTL: 60})
	token := e.mustRead("ws-token")[fieldToken]
	before := snapshot(t, e.storage)

	_, err := e.write("config", e.pair(map[string]any{fieldAPISecret: otherSecret}))
	requireCode(t, http.StatusBadRequest, err)
	assert.True(t, strings.HasPrefix(err.Error(), "The config was not written. Kraken answered EAPI:Invalid signature."), err.Error())
	assert.NotContains(t, err.Error(), otherSecret)
	assert.Equal(t, before["config"], snapshot(t, e.storage)["config"])
	assert.Equal(t, token, e.mustRead("ws-token")[fieldToken], "what ran runs on, its cache with it")

	_, err = e.write("config/new", e.pair(map[string]any{fieldAPIKey: "unknown"}))
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
	_, err = e.write("config", e.pair(map[string]any{fieldVerify: false}))
	require.NoError(t, err)
}

func TestVerifyFalseAsksNobody(t *testing.T) {
	e := newEngine(t)
	for _, no := range []any{false, "false", 0, "0"} {
		_, err := e.write("config", e.pair(map[string]any{fieldAPISecret: otherSecret, fieldVerify: no}))
		require.NoError(t, err)
	}
	assert.Zero(t, e.calls())
}

func TestTheTokenThatProvedThePairIsTheFirstCachedOne(t *testing.T) {
	e := newEngine(t)
	e.configure("", map[string]any{fieldCacheTTL: 60})
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
	e.configure("", map[string]any{fieldCacheTTL: 60})
	token := e.mustRead("ws-token")[fieldToken]
	for _, prefix := range []string{"nonce/", "config"} {
		storage.prefix = prefix
		_, err := e.write("config", map[string]any{fieldAPIKey: "second", fieldAPISecret: otherSecret})
		require.Error(t, err)
		storage.prefix = ""
		assert.Equal(t, krakensim.ExampleAPIKey, e.mustRead("config")[fieldAPIKey])
		assert.Equal(t, token, e.mustRead("ws-token")[fieldToken])
	}
	_, err := e.write("config/b", map[string]any{fieldAPIKey: "second", fieldAPISecret: otherSecret, fieldAPIURL: e.url})
	require.NoError(t, err, "a key claimed by a write that failed is free")
}

func TestConfigEvents(t *testing.T) {
	e := newEngine(t)
	e.configure("desk-a", nil)
	_, err := e.write("config/desk-a", map[string]any{fieldTier: "gold"})
	require.Error(t, err)
	_, err = e.do(t.Context(), logical.DeleteOperation, "config/desk-a", nil)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"kraken/token-mint ws-token/desk-a account=desk-a outcome=success",
		"kraken/config-write config/desk-a account=desk-a outcome=success",
		"kraken/config-delete config/desk-a account=desk-a outcome=success",
	}, e.events.take())
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
			fieldAPIKey: key, fieldAPISecret: secret, fieldOTPPassword: password, fieldTOTPSecret: seed, fieldAPIURL: url,
			fieldCACert: bundle, fieldRequestTimeout: timeout, fieldCacheTTL: ttl, fieldTier: tier, fieldVerify: false,
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
		_, err = e.write("config", map[string]any{fieldVerify: false})
		require.NoError(t, err)
		assert.True(t, bytes.Equal([]byte(shown), []byte(fmt.Sprint(e.mustRead("config")))))
	})
}

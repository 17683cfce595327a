package krakensecrets

import (
	"net/http"
	"strings"
	"testing"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBadInput writes every kind of bad value over a good config and finds it unharmed.
func TestBadInput(t *testing.T) {
	certificate := testCertificate(t)
	pair := func(field string, value any) map[string]any {
		return map[string]any{account.FieldAPIKey: krakensim.ExampleAPIKey, account.FieldAPISecret: krakensim.ExampleAPISecret, field: value}
	}
	only := func(field string, value any) map[string]any { return map[string]any{field: value} }
	long := strings.Repeat("A", 1<<20)
	for name, test := range map[string]struct {
		data map[string]any
		want string // the message's beginning: the field and the trouble
	}{
		"api_key empty":                  {pair(account.FieldAPIKey, ""), "api_key is missing"},
		"api_key null":                   {pair(account.FieldAPIKey, nil), "api_key is missing"},
		"api_key white space":            {pair(account.FieldAPIKey, " \n"), "api_key is missing"},
		"api_key of 1 MB":                {pair(account.FieldAPIKey, long), "api_key is 1048576 bytes long"},
		"api_key with a control char":    {pair(account.FieldAPIKey, "a\x00b"), "api_key holds white space, control or non-ASCII"},
		"api_key with a newline inside":  {pair(account.FieldAPIKey, "a\nX-Evil: b"), "api_key holds white space, control or non-ASCII"},
		"api_key not ASCII":              {pair(account.FieldAPIKey, "kräken"), "api_key holds white space, control or non-ASCII"},
		"api_key a list":                 {pair(account.FieldAPIKey, []any{"a"}), "api_key is not text"},
		"api_key a boolean":              {pair(account.FieldAPIKey, true), "api_key is not text"},
		"api_key alone":                  {only(account.FieldAPIKey, "other"), "api_key changes only together with api_secret"},
		"api_secret empty":               {pair(account.FieldAPISecret, ""), "api_secret is missing"},
		"api_secret not base64":          {pair(account.FieldAPISecret, "sesame!"), "api_secret is not base64"},
		"api_secret of 1 MB":             {pair(account.FieldAPISecret, long), "api_secret is 1048576 bytes long"},
		"api_secret a map":               {pair(account.FieldAPISecret, map[string]any{"a": "sesame"}), "api_secret is not text"},
		"api_secret alone":               {only(account.FieldAPISecret, otherSecret), "api_secret changes only together with api_key"},
		"otp_password a list":            {only(account.FieldOTPPassword, []any{"sesame"}), "otp_password is not text"},
		"otp_password of 1 MB":           {only(account.FieldOTPPassword, long), "otp_password is 1048576 bytes long"},
		"otp_password with a control":    {only(account.FieldOTPPassword, "ses\x07ame"), "otp_password holds control characters"},
		"totp_secret not base32":         {only(account.FieldTOTPSecret, "sesame018"), "totp_secret is not base32"},
		"totp_secret short":              {only(account.FieldTOTPSecret, "MFRGG"), "totp_secret is too short"},
		"totp_secret of 1 MB":            {only(account.FieldTOTPSecret, long), "totp_secret is 1048576 bytes long"},
		"both second factors":            {map[string]any{account.FieldOTPPassword: "sesame", account.FieldTOTPSecret: totpSeed}, "totp_secret excludes otp_password"},
		"request_timeout empty":          {only(account.FieldRequestTimeout, ""), "request_timeout is not a duration"},
		"request_timeout null":           {only(account.FieldRequestTimeout, nil), "request_timeout is not a duration"},
		"request_timeout a word":         {only(account.FieldRequestTimeout, "soon"), "request_timeout is not a duration"},
		"request_timeout of 1 MB":        {only(account.FieldRequestTimeout, long), "request_timeout is not a duration"},
		"request_timeout a list":         {only(account.FieldRequestTimeout, []any{1}), "request_timeout is not a duration"},
		"request_timeout 0":              {only(account.FieldRequestTimeout, 0), "request_timeout is out of range"},
		"request_timeout 61s":            {only(account.FieldRequestTimeout, "61s"), "request_timeout is out of range"},
		"request_timeout negative":       {only(account.FieldRequestTimeout, -1), "request_timeout is negative"},
		"request_timeout 1500ms":         {only(account.FieldRequestTimeout, "1500ms"), "request_timeout is not a number of whole seconds"},
		"cache_ttl 14m1s":                {only(account.FieldCacheTTL, "14m1s"), "cache_ttl is out of range"},
		"cache_ttl negative":             {only(account.FieldCacheTTL, "-1s"), "cache_ttl is negative"},
		"cache_ttl a word":               {only(account.FieldCacheTTL, "forever"), "cache_ttl is not a duration"},
		"cache_ttl half a second":        {only(account.FieldCacheTTL, "500ms"), "cache_ttl is not a number of whole seconds"},
		"cache_ttl beyond all":           {only(account.FieldCacheTTL, "99999999999999999999"), "cache_ttl is not a duration"},
		"tier empty":                     {only(account.FieldTier, ""), "tier is none of Kraken's"},
		"tier unknown":                   {only(account.FieldTier, "gold"), "tier is none of Kraken's"},
		"tier in capitals":               {only(account.FieldTier, "Pro"), "tier is none of Kraken's"},
		"tier a map":                     {only(account.FieldTier, map[string]any{}), "tier is not text"},
		"verify a word":                  {only(account.FieldVerify, "maybe"), "verify is neither true nor false"},
		"api_url alone":                  {only(account.FieldAPIURL, "https://gateway.example"), "api_url changes only in a write that carries the key pair"},
		"ca_cert alone":                  {only(account.FieldCACert, certificate), "ca_cert changes only in a write that carries the key pair"},
		"ca_cert no PEM":                 {pair(account.FieldCACert, "certificate"), "ca_cert holds no PEM certificate"},
		"ca_cert a private key":          {pair(account.FieldCACert, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"), "ca_cert holds PEM that is not a certificate"},
		"ca_cert broken":                 {pair(account.FieldCACert, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"), "ca_cert holds a certificate that can't be read"},
		"ca_cert of 1 MB":                {pair(account.FieldCACert, long), "ca_cert is 1048576 bytes long"},
		"api_url empty":                  {pair(account.FieldAPIURL, ""), "api_url is empty"},
		"api_url a word":                 {pair(account.FieldAPIURL, "kraken"), "api_url is not a URL with a host"},
		"api_url without a host":         {pair(account.FieldAPIURL, "https:///0/private"), "api_url is not a URL with a host"},
		"api_url opaque":                 {pair(account.FieldAPIURL, "https:api.kraken.com"), "api_url is not a URL with a host"},
		"api_url another scheme":         {pair(account.FieldAPIURL, "ftp://api.kraken.com"), "api_url is not https"},
		"api_url http elsewhere":         {pair(account.FieldAPIURL, "http://api.kraken.com"), "api_url is http, which is for loopback hosts only"},
		"api_url http like localhost":    {pair(account.FieldAPIURL, "http://localhost.evil.example"), "api_url is http, which is for loopback hosts only"},
		"api_url http like loopback":     {pair(account.FieldAPIURL, "http://127.0.0.1.evil.example"), "api_url is http, which is for loopback hosts only"},
		"api_url http as a number":       {pair(account.FieldAPIURL, "http://2130706433"), "api_url has a host that is neither a name nor an address"},
		"api_url user info":              {pair(account.FieldAPIURL, "https://user:pass@api.kraken.com"), "api_url holds user info"},
		"api_url loopback as user":       {pair(account.FieldAPIURL, "https://127.0.0.1@evil.example"), "api_url holds user info"},
		"api_url query":                  {pair(account.FieldAPIURL, "https://api.kraken.com?a=b"), "api_url holds a query or a fragment"},
		"api_url empty query":            {pair(account.FieldAPIURL, "https://api.kraken.com?"), "api_url holds a query or a fragment"},
		"api_url empty fragment":         {pair(account.FieldAPIURL, "https://api.kraken.com/#"), "api_url holds a query or a fragment"},
		"api_url unicode host":           {pair(account.FieldAPIURL, "https://api.kräken.com"), "api_url holds white space, control or non-ASCII"},
		"api_url full-width dots":        {pair(account.FieldAPIURL, "https://127。0。0。1"), "api_url holds white space, control or non-ASCII"},
		"api_url newline":                {pair(account.FieldAPIURL, "https://api.kraken.com\nHost: evil"), "api_url holds white space, control or non-ASCII"},
		"api_url port 0":                 {pair(account.FieldAPIURL, "https://api.kraken.com:0"), "api_url has a port that is out of range"},
		"api_url port 65536":             {pair(account.FieldAPIURL, "https://api.kraken.com:65536"), "api_url has a port that is out of range"},
		"api_url empty port":             {pair(account.FieldAPIURL, "https://api.kraken.com:"), "api_url has a port that is out of range"},
		"api_url zone":                   {pair(account.FieldAPIURL, "http://[fe80::1%25lo]"), "api_url has a host that is neither"},
		"api_url with /0":                {pair(account.FieldAPIURL, "https://api.kraken.com/0"), "api_url includes /0"},
		"api_url with the whole path":    {pair(account.FieldAPIURL, "https://api.kraken.com/0/private/GetWebSocketsToken"), "api_url includes /0"},
		"api_url dot segments":           {pair(account.FieldAPIURL, "https://api.kraken.com/a/../b"), "api_url has a path with empty or dot segments"},
		"api_url escaped path":           {pair(account.FieldAPIURL, "https://api.kraken.com/%2e%2e/"), "api_url has a path with characters that need escaping"},
		"api_url of 1 MB":                {pair(account.FieldAPIURL, "https://api.kraken.com/"+long), "api_url is 1048599 bytes long"},
		"a key that another account has": {map[string]any{account.FieldAPIKey: "taken", account.FieldAPISecret: otherSecret}, `api_key is in use by account "owner" of this mount`},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			e.configure("", nil)
			_, err := e.write("config/owner", map[string]any{account.FieldAPIKey: "taken", account.FieldAPISecret: otherSecret, account.FieldVerify: false})
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
		"no api_secret": {map[string]any{account.FieldAPIKey: "public"}, "api_secret is missing"},
		"no api_key":    {map[string]any{account.FieldAPISecret: otherSecret}, "api_key is missing"},
		"mistyped name": {map[string]any{account.FieldAPIKey: "public", "api_sercet": otherSecret}, "api_secret is missing"},
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

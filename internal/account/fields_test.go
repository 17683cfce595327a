package account

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryFieldIsDescribed(t *testing.T) {
	shown, given := []string{}, []string{}
	for _, field := range Fields {
		assert.NotEmpty(t, field.Description, field.Name)
		if field.Shown() {
			shown = append(shown, field.Name)
			assert.False(t, field.Secret, field.Name)
		}
		if field.Given() {
			given = append(given, field.Name)
		}
	}
	assert.Equal(t, []string{FieldAPIKey, FieldTwoFactor, FieldPairWrittenAt, FieldAPIURL, FieldWebSocketURL, FieldCACert, FieldRequestTimeout, FieldCacheTTL, FieldTier, FieldDisabled}, shown)
	assert.Equal(t, []string{
		FieldAPIKey, FieldAPISecret, FieldOTPPassword, FieldTOTPSecret, FieldAPIURL, FieldWebSocketURL, FieldCACert, FieldRequestTimeout, FieldCacheTTL,
		FieldTier, FieldDisabled, FieldVerify,
	}, given)
}

// TestBadInput writes every kind of bad value over a good config and finds it unharmed.
func TestBadInput(t *testing.T) {
	with := func(field string, value any) fields { return pair(first, fields{field: value}) }
	only := func(field string, value any) fields { return fields{field: value} }
	long := strings.Repeat("A", 1<<20)
	for name, test := range map[string]struct {
		given fields
		want  string // the message's beginning: the field and the trouble
	}{
		"api_key empty":               {with(FieldAPIKey, ""), "api_key is missing"},
		"api_key null":                {with(FieldAPIKey, nil), "api_key is missing"},
		"api_key white space":         {with(FieldAPIKey, " \n"), "api_key is missing"},
		"api_key too long":            {with(FieldAPIKey, long[:maxAPIKeyLength+1]), "api_key is 257 bytes long; at most 256"},
		"api_key with a control char": {with(FieldAPIKey, "a\x00b"), "api_key holds characters that aren't base64's"},
		"api_key with a newline":      {with(FieldAPIKey, "a\nX-Evil: b"), "api_key holds characters that aren't base64's"},
		"api_key with a space":        {with(FieldAPIKey, "a b"), "api_key holds characters that aren't base64's"},
		"api_key with a DEL":          {with(FieldAPIKey, "a\x7fb"), "api_key holds characters that aren't base64's"},
		"api_key not ASCII":           {with(FieldAPIKey, "kräken"), "api_key holds characters that aren't base64's"},
		"api_key not base64":          {with(FieldAPIKey, "key_1"), "api_key holds characters that aren't base64's"},
		"api_key that looks ASCII":    {with(FieldAPIKey, "\u0430bc"), "api_key holds characters that aren't base64's"},
		"a private key as api_key":    {with(FieldAPIKey, otherSecret), "api_key is a private key; the two halves"},
		"the same without its end":    {with(FieldAPIKey, strings.TrimRight(otherSecret, "=")), "api_key is a private key"},
		"one half twice":              {with(FieldAPISecret, first.APIKey), "api_key is a private key; the two halves"},
		"swapped, and cut in copying": {pair(first, fields{FieldAPIKey: otherSecret[:80], FieldAPISecret: first.APIKey}), "api_key is a private key"},
		"cache_ttl one and a half":    {only(FieldCacheTTL, 1.5), "cache_ttl is not a number of whole seconds"},
		"cache_ttl without end":       {only(FieldCacheTTL, 1e300), "cache_ttl is not a duration"},
		"otp_password not UTF-8":      {only(FieldOTPPassword, "sesame\xff"), "otp_password is not text"},
		"disabled a word":             {only(FieldDisabled, "maybe"), "disabled is neither true nor false"},
		"disabled a list":             {only(FieldDisabled, []any{true}), "disabled is neither true nor false"},
		"disabled null":               {only(FieldDisabled, nil), "disabled is neither true nor false"},
		"disabled, with a proof":      {fields{FieldDisabled: true, FieldVerify: true}, "verify is true, but a disabled account asks Kraken nothing"},
		"websocket_url alone":         {only(FieldWebSocketURL, "wss://a.example"), "websocket_url changes only in a write that carries the key pair"},
		"websocket_url of a page":     {with(FieldWebSocketURL, "https://ws-auth.kraken.com/v2"), "websocket_url is not wss; give wss://HOST"},
		"websocket_url not encrypted": {with(FieldWebSocketURL, "ws://ws-auth.kraken.com/v2"), "websocket_url is ws, which is for loopback hosts only"},
		"websocket_url empty":         {with(FieldWebSocketURL, ""), "websocket_url is empty; give wss://HOST"},
		"api_url of a WebSocket":      {with(FieldAPIURL, "wss://api.kraken.com"), "api_url is not https"},
		"api_key a list":              {with(FieldAPIKey, []any{"a"}), "api_key is not text"},
		"api_key a boolean":           {with(FieldAPIKey, true), "api_key is not text"},
		"api_key alone":               {only(FieldAPIKey, "other"), "api_key changes only together with api_secret"},
		"api_secret empty":            {with(FieldAPISecret, ""), "api_secret is missing"},
		"api_secret not base64":       {with(FieldAPISecret, "sesame!"), "api_secret is not base64"},
		"api_secret too long":         {with(FieldAPISecret, long[:maxSecretLength+1]), "api_secret is 1025 bytes long; at most 1024"},
		"api_secret of 1 MB":          {with(FieldAPISecret, long), "api_secret is 1048576 bytes long"},
		"api_secret a map":            {with(FieldAPISecret, fields{"a": "sesame"}), "api_secret is not text"},
		"api_secret alone":            {only(FieldAPISecret, otherSecret), "api_secret changes only together with api_key"},
		"otp_password a list":         {only(FieldOTPPassword, []any{"sesame"}), "otp_password is not text"},
		"otp_password too long":       {only(FieldOTPPassword, long[:maxSecretLength+1]), "otp_password is 1025 bytes long"},
		"otp_password with a control": {only(FieldOTPPassword, "ses\x07ame"), "otp_password holds control characters"},
		"totp_secret not base32":      {only(FieldTOTPSecret, "sesame018"), "totp_secret is not base32"},
		"totp_secret short":           {only(FieldTOTPSecret, "MFRGG"), "totp_secret is too short"},
		"totp_secret too long":        {only(FieldTOTPSecret, long[:maxSecretLength+1]), "totp_secret is 1025 bytes long"},
		"both second factors":         {fields{FieldOTPPassword: "sesame", FieldTOTPSecret: totpSeed}, "totp_secret excludes otp_password"},
		"request_timeout empty":       {only(FieldRequestTimeout, ""), "request_timeout is not a duration"},
		"request_timeout null":        {only(FieldRequestTimeout, nil), "request_timeout is not a duration"},
		"request_timeout a word":      {only(FieldRequestTimeout, "soon"), "request_timeout is not a duration"},
		"request_timeout a list":      {only(FieldRequestTimeout, []any{1}), "request_timeout is not a duration"},
		"request_timeout 0":           {only(FieldRequestTimeout, 0), "request_timeout is out of range"},
		"request_timeout 56s":         {only(FieldRequestTimeout, "56s"), "request_timeout is out of range"},
		"request_timeout negative":    {only(FieldRequestTimeout, -1), "request_timeout is negative"},
		"request_timeout 1500ms":      {only(FieldRequestTimeout, "1500ms"), "request_timeout is not a number of whole seconds"},
		"cache_ttl 14m1s":             {only(FieldCacheTTL, "14m1s"), "cache_ttl is out of range"},
		"cache_ttl negative":          {only(FieldCacheTTL, "-1s"), "cache_ttl is negative"},
		"cache_ttl a word":            {only(FieldCacheTTL, "forever"), "cache_ttl is not a duration"},
		"cache_ttl half a second":     {only(FieldCacheTTL, "500ms"), "cache_ttl is not a number of whole seconds"},
		"cache_ttl beyond all":        {only(FieldCacheTTL, "99999999999999999999"), "cache_ttl is not a duration"},
		"cache_ttl that wraps":        {only(FieldCacheTTL, json.Number("36028797018963978")), "cache_ttl is not a duration"},
		"tier empty":                  {only(FieldTier, ""), "tier is none of Kraken's"},
		"tier unknown":                {only(FieldTier, "gold"), "tier is none of Kraken's"},
		"tier misspelled":             {only(FieldTier, "Prо"), "tier is none of Kraken's"}, // a Cyrillic o
		"tier a map":                  {only(FieldTier, fields{}), "tier is not text"},
		"verify a word":               {only(FieldVerify, "maybe"), "verify is neither true nor false"},
		"verify null":                 {only(FieldVerify, nil), "verify is neither true nor false"},
		"ca_cert alone":               {only(FieldCACert, certificate(t)), "ca_cert changes only in a write that carries the key pair"},
		"ca_cert no PEM":              {with(FieldCACert, "certificate"), "ca_cert holds no PEM certificate"},
		"ca_cert a private key":       {with(FieldCACert, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"), "ca_cert holds PEM that is not a certificate"},
		"ca_cert broken":              {with(FieldCACert, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"), "ca_cert holds a certificate that can't be read"},
		"ca_cert too long":            {with(FieldCACert, long[:maxBundleLength+1]), "ca_cert is 524289 bytes long"},
		"api_url alone":               {only(FieldAPIURL, elsewhere), "api_url changes only in a write that carries the key pair"},
		"api_url empty":               {with(FieldAPIURL, ""), "api_url is empty; give https://HOST"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				m.configure("")
				stored := m.stored("")
				err := m.write("", test.given)
				var bad *FieldError
				require.ErrorAs(t, err, &bad)
				assert.True(t, strings.HasPrefix(err.Error(), test.want), err.Error())
				assert.Less(t, len(err.Error()), 300)
				assert.NotContains(t, err.Error(), "sesame", "a secret isn't repeated")
				assert.Equal(t, stored, m.stored(""))
				assert.Empty(t, m.calls())
				m.requireAgreement("")
			})
		})
	}
}

// TestTheLongestGoodInput is the counterpart of TestBadInput: what is just within the bounds.
func TestTheLongestGoodInput(t *testing.T) {
	bundle := certificate(t) + "\n"
	for field, value := range map[string]string{
		FieldAPIKey:         "+/=" + strings.Repeat("A", maxAPIKeyLength-3),
		FieldAPISecret:      strings.Repeat("A", maxSecretLength),
		FieldOTPPassword:    strings.Repeat("p", maxSecretLength),
		FieldTOTPSecret:     strings.Repeat("A", maxSecretLength),
		FieldCACert:         bundle + strings.Repeat("x", maxBundleLength-len(bundle)),
		FieldRequestTimeout: "55",
		FieldWebSocketURL:   "ws://localhost:8080/v2",
		FieldCacheTTL:       "14m",
	} {
		bubble(t, func(t *testing.T, m *mount) { m.configure("", fields{field: value}) })
	}
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldRequestTimeout: 1, FieldCacheTTL: 0})
		for _, tier := range keeper.Tiers() {
			require.NoError(t, m.write("", fields{FieldTier: tier}))
		}
	})
}

func TestAFirstConfigNeedsThePair(t *testing.T) {
	for name, test := range map[string]struct {
		given fields
		want  error
	}{
		"nothing":       {nil, &FieldError{FieldAPIKey, "is missing", apiKeyRemedy}},
		"no api_secret": {fields{FieldAPIKey: "public"}, &FieldError{FieldAPISecret, "is missing", secretRemedy}},
		"no api_key":    {fields{FieldAPISecret: otherSecret}, &FieldError{FieldAPIKey, "is missing", apiKeyRemedy}},
		"mistyped name": {fields{FieldAPIKey: "public", "api_sercet": otherSecret}, &FieldError{FieldAPISecret, "is missing", secretRemedy}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				require.Equal(t, test.want, m.write("desk-a", test.given))
				require.Empty(t, m.keysUnder(""))
			})
		})
	}
}

func TestValuesComeInManyForms(t *testing.T) {
	for name, test := range map[string]struct{ given, same fields }{
		"white space":      {fields{FieldAPIKey: "\t a b\r\n"}, fields{FieldAPIKey: "a b"}},
		"null is empty":    {fields{FieldOTPPassword: nil}, fields{FieldOTPPassword: ""}},
		"a number as text": {fields{FieldOTPPassword: json.Number("0123")}, fields{FieldOTPPassword: "0123"}},
		"a duration":       {fields{FieldCacheTTL: "5m"}, fields{FieldCacheTTL: 300}},
		"seconds as text":  {fields{FieldCacheTTL: "300"}, fields{FieldCacheTTL: json.Number("300")}},
		"0":                {fields{FieldCacheTTL: "0"}, fields{FieldCacheTTL: 0}},
		"true as a number": {fields{FieldVerify: 1}, fields{FieldVerify: true}},
		"false as text":    {fields{FieldVerify: "false"}, fields{FieldVerify: false}},
		"only shown":       {fields{FieldTwoFactor: "totp"}, fields{}},
		"no field's name":  {fields{"cache_tll": []any{1}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			given, err := ParseChange(test.given)
			require.NoError(t, err)
			same, err := ParseChange(test.same)
			require.NoError(t, err)
			require.Equal(t, same, given)
		})
	}
}

func TestAMissingFieldHasItsDefault(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		written, changed, err := m.writeAs(t.Context(), "", fields{
			FieldAPIKey: first.APIKey, FieldAPISecret: krakensim.ExampleAPISecret, FieldVerify: false,
		})
		require.NoError(t, err)
		require.True(t, changed)
		require.Equal(t, &Config{
			APIKey: first.APIKey, APISecret: krakensim.ExampleAPISecret, PairWrittenAt: "2000-01-01T00:00:00Z", APIURL: kraken.DefaultURL,
			WebSocketURL: "wss://ws-auth.kraken.com/v2", RequestTimeout: 10, Tier: keeper.TierStarter,
		}, written)
		require.Equal(t, written, m.stored(""))
	})
}

// TestTheTierInAnyLetterCase: Kraken's pages write Starter, Intermediate and Pro.
func TestTheTierInAnyLetterCase(t *testing.T) {
	for given, want := range map[string]string{"Pro": "pro", " INTERMEDIATE\n": "intermediate", "sTARTER": "starter", "None": "none"} {
		bubble(t, func(t *testing.T, m *mount) {
			m.configure("", fields{FieldTier: given})
			require.Equal(t, want, m.stored("").Tier)
			written, changed, err := m.writeAs(t.Context(), "", fields{FieldTier: given})
			require.NoError(t, err)
			require.Equal(t, want, written.Shown()[FieldTier])
			require.False(t, changed, "it is the same tier")
			require.NoError(t, m.write("", fields{FieldTier: "pro"}))
			require.NoError(t, m.write("", fields{FieldTier: given}))
			m.requireAgreement("")
		})
	}
}

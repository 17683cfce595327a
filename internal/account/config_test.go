package account

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAConfigIsShownWithoutItsSecrets(t *testing.T) {
	for factor, given := range map[string]fields{
		"none":     {},
		"password": {FieldOTPPassword: "sesame"},
		"totp":     {FieldTOTPSecret: totpSeed},
	} {
		bubble(t, func(t *testing.T, m *mount) {
			m.configure("", given)
			require.Equal(t, fields{
				FieldAPIKey: first.APIKey, FieldTwoFactor: factor, FieldAPIURL: kraken.DefaultURL, FieldCACert: "",
				FieldWebSocketURL: DefaultWebSocketURL, FieldPairWrittenAt: "2000-01-01T00:00:00Z",
				FieldRequestTimeout: 10, FieldCacheTTL: 0, FieldTier: "none", FieldDisabled: false,
			}, m.stored("").Shown())
		})
	}
}

func TestAnUpdateChangesTheFieldsGivenAndKeepsTheRest(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldOTPPassword: "one", FieldCacheTTL: "5m", FieldRequestTimeout: "20s", FieldAPIURL: elsewhere, FieldCACert: certificate(t)})
		want := *m.stored("")
		time.Sleep(time.Hour)
		for _, test := range []struct {
			given  fields
			change func(c *Config)
		}{
			{fields{FieldCacheTTL: "10m"}, func(c *Config) { c.CacheTTL = 600 }},
			{fields{FieldCacheTTL: 0}, func(c *Config) { c.CacheTTL = 0 }},
			{fields{FieldRequestTimeout: 7}, func(c *Config) { c.RequestTimeout = 7 }},
			{fields{FieldTier: " pro\n"}, func(c *Config) { c.Tier = "pro" }},
			{fields{FieldOTPPassword: "two"}, func(c *Config) { c.OTPPassword = "two" }},
			{fields{FieldOTPPassword: "", FieldTOTPSecret: totpSeed}, func(c *Config) { c.OTPPassword, c.TOTPSecret = "", totpSeed }},
			{fields{FieldTOTPSecret: nil}, func(c *Config) { c.TOTPSecret = "" }},
			{fields{FieldDisabled: "true"}, func(c *Config) { c.Disabled = true }},
			{fields{FieldDisabled: false}, func(c *Config) { c.Disabled = false }},
			{fields{FieldAPIKey: "second", FieldAPISecret: otherSecret}, func(c *Config) {
				c.APIKey, c.APISecret, c.PairWrittenAt = "second", otherSecret, "2000-01-01T01:00:00Z"
			}},
		} {
			test.given[FieldVerify] = false
			require.NoError(t, m.write("", test.given), test.given)
			test.change(&want)
			require.Equal(t, &want, m.stored(""), test.given)
		}
	})
}

// TestWhereThingsGoChangesOnlyByWhoKnowsThePair: else whoever may write the config could have signed requests, or readers' tokens, sent to
// a host of their own.
func TestWhereThingsGoChangesOnlyByWhoKnowsThePair(t *testing.T) {
	for field, place := range map[string]string{
		FieldAPIURL: elsewhere, FieldCACert: certificate(t), FieldWebSocketURL: "wss://ws-auth.kraken.com",
	} {
		t.Run(field, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				m.configure("", fields{FieldOTPPassword: "sesame"})
				stored := m.stored("")
				var bad *FieldError
				require.ErrorAs(t, m.write("", fields{field: place, FieldOTPPassword: "sesame", FieldVerify: false}), &bad)
				require.Equal(t, field, bad.Field)
				require.Equal(t, "changes only in a write that carries the key pair", bad.Problem)
				require.Equal(t, stored, m.stored(""))
				require.NoError(t, m.write("", pair(first, fields{field: place, FieldVerify: false})))
				require.Equal(t, place, m.stored("").Shown()[field])
			})
		})
	}
}

// TestThePairSetsTheCredentialsAsAWhole: what isn't named is dropped, so that what runs is what was proved and what whoever wrote it knows of.
func TestThePairSetsTheCredentialsAsAWhole(t *testing.T) {
	for name, test := range map[string]struct {
		given fields
		want  string
	}{
		"no factor":        {fields{}, "none"},
		"the same":         {fields{FieldOTPPassword: "sesame"}, "password"},
		"another":          {fields{FieldTOTPSecret: totpSeed}, "totp"},
		"without the pair": {nil, "password"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				m.configure("", fields{FieldOTPPassword: "sesame"})
				given := fields{FieldCacheTTL: "5m", FieldVerify: false}
				if test.given != nil {
					given = pair(first, given, test.given)
				}
				require.NoError(t, m.write("", given))
				require.Equal(t, test.want, m.stored("").Shown()[FieldTwoFactor])
			})
		})
	}
}

// TestPairWrittenAtIsHowOldThePairIs: Terraform writes the same pair again and again, and rotation goes by its age.
func TestPairWrittenAtIsHowOldThePairIs(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		written := m.stored("").PairWrittenAt
		require.Equal(t, "2000-01-01T00:00:00Z", written)
		time.Sleep(24 * time.Hour)
		require.NoError(t, m.write("", pair(first, fields{FieldCacheTTL: "5m", FieldVerify: false})))
		require.Equal(t, written, m.stored("").PairWrittenAt)
		require.NoError(t, m.write("", fields{FieldOTPPassword: "sesame", FieldVerify: false}))
		require.Equal(t, written, m.stored("").PairWrittenAt)
		require.NoError(t, m.write("", pair(second, fields{FieldVerify: false})))
		require.Equal(t, "2000-01-02T00:00:00Z", m.stored("").PairWrittenAt)
		for _, half := range []fields{{FieldAPIKey: "third"}, {FieldAPISecret: first.APISecret}} {
			time.Sleep(24 * time.Hour)
			require.NoError(t, m.write("", pair(second, half, fields{FieldVerify: false})))
			require.Equal(t, time.Now().UTC().Format(time.RFC3339), m.stored("").PairWrittenAt)
		}
	})
}

func TestTheSamePlaceInOtherWordsIsNoMove(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		_, changed, err := m.writeAs(t.Context(), "", fields{FieldAPIURL: " HTTPS://API.Kraken.com/\n"})
		require.NoError(t, err)
		require.False(t, changed)
	})
}

func TestConfigsAreToldApart(t *testing.T) {
	base := Config{APIKey: "key", APISecret: "secret", APIURL: "https://a.example"}
	for name, test := range map[string]struct {
		change                  func(c *Config)
		goesOn, identity, place bool // the same
	}{
		"nothing":                               {func(c *Config) {}, true, true, true},
		"api_key":                               {func(c *Config) { c.APIKey = "other" }, false, false, true},
		"api_secret":                            {func(c *Config) { c.APISecret = "other" }, false, false, true},
		"otp_password":                          {func(c *Config) { c.OTPPassword = "other" }, false, false, true},
		"totp_secret":                           {func(c *Config) { c.TOTPSecret = "other" }, false, false, true},
		"api_url":                               {func(c *Config) { c.APIURL = "other" }, false, false, false},
		"ca_cert":                               {func(c *Config) { c.CACert = "other" }, false, false, false},
		"websocket_url":                         {func(c *Config) { c.WebSocketURL = "other" }, false, true, true},
		"disabled":                              {func(c *Config) { c.Disabled = true }, false, true, true},
		"pair_written_at":                       {func(c *Config) { c.PairWrittenAt = "other" }, true, true, true},
		"request_timeout":                       {func(c *Config) { c.RequestTimeout = 7 }, true, true, true},
		"cache_ttl":                             {func(c *Config) { c.CacheTTL = 7 }, true, true, true},
		"tier":                                  {func(c *Config) { c.Tier = "pro" }, true, true, true},
		"where a field ends and another begins": {func(c *Config) { c.APIKey, c.APISecret = "keys", "ecret" }, false, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			other := base
			test.change(&other)
			running := &Account{credentials: base.credentials(), upstream: base.upstream()}
			running.settings.Store(base.settings())
			require.Equal(t, test.goesOn, running.goesOnBy(&other))
			require.Equal(t, test.identity, running.runsBy(&other))
			require.Equal(t, test.identity, base.sameIdentity(&other))
			require.Equal(t, test.place, base.samePlace(&other))
			require.Equal(t, test.place, base.upstream() == other.upstream())
		})
	}
	require.NotEqual(t, fingerprint("a", "bc"), fingerprint("ab", "c"))
	require.NotEqual(t, fingerprint("a"), fingerprint("a", ""))
}

func TestASecondFactorGoesWithEachCall(t *testing.T) {
	for name, test := range map[string]struct {
		key   krakensim.Key
		given fields
	}{
		"a password": {krakensim.Key{APIKey: "key", APISecret: otherSecret, OTPPassword: "pass word"}, fields{FieldOTPPassword: " pass word\n"}},
		"a seed":     {krakensim.Key{APIKey: "key", APISecret: otherSecret, TOTPSecret: totpSeed}, fields{FieldTOTPSecret: totpSeed}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				m.kraken.SetKey(test.key)
				require.NoError(t, m.write("", pair(test.key, test.given)))
				for range 3 {
					time.Sleep(kraken.TOTPPeriod)
					m.mustRead("")
				}
				require.Error(t, m.write("", fields{FieldOTPPassword: "", FieldTOTPSecret: ""}))
			})
		})
	}
}

func TestTheKeeperKnowsHowOftenACodeChanges(t *testing.T) {
	for want, c := range map[time.Duration]*Config{
		0:                 {OTPPassword: "x"},
		kraken.TOTPPeriod: {TOTPSecret: totpSeed},
	} {
		factor, changes, err := c.secondFactor()
		require.NoError(t, err)
		require.NotNil(t, factor)
		require.Equal(t, want, changes)
	}
	factor, changes, err := (&Config{}).secondFactor()
	require.NoError(t, err)
	require.Nil(t, factor)
	require.Zero(t, changes)
}

// FuzzConfigFields: whatever is written, nothing panics, an error tells of a field and repeats no secret, and what is accepted can be read and written again.
func FuzzConfigFields(f *testing.F) {
	f.Add("public", krakensim.ExampleAPISecret, "", "", "https://api.kraken.com", "", "10s", "5m", "pro")
	f.Add("a b", "not base64", "x", totpSeed, "http://127.0.0.1@evil", "-----BEGIN", "0", "15m", "gold")
	f.Fuzz(func(t *testing.T, key, secret, password, seed, url, bundle, timeout, ttl, tier string) {
		m := newMount(t) // in no bubble
		if places, err := ParsePlaces(url); err == nil {
			m.options.Allowed = places
		}
		err := m.write("", fields{
			FieldAPIKey: key, FieldAPISecret: secret, FieldOTPPassword: password, FieldTOTPSecret: seed, FieldAPIURL: url,
			FieldCACert: bundle, FieldRequestTimeout: timeout, FieldCacheTTL: ttl, FieldTier: tier, FieldVerify: false,
		})
		if err != nil {
			var bad *FieldError
			if place := (*PlaceError)(nil); !errors.As(err, &place) { // a comma in it, say
				require.ErrorAs(t, err, &bad)
			}
			if len(secret) > 20 {
				assert.NotContains(t, err.Error(), secret)
			}
			return
		}
		shown := fmt.Sprint(m.stored("").Shown())
		if len(secret) > 20 && !strings.Contains(key+url+bundle, secret) {
			assert.NotContains(t, shown, strings.TrimSpace(secret))
		}
		_, changed, err := m.writeAs(t.Context(), "", fields{FieldVerify: false})
		require.NoError(t, err)
		require.False(t, changed)
		_, err = m.get(t.Context(), m.storage, "")
		require.NoError(t, err, "what is accepted can run")
	})
}

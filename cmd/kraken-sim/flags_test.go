package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/control"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

func TestFlagsSayWhatIsServed(t *testing.T) {
	for _, test := range []struct {
		args   string
		change func(options *krakensim.Options, key *krakensim.Key)
	}{
		{"", func(*krakensim.Options, *krakensim.Key) {}},
		{"-listen :1 -tls-ca ca.pem", func(options *krakensim.Options, _ *krakensim.Key) { options.Addr, options.TLS = ":1", true }},
		{"-api-key k -api-secret AAAA -api-key-name desk", func(_ *krakensim.Options, key *krakensim.Key) {
			key.APIKey, key.APISecret, key.Name = "k", "AAAA", "desk"
		}},
		{"-permissions query-funds,close-trades -tier pro", func(_ *krakensim.Options, key *krakensim.Key) {
			key.Permissions, key.Tier = []string{"query-funds", "close-trades"}, krakensim.TierPro
		}},
		{"-permissions=", func(_ *krakensim.Options, key *krakensim.Key) { key.Permissions = []string{} }},
		{"-valid-until 2026-12-31T23:59:59Z", func(_ *krakensim.Options, key *krakensim.Key) {
			key.ValidUntil = time.Date(2026, time.December, 31, 23, 59, 59, 0, time.UTC)
		}},
		{"-otp-password x", func(_ *krakensim.Options, key *krakensim.Key) { key.OTPPassword = "x" }},
		{"-totp-secret JBSWY3DP -single-use-codes", func(_ *krakensim.Options, key *krakensim.Key) {
			key.TOTPSecret, key.SingleUseCodes = "JBSWY3DP", true
		}},
		{"-decay-step 1ns", func(_ *krakensim.Options, key *krakensim.Key) { key.DecayStep = 1 }},
		{"-api-key-info-case camel", func(_ *krakensim.Options, key *krakensim.Key) { key.CamelCase = true }},
		{"-api-key-info-case snake", func(*krakensim.Options, *krakensim.Key) {}},
		{"-lockout key -lockout-after 3 -lockout-for 1m", func(options *krakensim.Options, _ *krakensim.Key) {
			options.Lockout = krakensim.Lockout{Scope: krakensim.LockoutKey, After: 3, For: time.Minute}
		}},
		{"-lockout off", func(options *krakensim.Options, _ *krakensim.Key) { options.Lockout.Scope = krakensim.LockoutOff }},
	} {
		want := krakensim.Options{
			Addr:    "127.0.0.1:0",
			Lockout: krakensim.Lockout{Scope: krakensim.LockoutAddress, After: 10, For: 15 * time.Minute},
		}
		key := krakensim.Key{
			APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret, Name: "kraken-sim",
			Permissions: permission.Default(), Tier: krakensim.TierNone, DecayStep: 2 * time.Second,
		}
		test.change(&want, &key)
		want.Keys = []krakensim.Key{key}
		got, _, err := parse(strings.Fields(test.args), io.Discard)
		require.NoError(t, err, test.args)
		require.NotNil(t, got.Control)
		got.Control = nil
		assert.Equal(t, want, got, test.args)
	}
}

func TestBadFlagsExit2AndSayWhy(t *testing.T) {
	const secret = "not base64 but secret"
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-port", "1"}, "not defined: -port"},
		{[]string{"extra"}, `unexpected argument "extra"`},
		{[]string{"-tier", "gold"}, "starter, intermediate, pro or none"},
		{[]string{"-api-key", ""}, "API key is empty"},
		{[]string{"-api-secret", secret}, "isn't base64"},
		{[]string{"-otp-password", "a", "-totp-secret", "JBSWY3DP"}, "not both"},
		{[]string{"-api-key-info-case", "Snake"}, `-api-key-info-case "Snake": want snake or camel`},
		{[]string{"-valid-until", "tomorrow"}, "-valid-until"},
		{[]string{"-decay-step", "2"}, "-decay-step"},
		{[]string{"-decay-step", "0s"}, "more than 0"},
		{[]string{"-decay-step", "-1s"}, "more than 0"},
		{[]string{"-lockout", "account"}, "want address, key or off"},
		{[]string{"-lockout-after", "0"}, "more than 0"},
		{[]string{"-lockout-for", "0s"}, "more than 0"},
	} {
		var stdout, stderr bytes.Buffer
		assert.Equal(t, 2, run(t.Context(), test.args, &stdout, &stderr))
		assert.Contains(t, stderr.String(), test.want)
		assert.NotContains(t, stderr.String(), secret)
		assert.Empty(t, stdout.String())
	}
}

func TestHelpTellsTheFlags(t *testing.T) {
	var stdout, stderr bytes.Buffer
	assert.Zero(t, run(t.Context(), []string{"-help"}, &stdout, &stderr))
	for _, want := range []string{
		"-listen", "-tls-ca", krakensim.ExampleAPIKey, "(default 2s)", "(default 15m0s)", "control_url", control.Usage,
	} {
		assert.Contains(t, stderr.String(), want)
	}
	for _, permission := range permission.Default() {
		assert.Contains(t, stderr.String(), permission)
	}
	for line := range strings.Lines(stderr.String()) {
		if !strings.Contains(line, krakensim.ExampleAPISecret) { // that is longer
			shown := strings.ReplaceAll(strings.TrimRight(line, "\n"), "    \t", strings.Repeat(" ", 8))
			assert.LessOrEqual(t, utf8.RuneCountInString(shown), 80, line)
		}
	}
}

package krakensecrets

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigIsStoredAndShownWithoutItsSecrets(t *testing.T) {
	bundle := strings.TrimSpace(certificate(t))
	for _, path := range []string{"config", "config/desk-a"} {
		t.Run(path, func(t *testing.T) {
			e := newEngine(t, krakensim.Key{APIKey: "public", APISecret: exampleKey.APISecret, OTPPassword: "second factor"})
			response, err := e.read(path)
			require.NoError(t, err)
			assert.Nil(t, response, "nothing there yet")
			written, err := e.write(path, map[string]any{ // white space comes from files, and from copying
				account.FieldAPIKey: " public\n", account.FieldAPISecret: "\r\n" + exampleKey.APISecret + "\n", account.FieldOTPPassword: "second factor\n", account.FieldAPIURL: "\t" + e.url + "/\n", account.FieldCACert: bundle,
			})
			require.NoError(t, err)
			for field, want := range map[string]any{
				account.FieldAPIKey: "public", account.FieldTwoFactor: "password", account.FieldAPIURL: e.url,
				account.FieldRequestTimeout: 10, account.FieldCacheTTL: 0, account.FieldTier: "starter",
				account.FieldAPISecret: nil, account.FieldOTPPassword: nil, account.FieldTOTPSecret: nil, account.FieldVerify: nil, // not shown
			} {
				assert.Equal(t, want, written.Data[field], field)
			}
			assert.NotContains(t, written.Data, account.FieldCACert, "it is long")
			written.Data[account.FieldCACert] = bundle
			assert.Equal(t, written.Data, e.mustRead(path))

			require.NoError(t, e.delete(path))
			require.NoError(t, e.delete(path), "it is gone, as was asked")
			response, err = e.read(path)
			require.NoError(t, err)
			assert.Nil(t, response)
			_, err = e.read(strings.Replace(path, "config", "ws-token", 1))
			requireCode(t, http.StatusBadRequest, err)
		})
	}
}

func TestConfigDefaultsToKrakenAndIsListed(t *testing.T) {
	e := newEngine(t)
	response, err := e.write("config", map[string]any{account.FieldAPIKey: "public", account.FieldAPISecret: otherSecret, account.FieldVerify: "false"})
	require.NoError(t, err)
	assert.Equal(t, kraken.DefaultURL, response.Data[account.FieldAPIURL])
	assert.Equal(t, "none", response.Data[account.FieldTwoFactor])
	assert.Zero(t, e.calls(), "nobody is asked")
	for _, name := range []string{"b", "a"} {
		e.configure(name, map[string]any{account.FieldAPIKey: "keyOf" + name, account.FieldVerify: false})
	}
	response, err = e.do(t.Context(), "list", "config/", nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, response.Data["keys"], "the default account has no name")
}

// TestUpdateChangesTheFieldsGivenAndKeepsTheRest, and asks Kraken nothing as long as it touches neither credentials nor place: so it can be made in an outage.
func TestUpdateChangesTheFieldsGivenAndKeepsTheRest(t *testing.T) {
	e := newEngine(t)
	e.configure("", map[string]any{account.FieldCacheTTL: "5m", account.FieldRequestTimeout: "20s"})
	token := e.mustRead("ws-token")[fieldToken]
	e.sim.Misbehave(krakensim.Fault{Drop: true})
	before := e.mustRead("config")
	for _, test := range []struct {
		field string
		given any
		want  any
	}{
		{account.FieldCacheTTL, "10m", 600},
		{account.FieldRequestTimeout, 7, 7},
		{account.FieldRequestTimeout, json.Number("55"), 55},
		{account.FieldTier, " pro\n", "pro"},
	} {
		_, err := e.write("config", map[string]any{test.field: test.given})
		require.NoError(t, err, test)
		before[test.field] = test.want
		assert.Equal(t, before, e.mustRead("config"), test)
		assert.Equal(t, token, e.mustRead("ws-token")[fieldToken], "the cached token stays")
	}
	puts := e.storage.puts.Load()
	_, err := e.write("config", e.pair(map[string]any{account.FieldTier: "pro", account.FieldAPIURL: strings.ToUpper(e.url[:4]) + e.url[4:] + "/"}))
	require.NoError(t, err, "the same in other words changes nothing")
	assert.Equal(t, puts, e.storage.puts.Load(), "nothing is stored")
	assert.Equal(t, 1, e.calls(), "the first write's proof")

	e.sim.Behave()
	_, err = e.write("config", map[string]any{account.FieldVerify: true})
	require.NoError(t, err)
	assert.Equal(t, 2, e.calls(), "asked for, the stored pair is proved")
}

// TestBadValues writes bad values over a good config and finds it unharmed. What is bad is specified with account.Fields.
func TestBadValues(t *testing.T) {
	bundle := strings.TrimSpace(certificate(t))
	pair := func(field string, value any) map[string]any {
		return map[string]any{account.FieldAPIKey: exampleKey.APIKey, account.FieldAPISecret: exampleKey.APISecret, field: value}
	}
	only := func(field string, value any) map[string]any { return map[string]any{field: value} }
	long := strings.Repeat("A", 1<<20)
	for name, test := range map[string]struct {
		data map[string]any
		want string // the message's beginning: the field and the trouble
	}{
		"api_key of 1 MB":           {pair(account.FieldAPIKey, long), "api_key is 1048576 bytes long"},
		"api_key of two lines":      {pair(account.FieldAPIKey, "a\nX-Evil: b"), "api_key holds "},
		"api_key alone":             {only(account.FieldAPIKey, "other"), "api_key changes only together with api_secret"},
		"api_secret not base64":     {pair(account.FieldAPISecret, "sesame!"), "api_secret is not base64"},
		"api_secret alone":          {only(account.FieldAPISecret, otherSecret), "api_secret changes only together with api_key"},
		"otp_password a list":       {only(account.FieldOTPPassword, []any{"sesame"}), "otp_password is not text"},
		"cache_ttl negative":        {only(account.FieldCacheTTL, "-1s"), "cache_ttl is negative"},
		"tier unknown":              {only(account.FieldTier, "gold"), "tier is none of Kraken's"},
		"verify a word":             {only(account.FieldVerify, "maybe"), "verify is neither true nor false"},
		"ca_cert alone":             {only(account.FieldCACert, bundle), "ca_cert changes only in a write that carries the key pair"},
		"api_url alone":             {only(account.FieldAPIURL, "https://gateway.example"), "api_url changes only in a write that carries the key pair"},
		"api_url loopback as user":  {pair(account.FieldAPIURL, "https://127.0.0.1@evil.example"), "api_url holds user info"},
		"a first config of nothing": {nil, "api_key is missing"},
		"a first config half given": {only(account.FieldAPIKey, "public"), "api_secret is missing"},
		"a first config mistyped":   {map[string]any{account.FieldAPIKey: "public", "api_sercet": "sesame"}, "api_secret is missing"},
		"another account's key":     {map[string]any{account.FieldAPIKey: secondKey.APIKey, account.FieldAPISecret: otherSecret}, "api_key is in use by "},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, exampleKey, secondKey)
			e.configure("", nil)
			e.configure("owner", map[string]any{account.FieldAPIKey: secondKey.APIKey, account.FieldAPISecret: otherSecret})
			before, calls := e.stored(), e.calls()
			path := "config"
			if strings.HasPrefix(name, "a first config") {
				path = "config/new"
			}
			_, err := e.write(path, test.data)
			requireCode(t, http.StatusBadRequest, err)
			assert.True(t, strings.HasPrefix(err.Error(), test.want), err.Error())
			assert.Contains(t, err.Error(), "; ", "the remedy follows")
			assert.Less(t, len(err.Error()), 300)
			assert.NotContains(t, err.Error(), "sesame", "a secret isn't repeated")
			assert.Equal(t, before, e.stored(), "nothing stored changes")
			assert.Equal(t, calls, e.calls(), "Kraken isn't bothered")
			e.mustRead("ws-token")
		})
	}
}

// TestAWriteThatFailsChangesNothing, whether Kraken refuses the pair, doesn't answer, or storage fails.
func TestAWriteThatFailsChangesNothing(t *testing.T) {
	second := map[string]any{account.FieldAPIKey: secondKey.APIKey, account.FieldAPISecret: secondKey.APISecret}
	for name, test := range map[string]struct {
		fault   krakensim.Fault
		failing string
		code    int
		want    string
	}{
		"refused":       {fault: says("EAPI:Invalid signature"), code: 400, want: `^The config was not written\. Kraken answered EAPI:Invalid signature\.`},
		"nonsense":      {fault: krakensim.Fault{Body: "<html>"}, code: 502, want: `^The config was not written\. .* To store the pair unproved, add verify=false\.$`},
		"no answer":     {fault: krakensim.Fault{Hang: true}, code: 504, want: `^The config was not written\. .* add verify=false\.$`},
		"no record":     {failing: "nonce/", want: "disk full"},
		"no config":     {failing: "config", want: "disk full"},
		"a new account": {fault: says("EAPI:Invalid key"), code: 400, want: `^The config was not written`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t, exampleKey, secondKey)
				e.configure("", map[string]any{account.FieldCacheTTL: 60})
				token, config := e.mustRead("ws-token")[fieldToken], e.stored()["config"]
				e.sim.Misbehave(test.fault)
				e.storage.failing.Store(test.failing)
				path := "config"
				if name == "a new account" {
					path = "config/new"
				}
				_, err := e.write(path, e.pair(second))
				require.Error(t, err)
				assert.Regexp(t, test.want, err.Error())
				assert.NotContains(t, err.Error(), otherSecret)
				if test.code > 0 {
					requireCode(t, test.code, err)
					assert.Len(t, e.stored(), 2, "a failed proof leaves nothing")
				}
				e.sim.Behave()
				e.storage.failing.Store("")
				assert.Equal(t, config, e.stored()["config"])
				assert.NotContains(t, e.stored(), "config/new")
				assert.Equal(t, token, e.mustRead("ws-token")[fieldToken], "what ran runs on, its cache with it")
				time.Sleep(30 * time.Second) // a refused proof is remembered
				_, err = e.write("config/b", e.pair(second))
				require.NoError(t, err, "the key is free")
				assert.Equal(t, true, e.mustRead("ws-token")[fieldCached])
			})
		})
	}
}

// TestAWriteTakesOverWhatStillHolds of the same key: only a proof that succeeds disproves a refusal, and nothing shortens a hold-off.
func TestAWriteTakesOverWhatStillHolds(t *testing.T) {
	for message, code := range map[string]int{"EAPI:Invalid key": 400, "EGeneral:Temporary lockout": 429} {
		t.Run(message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.configure("", nil)
				e.sim.Misbehave(krakensim.Fault{Errors: []string{message}, Times: 1})
				_, err := e.read("ws-token")
				requireCode(t, code, err)
				e.sim.ForgetCalls()
				for _, change := range []map[string]any{{account.FieldTier: "pro"}, e.pair(map[string]any{account.FieldVerify: false, account.FieldCacheTTL: 60})} {
					_, err = e.write("config", change)
					require.NoError(t, err)
					_, err = e.read("ws-token")
					requireCode(t, code, err)
					assert.Contains(t, e.mustRead("status"), fieldHeldUntil)
				}
				assert.Zero(t, e.calls())
				for range 5 {
					_, err = e.write("config", map[string]any{account.FieldVerify: true})
				}
				if code == 429 {
					assert.Equal(t, 900*time.Second, waitTold(t, err), "proofs keep to hold-offs")
					assert.Zero(t, e.calls())
					return
				}
				require.NoError(t, err, "the key was mended at Kraken")
				e.mustRead("ws-token")
				assert.NotContains(t, e.mustRead("status"), fieldHeldUntil)
			})
		})
	}
}

// TestReadersOfAConfigThatChanges: what waits goes on with what is stored by now, and no call is made with what was.
func TestReadersOfAConfigThatChanges(t *testing.T) {
	const hanging = "https://hangs.example"
	write := func(fields map[string]any) func(*engine) error {
		return func(e *engine) error { _, err := e.write("config", fields); return err }
	}
	second := map[string]any{account.FieldAPIKey: secondKey.APIKey, account.FieldAPISecret: secondKey.APISecret}
	for name, test := range map[string]struct {
		config map[string]any // of the readers
		change func(*engine) error
		code   int            // of the readers' answers; 0: tokens
		calls  map[string]int // by API key
		within time.Duration  // of the change, for the last answer
	}{
		"deleted":                {nil, func(e *engine) error { return e.delete("config") }, 400, map[string]int{exampleKey.APIKey: 1}, 500 * time.Millisecond},
		"deleted with its cache": {map[string]any{account.FieldCacheTTL: 60}, func(e *engine) error { return e.delete("config") }, 400, map[string]int{exampleKey.APIKey: 1}, 0},
		"rotated, and the old key revoked": {nil, func(e *engine) error {
			defer e.sim.RemoveKey(exampleKey.APIKey)
			return write(second)(e)
		}, 0, map[string]int{exampleKey.APIKey: 2, secondKey.APIKey: 10}, 10 * time.Second},
		"moved from where calls hang": {map[string]any{account.FieldAPIURL: hanging}, func(e *engine) error { return write(e.pair(nil))(e) }, 0, map[string]int{exampleKey.APIKey: 11}, 10 * time.Second},
		"given another tier":          {nil, write(map[string]any{account.FieldTier: "pro"}), 0, map[string]int{exampleKey.APIKey: 10}, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t, exampleKey, secondKey)
				e.options.Transport = func(*x509.CertPool) http.RoundTripper {
					return roundTripper(func(r *http.Request) (*http.Response, error) {
						if "https://"+r.URL.Host == hanging {
							<-r.Context().Done()
							return nil, r.Context().Err()
						}
						return e.sim.Transport().RoundTrip(r)
					})
				}
				e.start()
				config := e.pair(map[string]any{account.FieldVerify: false, account.FieldRequestTimeout: 55})
				maps.Copy(config, test.config)
				e.configure("", config)
				e.sim.Misbehave(krakensim.Fault{Latency: time.Second})
				answers := e.herd(10)
				time.Sleep(500 * time.Millisecond)
				require.NoError(t, test.change(e))
				changed := time.Now()
				late := 0
				for _, got := range answers() {
					if test.code == 0 {
						require.NoError(t, got.err)
						continue
					}
					requireCode(t, test.code, got.err)
					assert.Contains(t, got.err.Error(), "No key pair is configured for the default account")
					if got.after > 500*time.Millisecond {
						late++
					}
				}
				assert.LessOrEqual(t, late, 1, "only the call on the wire may finish")
				assert.LessOrEqual(t, time.Since(changed), test.within)
				calls := map[string]int{}
				for _, call := range e.sim.Calls() {
					calls[call.APIKey]++
				}
				assert.Equal(t, test.calls, calls)
			})
		})
	}
}

// TestAProofThatHangs holds up readers for half of their time at most, and a delete not at all.
func TestAProofThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", nil)
		var writes sync.WaitGroup
		hang := func(proofs int) {
			e.sim.Misbehave(krakensim.Fault{Hang: true, Times: proofs})
			for range proofs {
				writes.Go(func() {
					_, err := e.write("config", e.pair(map[string]any{account.FieldAPISecret: otherSecret}))
					assert.Error(t, err)
				})
			}
			synctest.Wait()
		}
		hang(1)
		for _, got := range e.herd(6)() {
			require.NoError(t, got.err)
			assert.LessOrEqual(t, got.after, 5*time.Second)
		}
		hang(6)
		began := time.Now()
		require.NoError(t, e.delete("config"))
		assert.Zero(t, time.Since(began))
		writes.Wait()
		assert.NotContains(t, e.stored(), "config", "what was deleted stays deleted")
	})
}

// TestBadWritesDuringALockout are as few as before it: each could make it last longer, for all whom Kraken locks out with the writer.
func TestBadWritesDuringALockout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t) // of a Kraken that locks out an address
		for i := range 200 {
			_, err := e.write(fmt.Sprint("config/", i), e.pair(map[string]any{account.FieldAPIKey: fmt.Sprint("key", i), account.FieldAPISecret: otherSecret}))
			require.Error(t, err)
		}
		assert.Equal(t, 60, e.calls())
	})
}

// TestBadWritesInALoop lock out neither the account nor this server's address, and leave nothing.
func TestBadWritesInALoop(t *testing.T) {
	for name, test := range map[string]struct {
		path, key func(i int) string
		most      int // calls
		want      string
	}{
		"one wrong pair":                 {func(int) string { return "config" }, func(int) string { return exampleKey.APIKey }, 1, "remembered"},
		"made-up keys for one account":   {func(int) string { return "config" }, func(i int) string { return fmt.Sprint("key", i) }, 5, "add verify=false"},
		"made-up keys for many accounts": {func(i int) string { return fmt.Sprint("config/", i) }, func(i int) string { return fmt.Sprint("key", i) }, 60, "add verify=false"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				if test.most > 10 { // which would be too many for a Kraken that locks out by address
					e.sim.SetLockout(krakensim.Lockout{Scope: krakensim.LockoutKey})
				}
				e.configure("", nil)
				before, config := e.calls(), e.stored()["config"]
				var err error
				for i := range 200 {
					_, err = e.write(test.path(i), e.pair(map[string]any{account.FieldAPIKey: test.key(i), account.FieldAPISecret: otherSecret}))
					require.Error(t, err)
				}
				assert.Contains(t, err.Error(), test.want)
				assert.Equal(t, test.most, e.calls()-before)
				assert.Len(t, e.stored(), 2)
				assert.Equal(t, config, e.stored()["config"])
				time.Sleep(time.Minute)
				e.configure("", map[string]any{account.FieldVerify: true})
			})
		})
	}
}

package krakensim

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

const exampleSeed = "JBSWY3DPEHPK3PXP"

// codeAt is the authenticator's code at a time.
func codeAt(t *testing.T, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(exampleSeed, at)
	require.NoError(t, err)
	return code
}

// codeCaller calls with a nonce and an authenticator's code, and returns Kraken's errors.
func codeCaller(t *testing.T, singleUse bool) func(nonce uint64, code string, change ...func(*request)) []string {
	key := exampleKey
	key.TOTPSecret, key.SingleUseCodes = exampleSeed, singleUse
	x := New(key)
	return func(nonce uint64, code string, change ...func(*request)) []string {
		q := newRequest(tokenPath, nonce)
		q.body += "&" + form("otp", code)
		for _, change := range change {
			change(q)
		}
		return q.do(t, x.Transport()).Error
	}
}

func TestPrivateRequestsAreChecked(t *testing.T) {
	asJSON := func(q *request, body string) {
		q.body = body
		q.header.Set("Content-Type", "application/json; charset=utf-8")
	}
	tests := map[string]struct {
		key    func(k *Key)
		change func(q *request)
		want   string // Kraken's error string; "" if the request is good
		status int    // if not 200
		keeps  bool   // the nonce isn't used up
	}{
		"a good request":            {},
		"a form without its type":   {change: func(q *request) { q.header.Del("Content-Type") }},
		"JSON, nonce a number":      {change: func(q *request) { asJSON(q, `{"nonce": 5}`) }},
		"JSON, nonce a string":      {change: func(q *request) { asJSON(q, `{"nonce":"5"}`) }},
		"JSON without its type":     {change: func(q *request) { asJSON(q, `{"nonce":"5"}`); q.header.Del("Content-Type") }},
		"parameters nobody expects": {change: func(q *request) { q.body += "&x=&y" }},
		"a form that can't be read": {change: func(q *request) { q.body += "&validate=tr%ue" },
			want: "EGeneral:Invalid arguments", keeps: true},
		"a field twice": {change: func(q *request) { q.body += "&volume=1&volume=2" },
			want: "EGeneral:Invalid arguments", keeps: true},
		"a field twice, in JSON": {change: func(q *request) { asJSON(q, `{"nonce":5,"volume":1,"volume":2}`) },
			want: "EGeneral:Invalid arguments", keeps: true},
		"JSON that doesn't end": {change: func(q *request) { asJSON(q, `{"nonce":5`) },
			want: "EGeneral:Invalid arguments", keeps: true},
		"more than JSON": {change: func(q *request) { asJSON(q, `{"nonce":5}{"nonce":6}`) },
			want: "EGeneral:Invalid arguments", keeps: true},
		"JSON that is no object": {change: func(q *request) { asJSON(q, `["nonce",5]`) },
			want: "EGeneral:Invalid arguments", keeps: true},
		"fields beside the body": {change: func(q *request) { q.signedPath = q.path; q.path += "?validate=true" },
			want: "EGeneral:Invalid arguments", keeps: true},
		"GET": {change: func(q *request) { q.method = http.MethodGet },
			want: "EGeneral:Invalid method", keeps: true},
		"no User-Agent": {change: func(q *request) { q.header["User-Agent"] = []string{""} },
			status: http.StatusForbidden, keeps: true},
		"another content type": {change: func(q *request) { q.header.Set("Content-Type", "text/plain") },
			want: "EGeneral:Invalid arguments", keeps: true},
		"an unknown method": {change: func(q *request) { q.path = "/0/private/GetWebsocketToken" },
			want: "EGeneral:Unknown method", status: http.StatusNotFound, keeps: true},
		"a path prefix": {change: func(q *request) { q.path = "/kraken" + tokenPath },
			want: "EGeneral:Unknown method", status: http.StatusNotFound, keeps: true},
		"no key":         {change: func(q *request) { q.apiKey = "" }, want: "EAPI:Invalid key", keeps: true},
		"an unknown key": {change: func(q *request) { q.apiKey = "other" }, want: "EAPI:Invalid key", keeps: true},
		"an expired key": {key: func(k *Key) { k.ValidUntil = time.Now().Add(-time.Second) },
			want: "EAPI:Invalid key", keeps: true},
		"another secret": {change: func(q *request) { q.apiSecret = "c2VjcmV0" },
			want: "EAPI:Invalid signature", keeps: true},
		"a key whose secret isn't base64": {key: func(k *Key) { k.APISecret = "?" },
			change: func(q *request) { q.apiSecret = "?" }, want: "EAPI:Invalid signature", keeps: true},
		"another path signed": {change: func(q *request) { q.signedPath = "/x" + q.path },
			want: "EAPI:Invalid signature", keeps: true},
		"another body signed": {change: func(q *request) { q.signedBody = q.body; q.body += "&a=b" },
			want: "EAPI:Invalid signature", keeps: true},
		"no nonce": {change: func(q *request) { q.nonce, q.body = "", "a=b" },
			want: "EAPI:Invalid nonce", keeps: true},
		"a nonce that is no integer": {change: func(q *request) { q.nonce, q.body = "5e3", "nonce=5e3" },
			want: "EAPI:Invalid nonce", keeps: true},
		"a nonce of 65 bits": {
			change: func(q *request) { q.nonce = "18446744073709551616"; q.body = "nonce=" + q.nonce },
			want:   "EAPI:Invalid nonce", keeps: true},
		"the largest nonce": {
			change: func(q *request) { q.nonce = "18446744073709551615"; q.body = "nonce=" + q.nonce }},
		"the nonce before": {change: func(q *request) { q.nonce, q.body = "4", "nonce=4" },
			want: "EAPI:Invalid nonce", keeps: true},
		"a password": {key: func(k *Key) { k.OTPPassword = "p&w" },
			change: func(q *request) { q.body += "&" + form("otp", "p&w") }},
		"no password": {key: func(k *Key) { k.OTPPassword = "p&w" },
			want: "EGeneral:Permission denied", keeps: true},
		"an empty password": {key: func(k *Key) { k.OTPPassword = "p&w" },
			change: func(q *request) { q.body += "&otp=" }, want: "EAPI:Invalid signature", keeps: true},
		"a wrong password": {key: func(k *Key) { k.OTPPassword = "p&w" },
			change: func(q *request) { q.body += "&otp=pw" }, want: "EAPI:Invalid signature", keeps: true},
		"an authenticator's code": {key: func(k *Key) { k.TOTPSecret = exampleSeed },
			change: func(q *request) { q.body += "&otp=" + codeAt(t, time.Now()) }},
		"its code of half a minute ago": {key: func(k *Key) { k.TOTPSecret = exampleSeed },
			change: func(q *request) { q.body += "&otp=" + codeAt(t, time.Now().Add(-30*time.Second)) }},
		"its code of two minutes ago": {key: func(k *Key) { k.TOTPSecret = exampleSeed },
			change: func(q *request) { q.body += "&otp=" + codeAt(t, time.Now().Add(-2*time.Minute)) },
			want:   "EAPI:Invalid signature", keeps: true},
		"no code": {key: func(k *Key) { k.TOTPSecret = exampleSeed },
			want: "EGeneral:Permission denied", keeps: true},
		"a code that nobody asked for": {change: func(q *request) { q.body += "&otp=123456" },
			want: "EAPI:Invalid key", keeps: true},
		"a key that may not": {key: func(k *Key) { k.Permissions = []string{permission.QueryFunds} },
			want: "EGeneral:Permission denied"},
		"a key that may nothing asks about itself": {key: func(k *Key) { k.Permissions = []string{} },
			change: func(q *request) { q.path = "/0/private/GetApiKeyInfo" }},
		"a key that may not ask for its balance": {key: func(k *Key) { k.Permissions = []string{} },
			change: func(q *request) { q.path = "/0/private/Balance" }, want: "EGeneral:Permission denied"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // for the authenticator's clock to stand still
				key := exampleKey
				if test.key != nil {
					test.key(&key)
				}
				x := New(key)
				x.SetLastNonce(ExampleAPIKey, 4)
				q := newRequest(tokenPath, 5)
				if test.change != nil {
					test.change(q)
				}
				got := q.do(t, x.Transport())

				if test.status == 0 {
					test.status = http.StatusOK
				}
				assert.Equal(t, test.status, got.status)
				assert.NotContains(t, got.body, ExampleAPISecret)
				if test.want != "" {
					assert.Equal(t, []string{test.want}, got.Error)
				} else if test.status == http.StatusOK {
					assert.Empty(t, got.Error)
					assert.NotEmpty(t, got.Result)
					assert.Equal(t, "application/json", got.header.Get("Content-Type"))
				}
				if test.keeps {
					assert.EqualValues(t, 4, x.LastNonce(ExampleAPIKey))
				} else {
					assert.Greater(t, x.LastNonce(ExampleAPIKey), uint64(4))
				}
			})
		})
	}
}

func TestACodeMayBeGoodForOneCall(t *testing.T) {
	for _, singleUse := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			call := codeCaller(t, singleUse)
			again := []string(nil)
			if singleUse {
				again = []string{invalidSignature}
			}
			first := codeAt(t, time.Now())
			require.Empty(t, call(1, first))
			assert.ElementsMatch(t, again, call(2, first))
			assert.ElementsMatch(t, again, call(3, first+" "), "the same code in other words")
			time.Sleep(30 * time.Second)
			assert.ElementsMatch(t, again, call(4, first), "while it would be right")
			require.Empty(t, call(5, codeAt(t, time.Now())))
			time.Sleep(30 * time.Second)
			assert.Equal(t, []string{invalidSignature}, call(6, first), "it is too old anyway")
		})
	}
}

func TestACodeIsUsedUpByWhoHasTheKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call := codeCaller(t, true)
		require.Empty(t, call(5, codeAt(t, time.Now())))
		time.Sleep(30 * time.Second)
		code := codeAt(t, time.Now())
		assert.Equal(t, []string{invalidSignature}, call(6, code, func(q *request) { q.apiSecret = "AAAA" }))
		assert.Equal(t, []string{invalidNonce}, call(5, code), "which shows that the code is good still")
		assert.Equal(t, []string{invalidSignature}, call(7, code), "it was right, if not the nonce")
	})
}

func TestAfterACodeNoEarlierOneIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call := codeCaller(t, true)
		at := func(steps time.Duration) string { return codeAt(t, time.Now().Add(steps*30*time.Second)) }
		require.Empty(t, call(1, at(-1)))
		require.Empty(t, call(2, at(0)))
		require.Equal(t, []string{invalidSignature}, call(3, at(-1)))
		require.Empty(t, call(4, at(1)), "of a client whose clock is fast")
		require.Equal(t, []string{invalidSignature}, call(5, at(0)))
		require.Equal(t, []string{invalidSignature}, call(6, at(2)), "too fast")
	})
}

func TestAnotherAuthenticatorBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := exampleKey
		key.TOTPSecret, key.SingleUseCodes = exampleSeed, true
		x := New(key)
		call := func(secret string) []string {
			code, err := totp.GenerateCode(secret, time.Now())
			require.NoError(t, err)
			q := newRequest(tokenPath, x.LastNonce(ExampleAPIKey)+1)
			q.body += "&otp=" + code
			return q.do(t, x.Transport()).Error
		}
		require.Empty(t, call(exampleSeed))
		x.SetKey(key)
		require.NotEmpty(t, call(exampleSeed))
		key.TOTPSecret = "KRUGKIDTMVSWIIDJNYQGCIDP"
		x.SetKey(key)
		require.Empty(t, call(key.TOTPSecret))
	})
}

// What is wrong is told one by one, and the first of these is told first. What comes with a wrong signature tells
// nothing about the key.
func TestOfSeveralFaultsTheFirstIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := exampleKey
		key.OTPPassword, key.Tier, key.Permissions = "sesame", TierPro, []string{}
		x := New(key)
		x.SetLastNonce(ExampleAPIKey, 5)
		limit := func() {
			for range 100 {
				q := newRequest("/0/private/GetApiKeyInfo", x.LastNonce(ExampleAPIKey)+1)
				q.body += "&otp=sesame"
				q.do(t, x.Transport())
			}
		}
		limit()
		x.SetLastNonce(ExampleAPIKey, 5)
		password := func(q *request) { q.body += "&otp=sesame" }
		for _, test := range []struct {
			want   string
			change func(q *request)
		}{
			{invalidKey, func(q *request) { q.apiKey = "other"; q.nonce, q.body = "", "otp=x" }},
			{invalidNonce, func(q *request) { q.apiSecret = "AAAA"; q.nonce, q.body = "", "otp=x" }},
			{invalidSignature, func(q *request) { q.apiSecret = "AAAA"; q.nonce, q.body = "5", "nonce=5" }},
			{"EGeneral:Permission denied", func(q *request) { q.nonce, q.body = "5", "nonce=5" }},
			{invalidSignature, func(q *request) { q.nonce, q.body = "5", "nonce=5&otp=x" }},
			{invalidNonce, func(q *request) { q.nonce, q.body = "5", "nonce=5"; password(q) }},
			{"EAPI:Rate limit exceeded", password},
		} {
			q := newRequest(tokenPath, 6)
			test.change(q)
			require.Equal(t, []string{test.want}, q.do(t, x.Transport()).Error)
		}
		time.Sleep(time.Hour)
		q := newRequest(tokenPath, 7)
		password(q)
		require.Equal(t, []string{"EGeneral:Permission denied"}, q.do(t, x.Transport()).Error, "to this method")

		x.SetLockout(Lockout{After: 1})
		q = newRequest(tokenPath, 8)
		q.apiKey = "other"
		require.Equal(t, []string{invalidKey}, q.do(t, x.Transport()).Error)
		require.Equal(t, []string{locked}, q.do(t, x.Transport()).Error)
	})
}

func TestACodeForAKeyWithoutSecondFactorIsRefused(t *testing.T) {
	for name, body := range map[string]string{
		"a code": "nonce=1&otp=123456", "an empty one": "nonce=1&otp=", "in JSON": `{"nonce":1,"otp":"123456"}`,
	} {
		t.Run(name, func(t *testing.T) {
			x := New(exampleKey)
			q := newRequest(tokenPath, 1)
			q.body = body
			q.header.Del("Content-Type")
			assert.Equal(t, []string{invalidKey}, q.do(t, x.Transport()).Error)
			assert.Zero(t, x.LastNonce(ExampleAPIKey))
			assert.Empty(t, newRequest(tokenPath, 1).do(t, x.Transport()).Error)
		})
	}
}

func TestAKeyKnowsWhenItWasUsedLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := New(exampleKey)
		require.Empty(t, newRequest(tokenPath, 1).do(t, x.Transport()).Error)
		used := time.Now()
		time.Sleep(time.Minute)
		require.NotEmpty(t, newRequest(tokenPath, 1).do(t, x.Transport()).Error)
		assert.Equal(t, used, x.keys[ExampleAPIKey].lastUsed, "a refused call is none")
	})
}

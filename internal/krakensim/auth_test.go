package krakensim

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
		locked := []string{"EGeneral:Temporary lockout"}
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
		require.Equal(t, locked, q.do(t, x.Transport()).Error)
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

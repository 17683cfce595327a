package krakensim

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const locked = "EGeneral:Temporary lockout"

var secondKey = Key{APIKey: "second", APISecret: ExampleAPISecret}

// lockoutCaller calls as the client at a host, and returns Kraken's errors, joined.
type lockoutCaller struct {
	t *testing.T
	*Exchange
	nonce uint64
}

func (c *lockoutCaller) call(host string, change ...func(*request)) string {
	c.t.Helper()
	c.nonce++
	q := newRequest(tokenPath, c.nonce)
	for _, change := range change {
		change(q)
	}
	r := q.build(c.t.Context())
	r.RemoteAddr = host + ":4711"
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	calls := c.Calls()
	return strings.Join(calls[len(calls)-1].Errors, ", ")
}

func unknownKey(q *request)  { q.apiKey = "nobody's" }
func otherKey(q *request)    { q.apiKey = secondKey.APIKey }
func wrongSecret(q *request) { q.apiSecret = "AAAA" }
func oldNonce(q *request)    { q.nonce, q.body = "0", "nonce=0" }

func TestRefusalsOfEveryKindLockOut(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(q *request)
		want   string
	}{
		{"an unknown key", unknownKey, invalidKey},
		{"a code that nobody asked for", func(q *request) { q.body += "&otp=1" }, invalidKey},
		{"another secret", wrongSecret, invalidSignature},
		{"a nonce of 0", oldNonce, invalidNonce},
		{"a nonce that is used", func(q *request) { q.nonce, q.body = "10", "nonce=10" }, invalidNonce},
	} {
		for _, scope := range []LockoutScope{LockoutKey, LockoutAddress} {
			t.Run(fmt.Sprint(test.name, " ", scope), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := &lockoutCaller{t: t, Exchange: New(exampleKey, secondKey), nonce: 10}
					c.SetLockout(Lockout{Scope: scope})
					c.SetLastNonce(ExampleAPIKey, 10)
					for range 10 {
						require.Equal(t, test.want, c.call("192.0.2.1", test.change))
					}
					assert.Equal(t, locked, c.call("192.0.2.1", test.change))
					assert.EqualValues(t, 10, c.LastNonce(ExampleAPIKey))
				})
			})
		}
	}
}

func TestALockoutIsOfAKeyOrOfAnAddress(t *testing.T) {
	for _, test := range []struct {
		scope                                 LockoutScope
		sameKey, otherKey, sameKeyFromAnother string
	}{
		{"", locked, locked, ""},
		{LockoutAddress, locked, locked, ""},
		{LockoutKey, locked, "", locked},
		{LockoutOff, "", "", ""},
	} {
		t.Run(string(test.scope), func(t *testing.T) {
			c := &lockoutCaller{t: t, Exchange: New(exampleKey, secondKey)}
			c.SetLockout(Lockout{Scope: test.scope, After: 3})
			for range 3 {
				require.Equal(t, invalidSignature, c.call("192.0.2.1", wrongSecret))
			}
			assert.Equal(t, test.sameKey, c.call("192.0.2.1"))
			assert.Equal(t, test.otherKey, c.call("192.0.2.1", otherKey))
			assert.Equal(t, test.sameKeyFromAnother, c.call("192.0.2.2"))
			assert.Equal(t, test.sameKeyFromAnother, c.call("[2001:db8::1]"))
		})
	}
}

func TestALockoutEndsAfterAWhileWithoutCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &lockoutCaller{t: t, Exchange: New(exampleKey)}
		for range 10 {
			require.Equal(t, invalidSignature, c.call("192.0.2.1", wrongSecret))
		}
		time.Sleep(15*time.Minute - time.Nanosecond)
		require.Equal(t, locked, c.call("192.0.2.1"))
		time.Sleep(DefaultLockoutFor - time.Nanosecond)
		require.Equal(t, locked, c.call("192.0.2.1"), "the call before has it begin anew")
		require.Zero(t, c.LastNonce(ExampleAPIKey))
		time.Sleep(DefaultLockoutFor)
		require.Empty(t, c.call("192.0.2.1"))
		for range DefaultLockoutAfter - 1 {
			require.Equal(t, invalidSignature, c.call("192.0.2.1", wrongSecret))
		}
		require.Empty(t, c.call("192.0.2.1"), "it counts from the start again")

		c.SetLockout(Lockout{After: 2, For: time.Second})
		for range 2 {
			require.Equal(t, invalidSignature, c.call("192.0.2.1", wrongSecret))
			require.Equal(t, invalidSignature, c.call("192.0.2.1", wrongSecret))
			require.Equal(t, locked, c.call("192.0.2.1"))
			time.Sleep(time.Second)
		}
		require.Empty(t, c.call("192.0.2.1"))
	})
}

func TestRefusalsCountForAWhile(t *testing.T) {
	const fiveMinutes = 5 * time.Minute
	for _, test := range []struct {
		name  string
		pause time.Duration // between one and the next
		want  string
	}{
		{"within the time", fiveMinutes / 2, locked},
		{"too few within the time", fiveMinutes/2 + 1, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &lockoutCaller{t: t, Exchange: New(exampleKey)}
				c.SetLockout(Lockout{After: 3})
				for range 3 {
					time.Sleep(test.pause)
					require.Equal(t, invalidSignature, c.call("192.0.2.1", wrongSecret))
				}
				require.Equal(t, test.want, c.call("192.0.2.1"))
			})
		})
	}

	t.Run("the last ones do", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := &lockoutCaller{t: t, Exchange: New(exampleKey)}
			c.SetLockout(Lockout{After: 3})
			for _, pause := range []time.Duration{0, fiveMinutes - 1, 2, fiveMinutes - 2} {
				require.Empty(t, c.call("192.0.2.1"), "a success in between doesn't matter")
				time.Sleep(pause)
				require.Equal(t, invalidSignature, c.call("192.0.2.1", wrongSecret))
			}
			require.Equal(t, locked, c.call("192.0.2.1"))
		})
	})
}

func TestKindsOfRefusalsCountTogetherAndOthersDoNot(t *testing.T) {
	c := &lockoutCaller{t: t, Exchange: New(exampleKey)}
	c.SetLockout(Lockout{After: 3})
	c.call("192.0.2.1", unknownKey)
	c.call("192.0.2.1", wrongSecret)
	key := exampleKey
	key.OTPPassword, key.Permissions = "sesame", []string{}
	c.SetKey(key)
	for range 5 {
		require.Equal(t, "EGeneral:Permission denied", c.call("192.0.2.1"), "no code")
		require.Equal(t, "EGeneral:Permission denied", c.call("192.0.2.1", func(q *request) { q.body += "&otp=sesame" }))
		require.Equal(t, "EGeneral:Unknown method", c.call("192.0.2.1", func(q *request) { q.path += "s" }))
	}
	require.Equal(t, invalidNonce, c.call("192.0.2.1", oldNonce))
	require.Equal(t, locked, c.call("192.0.2.1"))
}

func TestMadeUpKeysDoNotFillTheMemory(t *testing.T) {
	x := New()
	x.SetLockout(Lockout{Scope: LockoutKey, After: 2})
	for range 2 {
		x.lockouts.note(privateRequest{apiKey: "locked out"}, invalidKey, time.Now())
	}
	for i := range maxRefused + 10 {
		x.lockouts.note(privateRequest{apiKey: fmt.Sprint(i)}, invalidKey, time.Now())
	}
	assert.Len(t, x.lockouts.refused, maxRefused)
	assert.True(t, x.lockouts.refuse(privateRequest{apiKey: "locked out"}, time.Now()), "they let nobody in again")
}

func TestAnImpossibleLockoutIsRefused(t *testing.T) {
	for _, test := range []struct {
		lockout Lockout
		want    string
	}{
		{Lockout{}, ""},
		{Lockout{Scope: LockoutOff, After: 1, For: 1}, ""},
		{Lockout{Scope: "account"}, `unknown lockout "account": want address, key or off`},
		{Lockout{After: -1}, "-1 refusals"},
		{Lockout{For: -1}, "last for -1ns"},
	} {
		err := test.lockout.Validate()
		if test.want == "" {
			assert.NoError(t, err)
			continue
		}
		assert.ErrorContains(t, err, test.want)
		_, err = Start(Options{Lockout: test.lockout})
		assert.ErrorContains(t, err, test.want)
	}
}

func TestAServerLocksOutAsItsOptionsSay(t *testing.T) {
	server := startServer(t, Options{Lockout: Lockout{After: 1}})
	q := newRequest(tokenPath, 1)
	q.base, q.apiSecret = server.RESTURL(), "AAAA"
	require.Equal(t, []string{invalidSignature}, q.do(t, newTransport(t)).Error)
	require.Equal(t, []string{locked}, q.do(t, newTransport(t)).Error, "the client's port doesn't matter")
}

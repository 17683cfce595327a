package krakensim

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCallCounterDecaysByTier(t *testing.T) {
	for _, test := range []struct {
		tier  Tier
		burst int
		one   time.Duration // in which one call decays
	}{
		{TierStarter, 15, 3031 * time.Millisecond},
		{TierIntermediate, 20, 2 * time.Second},
		{TierPro, 20, time.Second},
	} {
		t.Run(string(test.tier), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				key := exampleKey
				key.Tier, key.DecayStep = test.tier, time.Nanosecond
				x := New(key)
				call := func() []string {
					return newRequest(tokenPath, x.LastNonce(ExampleAPIKey)+1).do(t, x.Transport()).Error
				}
				limited := []string{"EAPI:Rate limit exceeded"}
				for range test.burst {
					require.Empty(t, call())
				}
				require.Equal(t, limited, call())
				time.Sleep(test.one)
				assert.Equal(t, limited, call(), "the refused call counts too")
				time.Sleep(2 * test.one)
				assert.Empty(t, call())
				assert.Equal(t, limited, call())

				for range 1000 {
					call()
				}
				time.Sleep(time.Duration(test.burst+1) * test.one)
				assert.Empty(t, call(), "the counter is bounded")
			})
		})
	}
	x := New(exampleKey)
	for range 100 {
		mintToken(t, x) // no tier, no limit
	}
}

func TestCallCounterDecaysInSteps(t *testing.T) {
	var c callCounter
	midnight := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		at   time.Duration
		want float64 // after a call at that time
	}{
		{0, 1}, {500 * time.Millisecond, 2}, {1999 * time.Millisecond, 3},
		{2 * time.Second, 2}, {2 * time.Second, 3}, {3 * time.Second, 4},
		{4 * time.Second, 3}, {9 * time.Second, 1}, {9 * time.Second, 2}, {10 * time.Second, 1}, {time.Hour, 1},
	} {
		assert.True(t, c.add(1, TierPro, 0, midnight.Add(test.at)))
		assert.Equal(t, test.want, c.value, test.at)
	}
}

func TestAKeysCounterDecaysInItsSteps(t *testing.T) {
	for _, test := range []struct{ asked, want time.Duration }{
		{0, 2 * time.Second}, {4 * time.Second, 4 * time.Second}, {time.Second, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) { // begins at midnight
			key := exampleKey
			key.Tier, key.DecayStep = TierPro, test.asked // by 1 a second
			x := New(key)
			call := func() []string {
				return newRequest(tokenPath, x.LastNonce(ExampleAPIKey)+1).do(t, x.Transport()).Error
			}
			for range 20 {
				require.Empty(t, call())
			}
			time.Sleep(test.want - time.Nanosecond)
			assert.NotEmpty(t, call(), "nothing comes off within a step")
			time.Sleep(time.Nanosecond + test.want) // the refused call has to go too
			assert.Empty(t, call())
		})
	}
}

func TestAMethodHasItsPrice(t *testing.T) {
	var c callCounter
	now := time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	add := func(cost int) bool { return c.add(cost, TierPro, 0, now) }
	for range 9 {
		require.True(t, add(2))
	}
	assert.True(t, add(1))
	assert.False(t, add(2), "20 is the most")
	assert.True(t, add(0), "what isn't on the counter isn't limited by it")
	assert.EqualValues(t, 21, c.value)
}

func TestRefusedCallsCount(t *testing.T) {
	for name, change := range map[string]func(q *request){
		"the signature": func(q *request) { q.apiSecret = "AAAA" },
		"the nonce":     func(q *request) { q.nonce, q.body = "0", "nonce=0" },
		"the code":      func(q *request) { q.body += "&otp=1" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				key := exampleKey
				key.Tier = TierStarter
				x := New(key)
				x.SetLockout(Lockout{Scope: LockoutOff})
				for range 15 {
					q := newRequest(tokenPath, 1)
					change(q)
					require.NotEqual(t, []string{"EAPI:Rate limit exceeded"}, q.do(t, x.Transport()).Error)
				}
				assert.Equal(t, []string{"EAPI:Rate limit exceeded"}, newRequest(tokenPath, 1).do(t, x.Transport()).Error)
			})
		})
	}
}

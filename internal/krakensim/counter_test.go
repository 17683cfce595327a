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
				key.Tier = test.tier
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

func TestCallCounterMayDecayInSteps(t *testing.T) {
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
		assert.True(t, c.add(TierPro, 2*time.Second, midnight.Add(test.at)))
		assert.Equal(t, test.want, c.value, test.at)
	}
}

func TestAKeysCounterMayDecayInSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at midnight
		key := exampleKey
		key.Tier, key.DecayStep = TierPro, 2*time.Second // by 1 a second
		x := New(key)
		call := func() []string {
			return newRequest(tokenPath, x.LastNonce(ExampleAPIKey)+1).do(t, x.Transport()).Error
		}
		for range 20 {
			require.Empty(t, call())
		}
		time.Sleep(time.Second)
		assert.NotEmpty(t, call(), "nothing comes off within a step")
		time.Sleep(time.Second)
		assert.Empty(t, call())
	})
}

func TestCallsWithAKeyThatDoesNotExistLockItOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := New()
		call := func() []string { return newRequest(tokenPath, 1).do(t, x.Transport()).Error }
		for range lockoutAfter {
			require.Equal(t, []string{"EAPI:Invalid key"}, call())
		}
		assert.Equal(t, []string{"EGeneral:Temporary lockout"}, call())
		x.SetKey(exampleKey)
		time.Sleep(lockoutFor - time.Second)
		assert.Equal(t, []string{"EGeneral:Temporary lockout"}, call())
		time.Sleep(time.Second)
		assert.Empty(t, call())
	})
}

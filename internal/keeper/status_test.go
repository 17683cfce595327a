package keeper

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

func TestStatusTellsUntilWhenNoCallIsMade(t *testing.T) {
	none := func(*testing.T, *bench) {}
	holdOff := func(t *testing.T, b *bench) {
		b.kraken.calls, b.kraken.answer = 0, first(failed(kraken.KindRateLimited))
		require.Error(t, b.do(Use{Credentials: Fingerprint{9}}, time.Second))
	}
	lockout := func(t *testing.T, b *bench) {
		b.kraken.calls, b.kraken.answer = 0, first(failed(kraken.KindLockout))
		require.Error(t, b.do(Use{Credentials: Fingerprint{9}}, time.Second))
	}
	refusal := func(t *testing.T, b *bench) {
		b.kraken.calls, b.kraken.answer = 0, first(failed(kraken.KindPermissionDenied))
		require.Error(t, b.read(time.Second))
	}
	cases := map[string]struct {
		first, second func(*testing.T, *bench)
		token, info   time.Duration
	}{
		"calls are made":            {none, none, 0, 0},
		"a hold-off":                {holdOff, none, firstHold, firstHold},
		"a refusal of the method":   {refusal, none, refusalMemory, 0},
		"a refusal, then a lockout": {refusal, lockout, lockoutHold, lockoutHold},
		"the longer one":            {refusal, holdOff, refusalMemory, firstHold},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{})
				c.first(t, b)
				c.second(t, b)
				until := func(wait time.Duration) (at time.Time) {
					if wait > 0 {
						at = time.Now().Add(wait)
					}
					return at
				}
				for use, wait := range map[*Use]time.Duration{&tokenUse: c.token, &infoUse: c.info} {
					status := b.Status(*use)
					require.Equal(t, until(wait), status.HeldUntil)
					require.Equal(t, wait > 0, status.HeldFor != nil)
				}
				time.Sleep(max(c.token, c.info, 1) - 1)
				if c.token > 0 {
					require.NotZero(t, b.Status(tokenUse).HeldUntil)
				}
				time.Sleep(time.Nanosecond)
				require.Zero(t, b.Status(tokenUse).HeldUntil)
				require.NoError(t, b.Status(tokenUse).HeldFor)
				require.Zero(t, b.Status(infoUse).HeldUntil)
			})
		})
	}
}

func TestStatusTellsWhyNoCallIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: first(failed(kraken.KindRateLimited))})
		require.Error(t, b.read(time.Second))
		requireKind(t, kraken.KindRateLimited, b.Status(tokenUse).HeldFor)
		time.Sleep(firstHold)
		b.kraken.calls, b.kraken.answer = 0, first(failed(kraken.KindInvalidKey))
		require.Error(t, b.read(time.Second))
		requireKind(t, kraken.KindInvalidKey, b.Status(tokenUse).HeldFor)
	})
}

func TestStatusTellsOfAnOutageUntilAnAnswerComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: always(unsent(kraken.KindUnavailable))})
		began := time.Now()
		require.Error(t, b.read(time.Second))
		require.Zero(t, b.Status(tokenUse).OutageSince, "one failure is no outage")
		time.Sleep(outageAfter)
		require.Error(t, b.read(time.Second))
		status := b.Status(tokenUse)
		require.Equal(t, began, status.OutageSince)
		requireKind(t, kraken.KindUnavailable, status.OutageCause)
		require.Zero(t, b.Status(elsewhereUse).OutageSince, "another upstream's")
		time.Sleep(longestProbe)
		require.Equal(t, began, b.Status(tokenUse).OutageSince, "nobody has asked")
		b.kraken.answer = nil
		require.NoError(t, b.read(time.Second))
		require.Zero(t, b.Status(tokenUse).OutageSince)
		require.NoError(t, b.Status(tokenUse).OutageCause)
	})
}

func TestStatusCountsHoldOffsByKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: first(failed(kraken.KindRateLimited), failed(kraken.KindRateLimited), failed(kraken.KindLockout))})
		require.Nil(t, b.Status(tokenUse).HoldOffs)
		for range 4 {
			_ = b.read(time.Second)
			time.Sleep(time.Until(b.Status(tokenUse).HeldUntil))
		}
		require.Equal(t, map[string]uint64{"rate_limited": 2, "lockout": 1}, b.Status(tokenUse).HoldOffs)
		b.Status(tokenUse).HoldOffs["lockout"]++
		require.EqualValues(t, 1, b.Status(tokenUse).HoldOffs["lockout"], "it is a copy")
	})
}

func TestStatusTellsHowManyCallsAreLeftAndWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		require.False(t, b.Status(tokenUse).Counted, "no tier, no counter")
		b.SetTier(TierStarter)
		for left := 14; left >= 0; left-- {
			status := b.Status(tokenUse)
			require.True(t, status.Counted)
			require.Equal(t, left, status.CallsLeft)
			if left > 0 {
				require.NoError(t, b.read(time.Second))
			}
		}
		for waiting := range 3 {
			require.Equal(t, max(waiting-1, 0), b.Status(tokenUse).Waiting, "who has the turn doesn't wait for it")
			b.begin(within(t, time.Minute), tokenUse, b.kraken.call)
		}
		time.Sleep(time.Minute)
		require.Zero(t, b.Status(tokenUse).Waiting)
	})
}

func TestStatusTellsHowFarTheNoncesAreAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		require.NoError(t, b.read(time.Second))
		require.Zero(t, b.Status(tokenUse).NonceAhead)
		b.nonces.last += uint64(time.Minute)
		require.Equal(t, time.Minute, b.Status(tokenUse).NonceAhead)
		time.Sleep(time.Minute)
		require.Zero(t, b.Status(tokenUse).NonceAhead)
	})
}

// Status is Keeper.Status for the account that the key is stored in, unless the use names one.
func (b *bench) Status(use Use) Status { return b.Keeper.Status(b.owned(use)) }

func (b *bench) owned(use Use) Use {
	if use.Account == "" {
		b.store.mu.Lock()
		use.Account = b.store.record.Account
		b.store.mu.Unlock()
	}
	return use
}

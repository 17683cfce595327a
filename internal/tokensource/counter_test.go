package tokensource

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

func TestNewCounterKnowsTheTiers(t *testing.T) {
	require.Equal(t, []string{"starter", "intermediate", "pro", "none"}, Tiers())
	cases := map[string]struct {
		burst int
		rate  float64
	}{
		"starter": {14, 0.33}, "intermediate": {19, 0.5}, "pro": {19, 1}, "no such tier": {14, 0.33},
	}
	for tier, want := range cases {
		counter := NewCounter(tier)
		require.Equal(t, want.burst, counter.Burst(), tier)
		require.InDelta(t, want.rate, float64(counter.Limit()), 1e-9, tier)
	}
}

func TestCounterOfNoTierCountsNothing(t *testing.T) {
	counter := NewCounter(TierNone)
	for range 1000 {
		require.True(t, counter.ReserveN(time.Now(), 1).OK())
	}
	require.Less(t, counterWait(counter, time.Now(), 1000), 2*time.Millisecond)
}

func TestCounterKeepsItsCountOverAChangeOfTier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := NewCounter(TierStarter)
		counter.ReserveN(time.Now(), 14)
		SetTier(counter, TierPro)
		require.InDelta(t, 0, counter.TokensAt(time.Now()), 1e-9, "what was counted stays counted")
		time.Sleep(2 * time.Second)
		require.InDelta(t, 2, counter.TokensAt(time.Now()), 1e-9, "and decays as the new tier has it")
		SetTier(counter, TierNone)
		time.Sleep(time.Second)
		SetTier(counter, TierIntermediate)
		require.InDelta(t, 19, counter.TokensAt(time.Now()), 1e-9)
	})
}

// Reads come in bursts for an hour, calls take up to a second there and back, and Kraken counts as it does.
func TestCounterNeverLetsKrakenRefuse(t *testing.T) {
	for _, tier := range []string{TierStarter, TierIntermediate, TierPro} {
		for _, latency := range []time.Duration{time.Millisecond, time.Second, 8 * time.Second} {
			t.Run(fmt.Sprintf("%s %v", tier, latency), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					k := &fakeKraken{max: tierLimits[tier].max, decay: tierLimits[tier].decay, latency: varying(latency)}
					chain := NewRetry(10*time.Second, NewGuard(NewCounter(tier), nil, k))
					began := time.Now()
					served := 0
					for round := 0; time.Since(began) < time.Hour; round++ {
						for _, a := range readAll(t.Context(), chain, 1+round%30) {
							if a.err == nil {
								served++
							}
						}
						time.Sleep(time.Duration(round%40) * time.Second)
					}
					require.Zero(t, k.rateLimited)
					require.Equal(t, 1, k.mostFlying)
					if latency == time.Second {
						// Caution mustn't cost much: nearly all that Kraken allows in an hour of such bursts is used.
						allowed := tierLimits[tier].decay * time.Since(began).Seconds()
						require.Greater(t, float64(served), math.Min(0.85*allowed, 1000))
					}
				})
			})
		}
	}
}

func TestTwoHundredReadsAtOnceOnStarter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{max: 15, decay: 0.33, latency: varying(time.Second)}
		guard := NewGuard(NewCounter(TierStarter), nil, k)
		chain := NewRetry(10*time.Second, guard)
		var waits []time.Duration
		served, atOnce := 0, 0
		for _, a := range readAll(t.Context(), chain, 200) {
			require.LessOrEqual(t, a.took, 10*time.Second)
			if a.err == nil {
				served++
				continue
			}
			waits = append(waits, requireHeldBack(t, a.err).Wait)
			if a.took == 0 {
				atOnce++
			}
		}
		require.GreaterOrEqual(t, atOnce, 180, "who can't be served in time is told so on arrival")
		require.Zero(t, k.rateLimited)
		require.GreaterOrEqual(t, served, 14)
		require.Len(t, waits, 200-served)

		// All who keep to the wait they were told are served, though all do.
		errs := make(chan error, len(waits))
		for _, wait := range waits {
			go func() {
				time.Sleep(wait)
				_, err := chain.Token(t.Context())
				errs <- err
			}()
		}
		for range waits {
			require.NoError(t, <-errs)
		}
		require.Zero(t, k.rateLimited)
		require.Equal(t, 200, k.calls)
	})
}

func TestCounterOutlivesTheGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{max: 15, decay: 0.33}
		counter := NewCounter(TierStarter)
		for range 14 {
			_, err := NewGuard(counter, nil, k).Token(within(t, time.Second))
			require.NoError(t, err)
		}
		_, err := NewGuard(counter, nil, k).Token(within(t, time.Second))
		require.Equal(t, 4*time.Second, requireHeldBack(t, err).Wait, "1/0.33 s, rounded up")
		require.Nil(t, requireHeldBack(t, err).Cause)
	})
}

func TestCounterTakesNothingForCallsNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{answer: firstFail(kraken.KindInvalidKey)}
		counter := NewCounter(TierStarter)
		guard := NewGuard(counter, nil, k)
		_, err := guard.Token(t.Context())
		require.Error(t, err)
		left := counter.Tokens()
		for range 100 {
			_, err := guard.Token(t.Context())
			require.Error(t, err)
		}
		require.InDelta(t, left, counter.Tokens(), 1e-9)
	})
}

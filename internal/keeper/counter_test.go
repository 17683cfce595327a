package keeper

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// TestReadersPossibleAreDocumented: docs/monitoring tells how many readers a tier serves without a cache, as it follows from the limits.
func TestReadersPossibleAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/monitoring/README.md")
	require.NoError(t, err)
	for _, tier := range Tiers() {
		limits := tierLimits[tier]
		if limits == nil {
			continue
		}
		const patience, interval = 10 * time.Second, 4 * time.Minute // the default of request_timeout, and what an agent leaves between reads at the least
		counter, began := newCounter(), time.Now()
		counter.setTier(tier, began)
		inTime := 0
		for counter.wait(began, inTime+1)+LeastCallTime <= patience {
			inTime++
		}
		require.Contains(t, string(page), fmt.Sprintf("| `%s` | %d | %.1f s | %d | %d | %d |\n",
			tier, limits.allowed(), 1/limits.decay, int(60*limits.decay), inTime, int(limits.decay*interval.Seconds())))
	}
}

func TestCounterKnowsTheTiers(t *testing.T) {
	require.Equal(t, []string{"starter", "intermediate", "pro", "none"}, Tiers())
	cases := map[string]struct {
		burst int
		decay float64
	}{
		"starter": {14, 0.33}, "intermediate": {18, 0.5}, "pro": {17, 1}, "no such tier": {14, 0.33},
	}
	for tier, want := range cases {
		counter := newCounter()
		counter.setTier(tier, time.Now())
		require.Equal(t, want.burst, counter.limits.allowed(), tier)
		require.InDelta(t, want.decay, counter.limits.decay, 1e-9, tier)
	}
	require.Equal(t, 14, newCounter().limits.allowed(), "the strictest, until it is told the tier")
}

func TestCounterTellsHowLongSoManyCallsTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counter := newCounter()
		now := time.Now()
		counter.setTier(TierPro, now)
		require.Equal(t, now, counter.empty(now))
		require.Zero(t, counter.wait(now, 17))
		require.Equal(t, 3*time.Second+time.Millisecond, counter.wait(now, 20), "a millisecond more than it takes")
		for range 18 {
			counter.count(now)
		}
		require.Equal(t, 2*time.Second+time.Millisecond, counter.wait(now, 1), "what was called is counted, whatever the limit")
		require.Equal(t, now.Add(18*time.Second+time.Millisecond), counter.empty(now))
		later := now.Add(2 * time.Second)
		require.Zero(t, counter.wait(later, 1))
	})
}

func TestCounterOfNoTierCountsNothing(t *testing.T) {
	counter := newCounter()
	counter.setTier(TierNone, time.Now())
	for range 1000 {
		counter.count(time.Now())
	}
	require.Zero(t, counter.wait(time.Now(), math.MaxInt32))
	require.Zero(t, counter.wait(time.Now(), math.MaxInt))
}

// Kraken forgets nothing when a config names another tier, whichever is the stricter.
func TestCounterKeepsItsCountOverAChangeOfTier(t *testing.T) {
	cases := map[string]struct {
		before, after string
		calls         int
		left          float64
	}{
		"nothing counted":                  {TierStarter, TierPro, 0, 17},
		"to more calls":                    {TierStarter, TierPro, 14, 3},
		"to fewer calls":                   {TierPro, TierStarter, 10, 4},
		"to fewer calls than were counted": {TierPro, TierStarter, 17, -3},
		"to none":                          {TierPro, TierNone, 17, math.MaxInt32},
		"from none":                        {TierNone, TierIntermediate, 1000, 18},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{})
				b.SetTier(c.before)
				for range c.calls {
					require.NoError(t, b.read(time.Second))
				}
				b.SetTier(c.after)
				require.InDelta(t, c.left, b.left(), 1e-9)
			})
		})
	}
}

func TestPartOfACountedCallIsCountedWholeInAnotherTier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		b.SetTier(TierPro)
		require.NoError(t, b.read(time.Second))
		require.NoError(t, b.read(time.Second))
		time.Sleep(500 * time.Millisecond)
		b.SetTier(TierIntermediate)
		require.InDelta(t, 16, b.left(), 1e-9)
		time.Sleep(2 * time.Second)
		require.InDelta(t, 17, b.left(), 1e-9, "it decays as the new tier has it")
	})
}

// Reads come in bursts for an hour, calls take up to seconds there and back, and Kraken takes its decay off in steps, not quite in time with ours.
func TestCounterNeverLetsKrakenRefuse(t *testing.T) {
	for _, tier := range []string{TierStarter, TierIntermediate, TierPro} {
		for _, latency := range []time.Duration{time.Millisecond, time.Second, 8 * time.Second} {
			t.Run(fmt.Sprintf("%s %v", tier, latency), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					k := &fakeKraken{most: tierLimits[tier].most, decay: tierLimits[tier].decay, step: 1900 * time.Millisecond, latency: varying(3, latency)}
					b := newBench(t, k)
					b.SetTier(tier)
					began := time.Now()
					answered := 0
					random := rand.New(rand.NewPCG(1, 2))
					for time.Since(began) < time.Hour {
						answered += served(b.readAll(1+random.IntN(25), 10*time.Second))
						time.Sleep(time.Duration(random.Int64N(int64(20 * time.Second))))
					}
					require.Zero(t, k.rateLimited)
					require.Equal(t, 1, k.mostFlying)
					if latency == time.Second {
						// Caution mustn't cost much: nearly all that Kraken allows in an hour of such bursts is used.
						allowed := tierLimits[tier].decay * time.Since(began).Seconds()
						require.Greater(t, float64(answered), min(0.85*allowed, 1000))
					}
				})
			})
		}
	}
}

// A herd on the strictest tier: those who can't be served in time are told so, by what the counter asks for.
func TestTwoHundredReadsAtOnceOnStarter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{most: 15, decay: 0.33, step: 2 * time.Second, latency: varying(3, time.Second)}
		b := newBench(t, k)
		b.SetTier(TierStarter)
		waits, atOnce := 0, 0
		for _, a := range b.readAll(200, 10*time.Second) {
			require.LessOrEqual(t, a.took, 10*time.Second)
			if a.err == nil {
				continue
			}
			waits++
			held := requireHeld(t, a.err)
			require.Equal(t, errCounted, held.Cause)
			require.LessOrEqual(t, held.Wait, time.Minute)
			if a.took <= time.Second {
				atOnce++
			}
		}
		require.GreaterOrEqual(t, atOnce, 180, "told as soon as an answer shows that those before do get through")
		require.GreaterOrEqual(t, 200-waits, 14)
		require.Zero(t, k.rateLimited)
	})
}

// The wait that a caller is told doesn't grow because others were refused, and who keeps to it is served.
func TestToldWaitsAreTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		b.SetTier(TierStarter)
		for range 14 {
			require.NoError(t, b.read(time.Second))
		}
		for range 1000 {
			held := requireHeld(t, b.read(2*time.Second))
			require.Equal(t, 4*time.Second, held.Wait, "1/0.33 s, rounded up")
			require.Equal(t, errCounted, held.Cause)
		}
		require.Equal(t, 14, b.kraken.made())
		time.Sleep(4 * time.Second)
		require.NoError(t, b.read(time.Second))
	})
}

// Those who wait in the queue are given the calls before one who comes now, up to a minute of them.
func TestToldWaitsAllowForThoseInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		b.SetTier(TierPro)
		for range 17 {
			require.NoError(t, b.read(time.Second))
		}
		for range 10 {
			b.begin(within(t, time.Hour), tokenUse, b.kraken.call)
		}
		require.Equal(t, 12*time.Second, requireHeld(t, b.read(11*time.Second)).Wait)
		for range 90 {
			b.begin(within(t, time.Hour), tokenUse, b.kraken.call)
		}
		require.Equal(t, time.Minute, requireHeld(t, b.read(11*time.Second)).Wait)
	})
}

// Trap: what surely wasn't sent hasn't reached Kraken, so Kraken hasn't counted it.
func TestWhatSurelyWasNotSentIsNotCounted(t *testing.T) {
	for _, kind := range kraken.Kinds() {
		for _, sent := range []bool{true, false} {
			t.Run(fmt.Sprintf("%v %v", kind, sent), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					failure := &kraken.Error{Kind: kind, Sent: sent}
					b := newBench(t, &fakeKraken{answer: first(failure)})
					b.SetTier(TierPro)
					_ = b.read(time.Second)
					want := 0.0
					if sent {
						want = 1
					}
					if kind == kraken.KindInvalidNonce {
						want++ // it was tried again
					}
					require.InDelta(t, 17-want, b.left(), 0.05, "less what a pause before another try lets go")
				})
			})
		}
	}
}

func TestThirtyReadersWhileNothingCanBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{answer: always(unsent(kraken.KindUnavailable)), latency: fixed(100 * time.Millisecond)}
		b := newBench(t, k)
		b.SetTier(TierStarter)
		for _, a := range b.readAll(30, 10*time.Second) {
			require.NotErrorAs(t, a.err, new(*HeldError))
		}
		require.InDelta(t, 14, b.left(), 1e-9)
		k.answer = nil
		time.Sleep(longestProbe)
		require.NoError(t, b.read(10*time.Second))
	})
}

func TestCounterTakesNothingForCallsNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: first(failed(kraken.KindInvalidKey))})
		b.SetTier(TierStarter)
		require.Error(t, b.read(time.Second))
		for range 100 {
			requireRemembered(t, b.read(time.Second))
		}
		require.InDelta(t, 13, b.left(), 1e-9)
	})
}

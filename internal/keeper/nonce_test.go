package keeper

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

func nanoseconds(at time.Time) uint64 { return uint64(at.UnixNano()) }

func TestNonceIsTheClockInNanoseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		began := nanoseconds(time.Now())
		for range 3 {
			require.NoError(t, b.read(time.Second))
		}
		time.Sleep(time.Second)
		require.NoError(t, b.read(time.Second))
		require.Equal(t, []uint64{began, began + 1, began + 2, began + uint64(time.Second)}, b.kraken.nonces)
	})
}

func TestNonceGrowsWhateverTheClockDoes(t *testing.T) {
	for name, clock := range map[string]func() time.Time{
		"a clock that goes back": func() func() time.Time {
			at := time.Now()
			return func() time.Time { at = at.Add(-time.Hour); return at }
		}(),
		"a clock that stands":     func() func() time.Time { at := time.Now(); return func() time.Time { return at } }(),
		"a clock before 1970":     func() time.Time { return time.Unix(-1000, 0) },
		"a clock that jumps":      func() time.Time { return time.Unix(rand.Int64N(1<<33), 0) },
		"a clock after year 2262": func() time.Time { return time.Unix(1<<40, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &fakeKraken{checksNonces: true}
				b := newBenchWithClock(t, k, &fakeStore{}, clock)
				for range 1000 {
					require.NoError(t, b.read(time.Second))
				}
				require.Zero(t, k.refusedNonces)
			})
		})
	}
}

func TestNonceOutlivesProcessesAndSlowerClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{checksNonces: true}
		store := &fakeStore{stored: true}
		for range 50 {
			behind := time.Duration(rand.Int64N(int64(time.Minute)))
			b := newBenchWithClock(t, k, store, func() time.Time { return time.Now().Add(-behind) })
			for range 20 {
				require.NoError(t, b.read(time.Second))
			}
		}
		require.Zero(t, k.refusedNonces)
		require.Less(t, k.lastNonce, nanoseconds(time.Now().Add(ceilingAhead+50*leastReserve)), "restarts don't push the nonces ahead without end")
	})
}

// One user of a key, whose last nonce at Kraken is so far ahead of the clock. What it costs is known exactly.
func TestKeyWhoseLastNonceIsAhead(t *testing.T) {
	cases := map[string]struct {
		ahead   time.Duration
		refused int
	}{
		"not at all":                    {-1, 0},
		"just now":                      {0, 0},
		"overtaken by half the latency": {50 * time.Millisecond, 1},
		"a tenth of a second":           {145 * time.Millisecond, 2},
		"a second":                      {time.Second, 3},
		"30 seconds":                    {30 * time.Second, 4},
		"a minute and more":             {80 * time.Second, 5},
		"nearly 10 minutes":             {10*time.Minute - time.Second, 5},
		"10 minutes":                    {10 * time.Minute, 5},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(100 * time.Millisecond)
				k := &fakeKraken{checksNonces: true, lastNonce: nanoseconds(time.Now().Add(c.ahead)), latency: fixed(100 * time.Millisecond)}
				b := newBench(t, k)
				time.Sleep(time.Nanosecond)
				began := time.Now()
				require.NoError(t, b.read(10*time.Second), "the first read gets its token")
				require.Equal(t, c.refused, k.refusedNonces)
				took := time.Since(began) - time.Duration(c.refused+1)*100*time.Millisecond
				require.GreaterOrEqual(t, took, time.Duration(c.refused)*shortestPace/2, "tried again after a moment")
				require.Less(t, took, time.Second)
				for range 100 {
					require.NoError(t, b.read(10*time.Second))
					time.Sleep(10 * time.Second)
				}
				require.Equal(t, c.refused, k.refusedNonces, "and so do all after it, at no further cost")
				require.EqualValues(t, c.refused, b.Status(tokenUse).NonceRefusals)
			})
		})
	}
}

func TestKeyWhoseLastNonceIsADayAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{checksNonces: true, lastNonce: nanoseconds(time.Now().Add(24 * time.Hour)), latency: fixed(100 * time.Millisecond)}
		b := newBench(t, k)
		for i, a := range b.readAll(100, 10*time.Second) {
			var ahead *AheadError
			require.ErrorAs(t, a.err, &ahead)
			require.Equal(t, i == 0, !NotAsked(a.err))
			requireKind(t, kraken.KindInvalidNonce, a.err)
			require.Less(t, a.took, 2*time.Second)
		}
		require.Equal(t, 6, k.calls)
		require.LessOrEqual(t, k.nonces[5], nanoseconds(time.Now().Add(mostAhead)))
		remembered := requireRemembered(t, b.do(infoUse, time.Second))
		require.Equal(t, time.Now().Add(refusalMemory), remembered.Until, "for the key, whatever is asked with it")
		other := tokenUse
		other.Credentials = Fingerprint{2}
		requireRemembered(t, b.do(other, time.Second))

		time.Sleep(refusalMemory)
		var ahead *AheadError
		require.ErrorAs(t, b.read(time.Second), &ahead)
		require.Equal(t, 7, k.calls, "all has been tried: one call in 30 s")
		requireRemembered(t, b.read(time.Second))

		time.Sleep(refusalMemory)
		k.lastNonce = 0 // somebody has made a new key of it
		require.NoError(t, b.read(time.Second))
		k.lastNonce = nanoseconds(time.Now().Add(24 * time.Hour))
		require.ErrorAs(t, b.read(10*time.Second), &ahead)
		require.Equal(t, 8+6, k.calls, "a success begins it anew")
	})
}

// Two users of one key, with the same clock, must come to peace.
func TestTwoUsersInTurnAfterAJumpAhead(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"a second": time.Second, "30 s": 30 * time.Second, "9 min": 9 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &fakeKraken{checksNonces: true, latency: varying(5, 200*time.Millisecond), lastNonce: nanoseconds(time.Now().Add(ahead))}
				users := []*bench{newBench(t, k), newBench(t, k)}
				refusedIn := func(duration, pause time.Duration) int {
					before := k.refusedNonces
					for began := time.Now(); time.Since(began) < duration; {
						for _, user := range users {
							require.NoError(t, user.read(10*time.Second))
							time.Sleep(pause)
						}
					}
					return k.refusedNonces - before
				}
				require.LessOrEqual(t, refusedIn(5*time.Second, 300*time.Millisecond), 5+5, "what it costs each of them to go ahead")
				require.Zero(t, refusedIn(time.Minute, 300*time.Millisecond), "then every read gets its token by its first nonce")
				require.Zero(t, refusedIn(45*time.Minute, 5*time.Second))
				require.Less(t, k.lastNonce, nanoseconds(time.Now().Add(time.Second)), "and the nonce is near the clock again")
			})
		})
	}
}

func TestTwoUsersHammering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := varying(7, 20*time.Millisecond)
		k := &fakeKraken{checksNonces: true, latency: func() (there, back time.Duration) {
			there, back = random()
			return there + 40*time.Millisecond, back + 40*time.Millisecond
		}}
		began := time.Now()
		done := make(chan time.Duration)
		for range 2 {
			b := newBench(t, k)
			go func() {
				ahead := time.Duration(0)
				for time.Since(began) < 2*time.Minute {
					if err := b.read(10 * time.Second); err != nil {
						t.Error(err)
					}
					b.mu.Lock()
					ahead = max(ahead, time.Duration(b.nonces.last-nanoseconds(time.Now())))
					b.mu.Unlock()
				}
				done <- ahead
			}()
		}
		require.Less(t, max(<-done, <-done), longestWindow>>9, "the nonce stays near the clock")
		require.Greater(t, k.calls, 300)
		require.Less(t, k.refusedNonces, k.calls/20)
	})
}

// The distance that is kept for the sake of the key's other user: it grows with each refused nonce, and falls with time.
func TestDistanceAfterRefusedNonces(t *testing.T) {
	var n rival
	at := time.Now()
	requirePace := func(pace time.Duration) {
		t.Helper()
		require.Equal(t, pace, n.pace)
		least, most := pace, time.Duration(0)
		for range 1000 {
			distance := n.distance()
			least, most = min(least, distance), max(most, distance)
		}
		require.InDelta(t, pace/2, least, float64(pace)/20)
		require.InDelta(t, 3*pace/2, most, float64(pace)/20)
	}
	requirePace(0)
	for _, pace := range []time.Duration{20, 40, 80, 160, 250, 250} {
		at = at.Add(time.Hour)
		n.wasRefused(0, at)
		requirePace(pace * time.Millisecond)
	}
	for pace := longestPace; pace > 0; {
		n.wasAccepted(at.Add(30*time.Second - 1))
		requirePace(pace)
		at = at.Add(30 * time.Second)
		n.wasAccepted(at)
		if pace /= 2; pace < shortestPace {
			pace = 0
		}
		requirePace(pace)
	}
	n.pace = 2 * shortestPace
	n.wasAccepted(at.Add(paceMemory))
	requirePace(shortestPace)
}

func TestNonceIsTriedAgainBeforeAnyOtherCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{answer: first(failed(kraken.KindInvalidNonce), failed(kraken.KindInvalidNonce)), latency: fixed(100 * time.Millisecond)}
		b := newBench(t, k)
		for i, a := range b.readAll(10, time.Minute) {
			require.NoError(t, a.err)
			require.GreaterOrEqual(t, a.took, time.Duration(3+i)*100*time.Millisecond)
			require.Less(t, a.took, time.Duration(3+i)*(100+3*40/2)*time.Millisecond)
		}
		require.IsIncreasing(t, k.nonces)
	})
}

func TestWhatComesAfterARefusedNonceIsTheAnswer(t *testing.T) {
	nonce := failed(kraken.KindInvalidNonce)
	for name, after := range map[string]error{"a refusal": failed(kraken.KindInvalidKey), "no answer": unsent(kraken.KindUnavailable), "a lockout": failed(kraken.KindLockout)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{answer: first(nonce, after)})
				requireKind(t, failure(after).Kind, b.read(time.Second))
				require.Equal(t, 2, b.kraken.calls)
			})
		})
	}
}

// Trap: each try is a call like any other.
func TestTriesOfANonceKeepToTheCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: from(14, failed(kraken.KindInvalidNonce))})
		b.SetTier(TierStarter)
		for range 13 {
			require.NoError(t, b.read(time.Second))
		}
		require.Equal(t, errCounted, requireHeld(t, b.read(time.Second)).Cause)
		require.Equal(t, 14, b.kraken.calls)
		require.Zero(t, b.Status(tokenUse).HeldUntil, "one invalid nonce proves nothing and isn't remembered")
		began := time.Now()
		requireKind(t, kraken.KindInvalidNonce, b.read(time.Minute))
		require.Equal(t, 19, b.kraken.calls, "six in a row")
		require.Greater(t, time.Since(began), 14*time.Second, "three seconds each")
	})
}

func TestProofOfAKeyThatIsNotStoredLeavesNoAdvanceBehind(t *testing.T) {
	for name, end := range map[string]error{"too far ahead": failed(kraken.KindInvalidNonce), "refused": failed(kraken.KindInvalidSignature), "unavailable": unsent(kraken.KindUnavailable)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nonce := failed(kraken.KindInvalidNonce)
				b := newBenchOver(t, &fakeKraken{answer: first(nonce, nonce, nonce, nonce, nonce, end)}, &fakeStore{})
				require.Error(t, b.do(proof(tokenUse), time.Second))
				require.Greater(t, b.kraken.nonces[5], nanoseconds(time.Now().Add(9*time.Minute)))
				time.Sleep(refusalMemory)
				require.NoError(t, b.do(proof(tokenUse), time.Second))
				require.Equal(t, nanoseconds(time.Now()), b.kraken.nonces[6])
				require.Zero(t, b.store.saves)
			})
		})
	}
}

func TestProofThatDidNotAdvanceLeavesItsNonceUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBenchOver(t, &fakeKraken{answer: first(unsent(kraken.KindUnavailable))}, &fakeStore{})
		require.Error(t, b.do(proof(tokenUse), time.Second))
		require.NoError(t, b.do(proof(tokenUse), time.Second))
		require.Equal(t, nanoseconds(time.Now())+1, b.kraken.nonces[1], "at the same instant")
	})
}

func TestProofOfAStoredKeyKeepsItsAdvance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nonce := failed(kraken.KindInvalidNonce)
		b := newBench(t, &fakeKraken{answer: first(nonce, nonce, nonce, failed(kraken.KindInvalidSignature))})
		require.Error(t, b.do(proof(tokenUse), time.Second))
		require.NoError(t, b.do(Use{}, time.Second))
		require.Greater(t, b.kraken.nonces[4], b.kraken.nonces[3])
		require.Greater(t, b.store.record.Ceiling, b.kraken.nonces[4])
	})
}

func TestLeadDependsOnNothingButTheClockAndTheWindow(t *testing.T) {
	start := uint64(longestWindow) * 1_000_000
	second := uint64(time.Second)
	for name, c := range map[string]struct {
		window    time.Duration
		after     uint64 // seconds since start
		ahead     time.Duration
		remaining time.Duration // window
	}{
		"at its beginning":             {longestWindow, 0, 10 * time.Minute, longestWindow},
		"no more than 10 minutes":      {longestWindow, 1199, 10 * time.Minute, longestWindow},
		"at its end":                   {longestWindow, 1200, 10 * time.Minute, longestWindow / 2},
		"half of the window after":     {longestWindow, 1500, 450 * time.Second, longestWindow / 2},
		"and so on":                    {longestWindow, 1800, 5 * time.Minute, longestWindow / 4},
		"a short one at its beginning": {75 * time.Second, 0, 75 * time.Second, 75 * time.Second},
		"a short one in its middle":    {75 * time.Second, 38, 56 * time.Second, 75 * time.Second},
		"long after":                   {longestWindow, 2400, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			now := start + c.after*second
			var l lead
			l.raise(uint64(c.window), start)
			require.Equal(t, now+uint64(c.ahead), l.at(now))
			require.Equal(t, uint64(c.remaining), l.window)
			require.Equal(t, now+uint64(c.ahead), l.at(now), "asked again")
			if l.window > 0 {
				var other lead
				other.raise(l.window, now)
				require.Equal(t, l, other, "whoever goes ahead by this window now, goes ahead by the same")
			}
		})
	}
}

func TestLeadIsOnlyRaised(t *testing.T) {
	var l lead
	now := uint64(longestWindow)*1000 + 5
	l.raise(uint64(longestWindow>>4), now)
	before := l
	l.raise(uint64(longestWindow>>9), now+uint64(time.Second))
	require.Equal(t, before, l)
	l.raise(uint64(longestWindow>>4), now+uint64(time.Second))
	require.Equal(t, before, l)
	l.raise(0, now)
	require.Equal(t, before, l)
	l.raise(uint64(longestWindow), now)
	require.Equal(t, lead{uint64(longestWindow), uint64(longestWindow) * 1000}, l)
	var none lead
	none.raise(0, now)
	require.Equal(t, now, none.at(now))
	require.Equal(t, lead{}, none)
}

// The nonces never go back, although the lead falls.
func TestClockPlusLeadGrows(t *testing.T) {
	for _, window := range []time.Duration{longestWindow, longestWindow >> 4, longestWindow >> 9} {
		var l lead
		now := uint64(longestWindow) * 1_000_000
		l.raise(uint64(window), now)
		last := uint64(0)
		for l.window > 0 {
			next := l.at(now)
			if l.window > 0 {
				require.Greater(t, next, last)
				require.LessOrEqual(t, next-now, uint64(mostAhead))
			} else {
				require.Equal(t, now, next)
				require.Less(t, int64(last-next), int64(shortestWindow/2), "the last of it goes at once")
			}
			last = next
			now += uint64(10*time.Millisecond) + rand.Uint64N(uint64(window)/1000)
		}
	}
}

func TestLeadStaysWhenTheClockIsSetBack(t *testing.T) {
	var l lead
	now := uint64(longestWindow) * 1_000_000
	l.raise(uint64(75*time.Second), now)
	earlier := now - uint64(time.Hour)
	require.Equal(t, earlier+uint64(75*time.Second), l.at(earlier))
	require.Equal(t, uint64(75*time.Second), l.window)
}

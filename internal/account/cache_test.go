package account

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/stretchr/testify/require"
)

func TestAThousandFirstReadsShareOneMint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{latency: oneSecond}
		c := cached(t, m)
		answers := getTogether(t.Context(), 1000, c)
		for _, a := range answers {
			require.NoError(t, a.err)
			require.Equal(t, "1", a.token.Value)
			require.False(t, a.token.Cached)
		}
		require.Equal(t, 1, m.calls())
		require.Equal(t, 999, coalesced(answers))
	})
}

func TestWhoGoesAwayTakesNobodyWithIt(t *testing.T) {
	for name, test := range map[string]struct {
		leave func(ctx context.Context) (context.Context, context.CancelFunc)
		check func(t *testing.T, err error)
	}{
		"a reader who leaves": {
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancelCause(ctx)
				time.AfterFunc(500*time.Millisecond, func() { cancel(errDisk) })
				return ctx, func() { cancel(nil) }
			},
			func(t *testing.T, err error) { require.Equal(t, errDisk, err, "the cause of its context's end") },
		},
		"a reader whose time is over": {
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 500*time.Millisecond)
			},
			func(t *testing.T, err error) {
				requireKind(t, kraken.KindTimeout, err)
				require.ErrorIs(t, err, context.DeadlineExceeded)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &mint{latency: oneSecond}
				c := cached(t, m)
				ctx, cancel := test.leave(t.Context())
				defer cancel()
				gone := together(1, func() (Token, error) { return c.get(ctx, fiveMinutes) })
				synctest.Wait()
				for _, a := range getTogether(t.Context(), 999, c) {
					require.NoError(t, a.err)
				}
				test.check(t, gone()[0].err)
				require.Equal(t, 500*time.Millisecond, gone()[0].took)
				require.Equal(t, 1, m.calls())
			})
		})
	}
}

func TestReadersShareAFailureToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{latency: oneSecond, answer: thenFails(0, krakenSays(kraken.KindInvalidKey))}
		c := cached(t, m)
		for _, a := range getTogether(t.Context(), 100, c) {
			requireKind(t, kraken.KindInvalidKey, a.err)
			require.Equal(t, Token{}, a.token)
		}
		require.Equal(t, 1, m.calls())
	})
}

func TestATokenIsHandedOutUntilItIsTTLOld(t *testing.T) {
	for age, want := range map[time.Duration]struct {
		value string
		calls int
	}{
		fiveMinutes*3/4 - 1: {"1", 1},
		fiveMinutes * 3 / 4: {"1", 2}, // renewed in the background
		fiveMinutes - 1:     {"1", 2},
		fiveMinutes:         {"2", 2},
	} {
		t.Run(age.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &mint{}
				c := cached(t, m)
				minted := get(t, c)
				require.False(t, minted.Cached)
				time.Sleep(age)
				token := get(t, c)
				require.Equal(t, want.value, token.Value)
				require.Equal(t, want.value == "1", token.Cached)
				require.Empty(t, token.Warning)
				synctest.Wait()
				require.Equal(t, want.calls, m.calls())
			})
		})
	}
}

func TestAnOldTokenIsRenewedInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{latency: oneSecond}
		c := cached(t, m)
		get(t, c)
		time.Sleep(fiveMinutes * 3 / 4)
		for _, a := range getTogether(t.Context(), 1000, c) {
			require.NoError(t, a.err)
			require.Zero(t, a.took, "nobody waits")
			require.Equal(t, "1", a.token.Value)
			require.Empty(t, a.token.Warning)
			require.True(t, a.token.Cached)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 2, m.calls(), "one renewal at most")
		require.Equal(t, "2", get(t, c).Value)
	})
}

func TestAnAccountThatIsNotReadCallsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{}
		c := cached(t, m)
		get(t, c)
		time.Sleep(24 * time.Hour)
		require.Equal(t, 1, m.calls())
		token := get(t, c)
		require.Equal(t, "2", token.Value)
		require.False(t, token.Cached)
	})
}

func TestWithoutATTLNothingIsAHit(t *testing.T) {
	c := new(cache)
	c.keep(Token{Value: "t", RequestedAt: time.Now().Add(time.Second), ExpiresAt: time.Now().Add(tokenLife)})
	hit, _ := c.hit(time.Now(), 0)
	require.Nil(t, hit)
}

func TestAnOlderTokenDoesNotTakeANewerOnesPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{latency: func(n int) time.Duration { return map[int]time.Duration{1: 5 * time.Second}[n] }}
		c := cached(t, m)
		slow := together(1, func() (Token, error) { return c.get(t.Context(), fiveMinutes) })
		time.Sleep(time.Second)
		fresh, err := m.token()
		require.NoError(t, err)
		c.keep(fresh)
		require.Equal(t, "1", slow()[0].token.Value)
		require.Equal(t, "2", get(t, c).Value)

		fresh.Value = "as old"
		c.keep(fresh)
		require.Equal(t, "as old", get(t, c).Value)
	})
}

func TestWhereNoFlightMayBeginTheReadIsRefused(t *testing.T) {
	c := &cache{source: &fakeSource{clock: time.Now, launches: func(func()) bool { return false }}}
	_, err := c.get(t.Context(), fiveMinutes)
	require.Equal(t, ErrClosed, err)
	_, err = c.get(t.Context(), fiveMinutes)
	require.Equal(t, ErrClosed, err, "nobody waits for a flight that never began")
}

// Readers that look at the cache just before a flight lands mustn't begin another; the race detector watches as well.
func TestReadersInARaceWithTheFirstMintShareIt(t *testing.T) {
	for range 200 {
		m := &mint{}
		c := cached(t, m)
		answers, cached := getTogether(t.Context(), 16, c), 0
		for _, a := range answers {
			require.NoError(t, a.err)
			if a.token.Cached {
				cached++
			}
		}
		require.Equal(t, 1, m.calls())
		require.Equal(t, 15, cached+coalesced(answers))
	}
}

func TestALookThatCameTooEarlyFindsTheTokenAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{}
		c := cached(t, m)
		get(t, c)
		for _, look := range []struct {
			pause time.Duration
			calls int
		}{{fiveMinutes*3/4 - 1, 1}, {1, 2}} { // just before it is due for renewal, and then
			time.Sleep(look.pause)
			flight, began := c.join(fiveMinutes)
			<-flight.landed
			require.True(t, began)
			require.NoError(t, flight.err)
			require.Equal(t, look.calls == 1, flight.token.Cached)
			require.Equal(t, look.calls, m.calls())
		}
	})
}

func TestACachedReadAllocatesNothing(t *testing.T) {
	c := cached(t, &mint{})
	get(t, c)
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = c.get(ctx, fiveMinutes) }))
}

// The outage begins at the worst time: right before the token would be renewed.
func TestAnOutageOfTenMinutesIsBridged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{latency: oneSecond, answer: thenFails(1, krakenSays(kraken.KindUnavailable))}
		c := cached(t, m)
		minted := get(t, c).RequestedAt
		time.Sleep(fiveMinutes*3/4 - time.Since(minted) - time.Millisecond)
		outage := time.Now()
		for time.Since(outage) < 10*time.Minute {
			read := getTogether(t.Context(), 1, c)[0]
			require.NoError(t, read.err)
			require.Zero(t, read.took, "readers don't wait while renewals fail")
			require.True(t, read.token.Cached)
			require.GreaterOrEqual(t, time.Until(read.token.ExpiresAt), time.Minute)
			require.Equal(t, time.Since(minted) >= fiveMinutes, read.token.Warning != "")
			time.Sleep(time.Second)
		}
		m.answer = nil
		over := time.Now()
		for get(t, c).Value == "1" {
			time.Sleep(time.Second)
		}
		require.LessOrEqual(t, time.Since(over), longestStep+2*time.Second)
		require.Empty(t, get(t, c).Warning)
	})
}

func TestAttemptsDuringAnOutageGrowApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{answer: thenFails(1, krakenSays(kraken.KindUnavailable))}
		c := cached(t, m)
		get(t, c)
		time.Sleep(fiveMinutes)
		began := time.Now()
		for time.Since(began) < 5*time.Minute {
			get(t, c)
			time.Sleep(time.Second)
		}
		var pauses []int
		for i := 2; i < len(m.times); i++ {
			pauses = append(pauses, int(m.times[i].Sub(m.times[i-1]).Seconds()))
		}
		require.Equal(t, []int{5, 10, 20, 40, 60, 60, 60}, pauses)
	})
}

func TestWhatAFailedRenewalGives(t *testing.T) {
	failures := map[string]error{
		"held back":  &keeper.HeldError{Wait: 7 * time.Second, Cause: krakenSays(kraken.KindLockout)},
		"outage":     &keeper.OutageError{Cause: krakenSays(kraken.KindUnavailable)},
		"storage":    &keeper.StoreError{Err: errDisk},
		"remembered": &keeper.RememberedError{Err: krakenSays(kraken.KindInvalidKey)},
		"unknown":    errors.New("something else"),
	}
	for _, kind := range kraken.Kinds() {
		failures[kind.String()] = krakenSays(kind)
	}
	for name, failure := range failures {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &mint{latency: oneSecond, answer: thenFails(1, failure)}
				c := cached(t, m)
				get(t, c)
				time.Sleep(6*time.Minute - time.Second)
				for round := range 3 {
					for _, a := range getTogether(t.Context(), 10, c) {
						if !passes(failure) {
							require.Equal(t, failure, a.err)
							require.Equal(t, Token{}, a.token)
							continue
						}
						require.NoError(t, a.err)
						require.True(t, a.token.Cached)
						if round == 0 {
							require.Equal(t, "this token is 6m1s old and can be used to connect for 8m59s more; "+
								"a newer one couldn't be had: "+failure.Error(), a.token.Warning)
						}
						require.NotEmpty(t, a.token.Warning)
						require.Equal(t, round > 0, a.took == 0, "who comes later doesn't wait")
					}
				}
				time.Sleep(9 * time.Minute) // less than 60 s of life are left
				for _, a := range getTogether(t.Context(), 10, c) {
					require.Equal(t, failure, a.err)
				}
			})
		})
	}
}

func TestAFailureIsHeldAgainstKrakenForTwoMinutes(t *testing.T) {
	for pause, want := range map[time.Duration]string{2*time.Minute - 1: "1", 2 * time.Minute: "3"} {
		synctest.Test(t, func(t *testing.T) {
			m := &mint{answer: func(n int) error {
				if n == 2 {
					return krakenSays(kraken.KindUnavailable)
				}
				return nil
			}}
			c := cached(t, m)
			get(t, c)
			time.Sleep(6 * time.Minute)
			require.NotEmpty(t, get(t, c).Warning)
			time.Sleep(pause)
			token := get(t, c)
			require.Equal(t, want, token.Value)
			require.Equal(t, want == "1", token.Warning != "")
			synctest.Wait()
			token = get(t, c)
			require.Equal(t, "3", token.Value)
			require.Empty(t, token.Warning, "it is forgotten")
		})
	}
}

func TestAFailureOvertakenByAFreshTokenIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{
			latency: func(n int) time.Duration { return map[int]time.Duration{2: 5 * time.Second}[n] },
			answer: func(n int) error {
				if n == 2 {
					return krakenSays(kraken.KindUnavailable)
				}
				return nil
			},
		}
		c := cached(t, m)
		get(t, c)
		time.Sleep(6 * time.Minute)
		slow := together(1, func() (Token, error) { return c.get(t.Context(), fiveMinutes) })
		time.Sleep(time.Second)
		fresh, err := m.token()
		require.NoError(t, err)
		c.keep(fresh)
		a := slow()[0]
		require.NoError(t, a.err)
		require.Equal(t, "3", a.token.Value, "its own mint failed, but there is a token by now")
		require.True(t, a.token.Cached)
		require.Empty(t, a.token.Warning)
		require.Nil(t, c.failed)
	})
}

func TestAFailedRenewalDoesNotTroubleReadersOfAYoungToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mint{answer: thenFails(1, krakenSays(kraken.KindInvalidKey))}
		c := cached(t, m)
		get(t, c)
		time.Sleep(4 * time.Minute)
		for range 50 {
			require.Empty(t, get(t, c).Warning)
			time.Sleep(time.Second)
		}
		require.Less(t, m.calls(), 6, "attempts grow apart")
		time.Sleep(10 * time.Second)
		_, err := c.get(t.Context(), fiveMinutes)
		requireKind(t, kraken.KindInvalidKey, err)
	})
}

func TestStepsGrowUpToAMinute(t *testing.T) {
	for failures, want := range map[int]time.Duration{1: 5 * time.Second, 2: 10 * time.Second, 4: 40 * time.Second, 5: time.Minute, 6: time.Minute, 1000: time.Minute} {
		require.Equal(t, want, step(failures), failures)
	}
}

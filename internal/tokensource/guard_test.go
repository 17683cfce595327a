package tokensource

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

func TestGuardLetsOneCallThroughAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{latency: fixed(100 * time.Millisecond)}
		guard := NewGuard(nil, nil, k)
		seen := map[string]bool{}
		for _, a := range readAll(within(t, time.Minute), guard, 200) {
			require.NoError(t, a.err)
			seen[a.token.Value] = true
		}
		require.Len(t, seen, 200, "every answer its own token")
		require.Equal(t, 1, k.mostFlying)
	})
}

func TestGuardTokenAndDoShareOneTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{latency: fixed(time.Second)}
		guard := NewGuard(nil, nil, k)
		go func() { _, _ = guard.Token(t.Context()) }()
		synctest.Wait()
		began := time.Now()
		require.NoError(t, guard.Do(t.Context(), func(context.Context) error { return nil }))
		require.Equal(t, time.Second, time.Since(began))
	})
}

func TestGuardThatWaitsForATurnInVain(t *testing.T) {
	hang := func(ctx context.Context) error { <-ctx.Done(); return ended(ctx, "no answer") }
	t.Run("because Kraken doesn't answer is a timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			guard := NewGuard(nil, nil, nil)
			go func() { _ = guard.Do(within(t, time.Minute), hang) }()
			synctest.Wait()
			began := time.Now()
			requireKind(t, kraken.KindTimeout, guard.Do(within(t, 10*time.Second), hang))
			require.LessOrEqual(t, time.Since(began), 10*time.Second)
		})
	})
	t.Run("because so many were before it is held back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k := &fakeKraken{latency: fixed(880 * time.Millisecond)}
			served := 0
			for _, a := range readAll(within(t, 10*time.Second), NewGuard(nil, nil, k), 50) {
				if a.err == nil {
					served++
					continue
				}
				require.Equal(t, errTooManyAtOnce, requireHeldBack(t, a.err).Cause)
			}
			require.InDelta(t, 10, served, 1)
		})
	})
	t.Run("because the caller went away is just that", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			guard := NewGuard(nil, nil, nil)
			go func() { _ = guard.Do(within(t, time.Minute), hang) }()
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			require.Equal(t, context.Canceled, guard.Do(ctx, hang))
			require.Equal(t, 1, guard.present, "it is no longer counted among those who wait")
		})
	})
}

// Who waited for a hold-off to end, and then for those before it, was held back: Kraken left nobody without an answer.
func TestGuardThatWaitsForATurnBehindAHoldOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{latency: fixed(time.Second), answer: func(n int) error {
			if n == 1 {
				return failure(kraken.KindRateLimited)
			}
			return nil
		}}
		g := NewGuard(nil, nil, k)
		_, err := g.Token(t.Context())
		require.True(t, is(err, kraken.KindRateLimited))
		time.Sleep(firstHold - 2*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		answers := readAll(ctx, g, 2)
		served := 0
		for _, a := range answers {
			if a.err == nil {
				served++
				continue
			}
			held, isHeld := errors.AsType[*HeldBackError](a.err)
			require.True(t, isHeld, "%v", a.err)
			require.Equal(t, "held back for 1 s: more reads at once than Kraken answers within request_timeout", held.Error())
		}
		require.Equal(t, 1, served)
	})
}

func TestGuardMakesNoCallForACallerAlreadyGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{}
		guard := NewGuard(nil, nil, k)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := guard.Token(gone)
		require.Equal(t, context.Canceled, err)
		late, cancel := context.WithDeadline(t.Context(), time.Now())
		defer cancel()
		_, err = guard.Token(late)
		requireKind(t, kraken.KindTimeout, err)
		require.Zero(t, k.calls)
	})
}

func TestGuardGivesTheTurnBackWhenACallPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guard := NewGuard(nil, nil, &fakeKraken{})
		require.Panics(t, func() { _ = guard.Do(t.Context(), func(context.Context) error { panic("oops") }) })
		_, err := guard.Token(t.Context())
		require.NoError(t, err)
	})
}

func TestGuardRemembersPermanentRefusals(t *testing.T) {
	remembered := map[kraken.Kind]bool{
		kraken.KindInvalidKey: true, kraken.KindInvalidSignature: true, kraken.KindPermissionDenied: true,
		kraken.KindUnexpected: true, kraken.KindInvalidNonce: true,
	}
	for kind := kraken.KindUnexpected; kind <= kraken.KindNonceStore; kind++ {
		if kind == kraken.KindRateLimited || kind == kraken.KindLockout {
			continue // held off, not remembered
		}
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &fakeKraken{answer: always(kind)}
				guard := NewGuard(nil, nil, k)
				began := time.Now()
				_, err := guard.Token(t.Context())
				requireKind(t, kind, err)
				require.NotErrorAs(t, err, new(*RememberedError), "the first to be refused hears it from Kraken")
				_, err = guard.Token(t.Context())
				requireKind(t, kind, err)
				if !remembered[kind] {
					require.Equal(t, 2, k.calls)
					require.Zero(t, guard.HeldUntil())
					return
				}
				require.Equal(t, 1, k.calls)
				var refusal *RememberedError
				require.ErrorAs(t, err, &refusal)
				require.Equal(t, began.Add(30*time.Second), refusal.Until)
				require.Equal(t, refusal.Until, guard.HeldUntil())

				time.Sleep(30*time.Second - 1)
				_, err = guard.Token(t.Context())
				require.ErrorAs(t, err, &refusal)
				time.Sleep(time.Nanosecond)
				require.Zero(t, guard.HeldUntil())
				_, err = guard.Token(t.Context())
				requireKind(t, kind, err)
				require.Equal(t, 2, k.calls)
			})
		})
	}
}

func TestThousandReadsOfARevokedKey(t *testing.T) {
	newChain := func(k *fakeKraken, tier string, ttl time.Duration) *Reuse {
		return NewReuse(ttl, NewMeter(NewRetry(10*time.Second, NewGuard(NewCounter(tier), nil, k))))
	}
	for _, ttl := range []time.Duration{0, 5 * time.Minute} {
		t.Run("at once, ttl "+ttl.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &fakeKraken{latency: fixed(300 * time.Millisecond), answer: always(kraken.KindInvalidKey)}
				chain := newChain(k, TierNone, ttl)
				defer chain.Close()
				for _, a := range readAll(t.Context(), chain, 1000) {
					requireKind(t, kraken.KindInvalidKey, a.err)
				}
				require.Equal(t, 1, k.calls)
			})
		})
		t.Run("over 10 s, ttl "+ttl.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &fakeKraken{latency: fixed(300 * time.Millisecond), answer: always(kraken.KindInvalidKey)}
				chain := newChain(k, TierStarter, ttl)
				defer chain.Close()
				for range 1000 {
					go func() { _, _ = chain.Token(t.Context()) }()
					time.Sleep(10 * time.Millisecond)
				}
				synctest.Wait()
				require.Equal(t, 1, k.made())
			})
		})
	}
}

func TestGuardTriesOnceMoreAfterAnInvalidNonce(t *testing.T) {
	type want struct {
		calls, advances int
		kind            kraken.Kind
	}
	nonce := kraken.KindInvalidNonce
	cases := map[string]struct {
		kinds []kraken.Kind
		want  want
	}{
		"no failure":                       {nil, want{1, 0, -1}},
		"the advance helps":                {[]kraken.Kind{nonce}, want{2, 1, -1}},
		"the advance doesn't help":         {[]kraken.Kind{nonce, nonce}, want{2, 1, nonce}},
		"something else comes after":       {[]kraken.Kind{nonce, kraken.KindInvalidKey}, want{2, 1, kraken.KindInvalidKey}},
		"something else comes, no advance": {[]kraken.Kind{kraken.KindInvalidKey}, want{1, 0, kraken.KindInvalidKey}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &fakeKraken{answer: firstFail(c.kinds...)}
				advances := 0
				began := time.Now()
				_, err := NewGuard(nil, func() { advances++ }, k).Token(t.Context())
				if c.want.kind < 0 {
					require.NoError(t, err)
				} else {
					requireKind(t, c.want.kind, err)
				}
				require.Equal(t, c.want.calls, k.calls)
				require.Equal(t, c.want.advances, advances)
				require.Zero(t, time.Since(began), "at once")
			})
		})
	}
}

func TestGuardAdvancesTheNonceBeforeAnyOtherCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var advanced atomic.Bool
		advances, calls := 0, 0
		guard := NewGuard(nil, func() { advances++; time.Sleep(time.Second); advanced.Store(true) },
			SourceFunc(func(ctx context.Context) (Token, error) {
				calls++
				if !advanced.Load() {
					return Token{}, failure(kraken.KindInvalidNonce)
				}
				return Token{Value: "x"}, sleep(ctx, 10*time.Millisecond)
			}))
		for _, a := range readAll(t.Context(), guard, 64) {
			require.NoError(t, a.err)
		}
		require.Equal(t, 1, advances)
		require.Equal(t, 65, calls)
	})
}

func TestGuardSpendsTwoCallsOnAKeyInUseElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{latency: fixed(100 * time.Millisecond), answer: always(kraken.KindInvalidNonce)}
		for _, a := range readAll(t.Context(), NewGuard(nil, func() {}, k), 1000) {
			requireKind(t, kraken.KindInvalidNonce, a.err)
		}
		require.Equal(t, 2, k.calls)
	})
}

func TestGuardKeepsTheSecondTryWithinTheCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{answer: func(n int) error {
			if n >= 14 {
				return failure(kraken.KindInvalidNonce)
			}
			return nil
		}}
		guard := NewGuard(NewCounter(TierStarter), func() {}, k)
		for range 13 {
			_, err := guard.Token(within(t, time.Second))
			require.NoError(t, err)
		}
		_, err := guard.Token(within(t, time.Second))
		requireHeldBack(t, err)
		require.Equal(t, 14, k.calls)
		require.Zero(t, guard.HeldUntil(), "one invalid nonce proves nothing and isn't remembered")
	})
}

func TestGuardHoldsOffLongerEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{answer: func(n int) error {
			if n == 12 {
				return nil
			}
			return failure(kraken.KindRateLimited)
		}}
		guard := NewGuard(nil, nil, k)
		held := func() time.Duration {
			_, err := guard.Token(within(t, time.Second))
			requireKind(t, kraken.KindRateLimited, err)
			wait := time.Until(guard.HeldUntil())
			_, err = guard.Token(within(t, time.Second))
			refused := requireHeldBack(t, err)
			require.Equal(t, wait, refused.Wait)
			requireKind(t, kraken.KindRateLimited, refused.Cause)
			return wait
		}
		for _, seconds := range []int{5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900} {
			wait := held()
			require.Equal(t, time.Duration(seconds)*time.Second, wait)
			time.Sleep(wait)
		}
		require.Zero(t, guard.HeldUntil())
		_, err := guard.Token(within(t, time.Second))
		require.NoError(t, err)
		require.Equal(t, 5*time.Second, held(), "a success begins it anew")
	})
}

func TestGuardHoldsAsLongAsTheAnswerAsks(t *testing.T) {
	cases := map[string]struct {
		kind  kraken.Kind
		asked time.Duration
		want  time.Duration
	}{
		"rate limit":                 {kraken.KindRateLimited, 0, 5 * time.Second},
		"rate limit, asks for less":  {kraken.KindRateLimited, time.Second, 5 * time.Second},
		"rate limit, asks for more":  {kraken.KindRateLimited, time.Minute, time.Minute},
		"lockout":                    {kraken.KindLockout, 0, 15 * time.Minute},
		"lockout, asks for more":     {kraken.KindLockout, 20 * time.Minute, 20 * time.Minute},
		"lockout, asks for too much": {kraken.KindLockout, 48 * time.Hour, time.Hour},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answer := failure(c.kind)
				answer.RetryAfter = c.asked
				k := &fakeKraken{answer: func(int) error { return answer }}
				guard := NewGuard(nil, nil, k)
				_, err := guard.Token(t.Context())
				require.Same(t, answer, err, "the one who draws it hears it from Kraken")
				require.Equal(t, c.want, time.Until(guard.HeldUntil()))
				for _, a := range readAll(within(t, time.Second), guard, 100) {
					refused := requireHeldBack(t, a.err)
					require.Equal(t, c.want, refused.Wait)
					require.Same(t, answer, refused.Cause)
				}
				require.Equal(t, 1, k.calls)
			})
		})
	}
}

func TestGuardWaitsOutAHoldThatFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{answer: firstFail(kraken.KindRateLimited)}
		guard := NewGuard(nil, nil, k)
		_, err := guard.Token(t.Context())
		require.Error(t, err)
		for _, a := range readAll(within(t, 10*time.Second), guard, 10) {
			require.NoError(t, a.err)
			require.Equal(t, 5*time.Second, a.took)
		}
	})
}

func TestGuardSendsOneCallToSeeWhetherAHoldIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{latency: fixed(100 * time.Millisecond), answer: always(kraken.KindRateLimited)}
		guard := NewGuard(nil, nil, k)
		_, err := guard.Token(t.Context())
		require.Error(t, err)
		limited := 0
		for _, a := range readAll(within(t, 10*time.Second), guard, 1000) {
			if as(a.err) != nil {
				limited++
				continue
			}
			require.Equal(t, 10*time.Second, requireHeldBack(t, a.err).Wait)
		}
		require.Equal(t, 1, limited)
		require.Equal(t, 2, k.calls)
	})
}

func TestGuardLearnsNothingFromErrorsThatAreNotKrakens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guard := NewGuard(nil, nil, nil)
		oops := errors.New("oops")
		require.Equal(t, oops, guard.Do(t.Context(), func(context.Context) error { return oops }))
		require.Zero(t, guard.HeldUntil())
	})
}

func TestGuardIsOpenAgainAfterASlowAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{latency: fixed(30 * time.Second)}
		guard := NewGuard(nil, nil, k)
		_, err := guard.Token(t.Context())
		require.NoError(t, err)
		k.latency = nil
		for _, a := range readAll(within(t, 2*time.Second), guard, 20) {
			require.NoError(t, a.err)
		}
	})
}

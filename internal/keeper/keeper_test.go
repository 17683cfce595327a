package keeper

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

func TestCallsOfAKeyGoOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{latency: fixed(100 * time.Millisecond)})
		for i, a := range b.readAll(200, time.Minute) {
			require.NoError(t, a.err)
			require.Equal(t, time.Duration(i+1)*100*time.Millisecond, a.took, "in the order of their coming")
		}
		require.Equal(t, 200, b.kraken.calls)
		require.Equal(t, 1, b.kraken.mostFlying)
	})
}

func TestAllUsesOfAKeyShareOneTurn(t *testing.T) {
	for name, use := range map[string]Use{"key info": infoUse, "a proof": proof(tokenUse), "a proof beside, of the same place": beside(tokenUse), "elsewhere": elsewhereUse} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{latency: fixed(time.Second)})
				b.begin(t.Context(), tokenUse, b.kraken.call)
				began := time.Now()
				require.NoError(t, b.do(use, time.Minute))
				require.Equal(t, 2*time.Second, time.Since(began))
				require.Equal(t, 1, b.kraken.mostFlying)
			})
		})
	}
}

func TestOneProofIsMadeAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		b.begin(within(t, time.Hour), tokenUse, hang)
		hung := b.begin(within(t, 5*time.Second), beside(elsewhereUse), hang)
		third := elsewhereUse
		third.Upstream = "https://third.example.com"

		gone, leave := context.WithCancel(t.Context())
		left := b.begin(gone, beside(third), b.kraken.call)
		waits := b.begin(t.Context(), beside(third), b.kraken.call)
		leave()
		require.Equal(t, context.Canceled, <-left)
		late := b.do(beside(third), time.Second)
		requireKind(t, kraken.KindTimeout, late)
		require.Zero(t, b.kraken.made())
		began := time.Now()
		requireKind(t, kraken.KindTimeout, <-hung)
		require.NoError(t, <-waits)
		require.Equal(t, 4*time.Second, time.Since(began))
	})
}

// Trap: a signed request whose caller has gone could arrive after the next one, whose nonce is higher.
func TestRequestUnderWayOutlivesItsCaller(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{latency: fixed(time.Second)})
		ctx, leave := context.WithCancel(context.WithValue(within(t, time.Minute), key{}, "value"))
		deadline, _ := ctx.Deadline()
		answer := b.begin(ctx, tokenUse, func(wire context.Context, nonce uint64) error {
			leave()
			require.NoError(t, wire.Err())
			until, ok := wire.Deadline()
			require.True(t, ok)
			require.Equal(t, deadline, until)
			require.Equal(t, "value", wire.Value(key{}))
			return b.kraken.call(wire, nonce)
		})
		began := time.Now()
		require.NoError(t, b.read(time.Minute))
		require.Equal(t, 2*time.Second, time.Since(began), "it came to its end before the next")
		require.NoError(t, <-answer)
	})
}

func TestWireEndsTheCallItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		use := tokenUse
		wire, cut := context.WithCancel(t.Context())
		use.Wire = wire
		answer := b.begin(within(t, time.Minute), use, hang)
		time.Sleep(time.Second)
		cut()
		requireKind(t, kraken.KindAborted, <-answer)
		require.NoError(t, b.read(time.Second), "and the turn is free")
		use.Wire = t.Context()
		began := time.Now()
		requireKind(t, kraken.KindTimeout, <-b.begin(within(t, 3*time.Second), use, hang))
		require.Equal(t, 3*time.Second, time.Since(began), "its deadline holds all the same")
	})
}

// Trap: counted at its beginning, a call would have decayed more here than at Kraken, where it may arrive as late as its answer comes.
func TestCallsAreCountedWhenTheAnswerIsThere(t *testing.T) {
	cases := map[string]Call{
		"a good answer": func(ctx context.Context, _ uint64) error { return pause(ctx, 10*time.Second) },
		"a refusal": func(ctx context.Context, _ uint64) error {
			return errors.Join(pause(ctx, 10*time.Second), failed(kraken.KindInvalidKey))
		},
		"a timeout": hang,
		"a panic":   func(ctx context.Context, _ uint64) error { _ = pause(ctx, 10*time.Second); panic("oops") },
		"an error of somebody else's": func(ctx context.Context, _ uint64) error {
			return errors.Join(pause(ctx, 10*time.Second), errors.New("oops"))
		},
	}
	for name, call := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{})
				b.SetTier(TierPro)
				done := make(chan any)
				go func() {
					defer func() { done <- recover() }()
					_ = b.Do(within(t, 10*time.Second), tokenUse, call)
				}()
				time.Sleep(10*time.Second - 1)
				require.InDelta(t, 17, b.left(), 1e-9)
				require.Equal(t, name == "a panic", <-done != nil)
				require.InDelta(t, 16, b.left(), 1e-9)
				require.NoError(t, b.do(proof(tokenUse), time.Second), "the turn was given back")
			})
		})
	}
}

func TestHoldOffsGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: always(failed(kraken.KindRateLimited))})
		heldBack := func() time.Duration {
			told := requireKind(t, kraken.KindRateLimited, b.read(time.Second))
			wait := time.Until(b.Status(tokenUse).HeldUntil)
			require.Equal(t, wait, told.RetryAfter, "the answer says how long")
			refused := requireHeld(t, b.read(time.Second))
			require.Equal(t, wait, refused.Wait)
			require.Same(t, told, refused.Cause)
			return wait
		}
		for i, seconds := range []int{5, 10, 20, 40, 80, 160, 320, 640, 900, 900} {
			require.Equal(t, time.Duration(seconds)*time.Second, heldBack(), "hold-off %d", i)
			time.Sleep(time.Duration(seconds) * time.Second)
		}
		for range 60 {
			require.Equal(t, 15*time.Minute, heldBack(), "and there it stays")
			time.Sleep(15 * time.Minute)
		}
		require.Zero(t, b.Status(tokenUse).HeldUntil)
		b.kraken.answer = nil
		require.NoError(t, b.read(time.Second))
		b.kraken.answer = always(failed(kraken.KindRateLimited))
		require.Equal(t, 5*time.Second, heldBack(), "a success begins it anew")
	})
}

func TestHoldsAsLongAsTheAnswerAsks(t *testing.T) {
	cases := map[string]struct {
		kind        kraken.Kind
		asked, want time.Duration
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
				asks := failed(c.kind)
				asks.RetryAfter = c.asked
				b := newBench(t, &fakeKraken{answer: always(asks)})
				told := requireKind(t, c.kind, b.read(time.Minute))
				require.Equal(t, c.want, told.RetryAfter)
				require.Equal(t, c.asked, asks.RetryAfter, "what came isn't changed")
				require.Equal(t, c.want, time.Until(b.Status(tokenUse).HeldUntil))
				for _, a := range b.readAll(100, time.Second) {
					refused := requireHeld(t, a.err)
					require.Equal(t, c.want, refused.Wait, "also more than a minute, for it is Kraken that asks for it")
					require.Same(t, told, refused.Cause)
				}
				require.Equal(t, c.want, requireHeld(t, b.do(proof(elsewhereUse), time.Second)).Wait, "proofs keep to it like any call")
				require.Equal(t, 1, b.kraken.calls)
			})
		})
	}
}

func TestHoldOffThatFitsIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: first(failed(kraken.KindRateLimited))})
		require.Error(t, b.read(time.Second))
		require.NotZero(t, b.Status(tokenUse).HeldUntil)
		requireHeld(t, b.read(5*time.Second+LeastCallTime-1))
		for _, a := range b.readAll(10, 6*time.Second) {
			require.NoError(t, a.err)
			require.Equal(t, 5*time.Second, a.took)
		}
	})
}

func TestOneCallFindsOutWhetherAHoldOffIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{latency: fixed(100 * time.Millisecond), answer: always(failed(kraken.KindRateLimited))})
		require.Error(t, b.read(time.Second))
		limited := 0
		for _, a := range b.readAll(1000, 10*time.Second) {
			require.Equal(t, 5100*time.Millisecond, a.took)
			if failure(a.err) != nil {
				limited++
				continue
			}
			require.Equal(t, 10*time.Second, requireHeld(t, a.err).Wait)
		}
		require.Equal(t, 1, limited)
		require.Equal(t, 2, b.kraken.calls)
	})
}

func TestSuccessLiftsAHoldOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: first(failed(kraken.KindRateLimited))})
		slow := b.begin(within(t, time.Minute), tokenUse, func(ctx context.Context, _ uint64) error { return pause(ctx, 3*time.Second) })
		requireKind(t, kraken.KindRateLimited, b.do(beside(elsewhereUse), 2*time.Second))
		require.NotZero(t, b.Status(tokenUse).HeldUntil)
		require.NoError(t, <-slow)
		require.Zero(t, b.Status(tokenUse).HeldUntil)
		require.NoError(t, b.read(time.Second))
	})
}

func TestNothingIsLearntFromErrorsThatAreNotKrakens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		oops := errors.New("oops")
		for range 10 {
			require.Equal(t, oops, b.Do(t.Context(), tokenUse, func(context.Context, uint64) error { return oops }))
		}
		require.Zero(t, b.Status(tokenUse).HeldUntil)
		require.Zero(t, b.Status(tokenUse).OutageSince)
		require.NoError(t, b.read(time.Second))
	})
}

func TestRefusedNoncesAreLoggedOnceAMinuteAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{stored: true, record: Record{Account: "desk", Ceiling: uint64(time.Now().Add(90 * time.Second).UnixNano())}}
		b := newBenchOver(t, &fakeKraken{}, store)
		refuse := func(times int) string {
			for range times {
				b.kraken.calls, b.kraken.answer = 0, first(failed(kraken.KindInvalidNonce))
				require.NoError(t, b.read(time.Second))
			}
			defer b.log.Reset()
			return b.log.String()
		}
		line := `^\[WARN\]  Kraken refused a nonce: the API key is used elsewhere as well, or a clock was set back: account=desk times=%d ahead=%s\n$`
		require.Regexp(t, fmt.Sprintf(line, 1, "1m30s"), refuse(3))
		time.Sleep(warnEvery - 10*time.Second)
		require.Empty(t, refuse(1))
		time.Sleep(10 * time.Second)
		require.Regexp(t, fmt.Sprintf(line, 4, `29\.\d+s`), refuse(2))
		time.Sleep(warnEvery)
		require.Regexp(t, fmt.Sprintf(line, 2, "0s"), refuse(1))
		require.EqualValues(t, 7, b.Status(tokenUse).NonceRefusals)
		require.False(t, strings.Contains(b.log.String(), "example-api-key"))
	})
}

func TestRefusedNonceIsLoggedAMinuteAfterTheLastThatWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		now := time.Now()
		for _, after := range []time.Duration{0, time.Minute - 1, time.Minute, 2*time.Minute - 1, 2 * time.Minute} {
			b.log.Reset()
			b.nonceRefused(now.Add(after))
			b.logNotices()
			require.Equal(t, after%time.Minute == 0, b.log.Len() > 0, "%v", after)
		}
	})
}

func TestNoCallIsMadeForACallerAlreadyGone(t *testing.T) {
	for name, use := range map[string]Use{"a read": tokenUse, "a proof": proof(tokenUse)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{})
				gone, leave := context.WithCancel(t.Context())
				leave()
				require.Equal(t, context.Canceled, b.Do(gone, use, b.kraken.call))
				requireKind(t, kraken.KindTimeout, b.do(use, 0))
				require.Zero(t, b.kraken.made())
				require.Zero(t, b.store.loads)
			})
		})
	}
}

func TestNoCallBeginsOnceWhatItIsForIsOver(t *testing.T) {
	replaced := errors.New("replaced")
	for name, when := range map[string]func(b *bench, answer func() <-chan error, end func()) error{
		"before it comes": func(b *bench, answer func() <-chan error, end func()) error { end(); return <-answer() },
		"while it waits for the turn": func(b *bench, answer func() <-chan error, end func()) error {
			b.begin(within(b.t, 5*time.Second), infoUse, hang)
			waits := answer()
			end()
			return <-waits
		},
		"while it waits for the counter": func(b *bench, answer func() <-chan error, end func()) error {
			b.SetTier(TierStarter)
			for range 14 {
				require.NoError(b.t, b.do(infoUse, time.Second))
			}
			waits := answer()
			end()
			return <-waits
		},
		"while its nonce is stored": func(b *bench, answer func() <-chan error, end func()) error {
			b.store.takes = time.Second
			waits := answer()
			end()
			return <-waits
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{})
				while, end := context.WithCancelCause(t.Context())
				use := tokenUse
				use.While = func() error { return context.Cause(while) }
				err := when(b, func() <-chan error {
					return b.begin(within(t, time.Minute), use, func(context.Context, uint64) error { t.Error("a call was made"); return nil })
				}, func() { end(replaced) })
				require.Equal(t, replaced, err)
				b.requireIdle()
			})
		})
	}
}

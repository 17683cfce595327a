package tokensource

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

func TestRetryRepeatsOnlyWhatIsTransient(t *testing.T) {
	for kind := kraken.KindUnexpected; kind <= kraken.KindNonceStore; kind++ {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &fakeKraken{answer: firstFail(kind)}
				token, err := NewRetry(10*time.Second, k).Token(t.Context())
				if kind == kraken.KindUnavailable {
					require.NoError(t, err)
					require.Equal(t, "2", token.Value)
					return
				}
				requireKind(t, kind, err)
				require.Equal(t, Token{}, token)
				require.Equal(t, 1, k.calls)
			})
		})
	}
	for name, err := range map[string]error{
		"held back":  heldBack(time.Second, nil),
		"remembered": &RememberedError{Err: failure(kraken.KindInvalidKey)},
		"unknown":    errors.New("something else"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &fakeKraken{answer: func(int) error { return err }}
				_, got := NewRetry(10*time.Second, k).Token(t.Context())
				require.Equal(t, err, got)
				require.Equal(t, 1, k.calls)
			})
		})
	}
}

func TestRetryPausesGrowAndDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{answer: always(kraken.KindUnavailable)}
		_, err := NewRetry(time.Minute, k).Token(t.Context())
		requireKind(t, kraken.KindUnavailable, err)
		step := firstPause
		for i := 1; i < len(k.callTimes); i++ {
			pause := k.callTimes[i].Sub(k.callTimes[i-1])
			require.InDelta(t, step.Seconds(), pause.Seconds(), pauseJitter*step.Seconds()+0.001)
			step = min(2*step, longestPause)
		}
		require.Greater(t, len(k.callTimes), 10)
	})
}

func TestRetryDoesNotWaitOutTheClockInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unavailable := failure(kraken.KindUnavailable)
		unavailable.RetryAfter = 30 * time.Second
		k := &fakeKraken{answer: func(int) error { return unavailable }}
		began := time.Now()
		_, err := NewRetry(10*time.Second, k).Token(t.Context())
		require.Same(t, unavailable, err)
		require.Zero(t, time.Since(began))
		require.Equal(t, 1, k.calls)
	})
}

func TestRetryWaitsAsLongAsTheAnswerAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unavailable := failure(kraken.KindUnavailable)
		unavailable.RetryAfter = 7 * time.Second
		k := &fakeKraken{answer: func(n int) error {
			if n == 1 {
				return unavailable
			}
			return nil
		}}
		began := time.Now()
		_, err := NewRetry(10*time.Second, k).Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, 7*time.Second, time.Since(began))
	})
}

func TestRetryKeepsWithinItsTimeout(t *testing.T) {
	for _, timeout := range []time.Duration{time.Second, 10 * time.Second, time.Minute} {
		t.Run(timeout.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &fakeKraken{latency: fixed(50 * time.Millisecond), answer: always(kraken.KindUnavailable)}
				began := time.Now()
				_, err := NewRetry(timeout, k).Token(t.Context())
				requireKind(t, kraken.KindUnavailable, err)
				require.Less(t, time.Since(began), timeout)
			})
		})
	}
}

func TestRetryNamesWhatEndedIt(t *testing.T) {
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	hangAsKraken := func(ctx context.Context) error { <-ctx.Done(); return failure(kraken.KindTimeout) }
	unavailable := failure(kraken.KindUnavailable)
	second := func(second func(context.Context) error) func() func(context.Context) error {
		return func() func(context.Context) error {
			n := 0
			return func(ctx context.Context) error {
				if n++; n == 1 {
					return unavailable
				}
				return second(ctx)
			}
		}
	}
	only := func(call func(context.Context) error) func() func(context.Context) error {
		return func() func(context.Context) error { return call }
	}
	cases := map[string]struct {
		call  func() func(context.Context) error
		leave time.Duration // when the caller goes away; zero: never
		check func(*testing.T, error)
	}{
		"deadline, said by the context": {only(hang), 0, func(t *testing.T, err error) {
			requireKind(t, kraken.KindTimeout, err)
			require.EqualError(t, err, "no answer from Kraken within 10s")
		}},
		"deadline, said by the client": {only(hangAsKraken), 0, func(t *testing.T, err error) {
			requireKind(t, kraken.KindTimeout, err)
		}},
		"deadline after Kraken spoke": {second(hang), 0, func(t *testing.T, err error) { require.Same(t, unavailable, err) }},
		"held back after Kraken spoke": {second(func(context.Context) error { return heldBack(time.Second, nil) }), 0,
			func(t *testing.T, err error) { require.Same(t, unavailable, err) }},
		"another failure after Kraken spoke": {second(func(context.Context) error { return failure(kraken.KindLockout) }), 0,
			func(t *testing.T, err error) { requireKind(t, kraken.KindLockout, err) }},
		"caller gone during the call": {only(hang), time.Second,
			func(t *testing.T, err error) { require.Equal(t, context.Canceled, err) }},
		"caller gone during a pause": {only(func(context.Context) error { return unavailable }), 10 * time.Millisecond,
			func(t *testing.T, err error) { require.Equal(t, context.Canceled, err) }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.leave > 0 {
					time.AfterFunc(c.leave, cancel)
				}
				c.check(t, NewRetry(10*time.Second, nil).Do(ctx, c.call()))
			})
		})
	}
}

func TestRetryTakesTheCallersEarlierDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := NewRetry(10*time.Second, nil).Do(within(t, 2*time.Second), func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		requireKind(t, kraken.KindTimeout, err)
		require.Equal(t, 2*time.Second, time.Since(began))
	})
}

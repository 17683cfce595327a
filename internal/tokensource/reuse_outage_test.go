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

func TestOutageOfTenMinutesWithACachedToken(t *testing.T) {
	// The outage begins at the worst time: right before the token would be renewed.
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		k := &fakeKraken{latency: fixed(100 * time.Millisecond), answer: func(int) error {
			if down.Load() {
				return failure(kraken.KindUnavailable)
			}
			return nil
		}}
		reuse := newReuse(t, fiveMinutes, NewMeter(NewRetry(10*time.Second, NewGuard(NewCounter(TierStarter), nil, k))))
		minted := read(t, reuse).RequestedAt
		time.Sleep(fiveMinutes*3/4 - time.Millisecond)
		down.Store(true)
		outage := time.Now()
		slow := 0
		for time.Since(outage) < 10*time.Minute {
			began := time.Now()
			token := read(t, reuse)
			if time.Since(began) > 0 {
				slow++
			}
			require.True(t, token.Cached)
			require.GreaterOrEqual(t, time.Until(token.ExpiresAt), time.Minute)
			if began.Sub(minted) < fiveMinutes {
				require.Empty(t, token.Warning)
			} else {
				require.Contains(t, token.Warning, "a newer one couldn't be had: Kraken answered EService:Unavailable")
			}
			time.Sleep(time.Second)
		}
		require.LessOrEqual(t, slow, 1, "readers don't wait while renewals fail")
		down.Store(false)
		over := time.Now()
		for read(t, reuse).RequestedAt.Equal(minted) {
			time.Sleep(time.Second)
		}
		require.LessOrEqual(t, time.Since(over), longestStep+time.Second)
		token := read(t, reuse)
		require.Empty(t, token.Warning)
		require.True(t, token.RequestedAt.After(over))
	})
}

func TestAttemptsDuringAnOutageGrowApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{answer: func(n int) error {
			if n == 1 {
				return nil
			}
			return failure(kraken.KindUnavailable)
		}}
		reuse := newReuse(t, fiveMinutes, k)
		read(t, reuse)
		time.Sleep(fiveMinutes)
		began := time.Now()
		for time.Since(began) < 5*time.Minute {
			read(t, reuse)
			time.Sleep(time.Second)
		}
		var pauses []int
		for i := 2; i < len(k.callTimes); i++ {
			pauses = append(pauses, int(k.callTimes[i].Sub(k.callTimes[i-1]).Seconds()))
		}
		require.Equal(t, []int{5, 10, 20, 40, 60, 60, 60}, pauses)
	})
}

func TestWhatAFailedRenewalGives(t *testing.T) {
	late := map[kraken.Kind]bool{
		kraken.KindUnavailable: true, kraken.KindTimeout: true, kraken.KindNonsense: true, kraken.KindRateLimited: true,
		kraken.KindLockout: true, kraken.KindUntrusted: true, kraken.KindNonceStore: true,
	}
	failures := map[string]struct {
		err  error
		late bool
	}{
		"held back":  {heldBack(7*time.Second, failure(kraken.KindLockout)), true},
		"remembered": {&RememberedError{Err: failure(kraken.KindInvalidKey)}, false},
		"unknown":    {errors.New("something else"), false},
	}
	for kind := kraken.KindUnexpected; kind <= kraken.KindNonceStore; kind++ {
		failures[kind.String()] = struct {
			err  error
			late bool
		}{failure(kind), late[kind]}
	}
	for name, c := range failures {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &fakeKraken{latency: fixed(time.Second), answer: func(n int) error {
					if n == 1 {
						return nil
					}
					return c.err
				}}
				reuse := newReuse(t, fiveMinutes, k)
				read(t, reuse)
				time.Sleep(6 * time.Minute)
				for round := range 3 {
					for _, a := range readAll(t.Context(), reuse, 10) {
						if !c.late {
							require.Equal(t, c.err, a.err)
							require.Equal(t, Token{}, a.token)
							continue
						}
						require.NoError(t, a.err)
						require.True(t, a.token.Cached)
						require.NotEmpty(t, a.token.Warning)
						if round == 0 {
							require.Equal(t, "this token is 6m2s old and can be used to connect for 8m58s more; "+
								"a newer one couldn't be had: "+c.err.Error(), a.token.Warning)
						}
					}
				}
				time.Sleep(9 * time.Minute) // less than 60 s of life are left
				for _, a := range readAll(t.Context(), reuse, 10) {
					require.Equal(t, c.err, a.err)
				}
			})
		})
	}
}

func TestFailedRenewalDoesNotTroubleReadersOfAYoungToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{answer: func(n int) error {
			if n == 1 {
				return nil
			}
			return failure(kraken.KindInvalidKey)
		}}
		reuse := newReuse(t, fiveMinutes, k)
		read(t, reuse)
		time.Sleep(4 * time.Minute)
		for range 50 {
			require.Empty(t, read(t, reuse).Warning)
			time.Sleep(time.Second)
		}
		require.Less(t, k.made(), 6, "attempts grow apart")
		time.Sleep(10 * time.Second)
		_, err := reuse.Token(t.Context())
		requireKind(t, kraken.KindInvalidKey, err)
	})
}

func TestFailureLongAgoIsNotHeldAgainstKraken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{answer: func(n int) error {
			if n == 2 {
				return failure(kraken.KindUnavailable)
			}
			return nil
		}}
		reuse := newReuse(t, fiveMinutes, k)
		read(t, reuse)
		time.Sleep(6 * time.Minute)
		require.NotEmpty(t, read(t, reuse).Warning)
		time.Sleep(3 * time.Minute)
		token := read(t, reuse)
		require.Equal(t, "3", token.Value)
		require.Empty(t, token.Warning)
	})
}

func TestFailureOvertakenByAFreshTokenIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		k := &fakeKraken{}
		reuse := newReuse(t, time.Minute, SourceFunc(func(ctx context.Context) (Token, error) {
			if calls.Add(1) == 2 {
				_ = sleep(ctx, 5*time.Second)
				return Token{}, failure(kraken.KindUnavailable)
			}
			return k.Token(ctx)
		}))
		read(t, reuse)
		time.Sleep(2 * time.Minute)
		slow := make(chan answer)
		go func() { slow <- readAll(t.Context(), reuse, 1)[0] }()
		time.Sleep(time.Second)
		fresh, err := reuse.Fresh(t.Context())
		require.NoError(t, err)

		a := <-slow
		require.NoError(t, a.err)
		require.Equal(t, fresh.Value, a.token.Value, "its own mint failed, but there is a token by now")
		require.Empty(t, a.token.Warning)
		time.Sleep(time.Minute)
		token := read(t, reuse)
		require.Empty(t, token.Warning)
		require.False(t, token.Cached)
	})
}

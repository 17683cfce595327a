package keeper

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

func TestWaitingForTheTurnInVain(t *testing.T) {
	t.Run("because Kraken doesn't answer is a timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, &fakeKraken{})
			b.begin(within(t, time.Minute), tokenUse, hang)
			began := time.Now()
			requireKind(t, kraken.KindTimeout, b.read(10*time.Second))
			require.Equal(t, 10*time.Second-LeastCallTime, time.Since(began), "told while there is time to tell")
			require.Zero(t, b.waiting())
		})
	})
	t.Run("because so many were before is held back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, &fakeKraken{latency: fixed(880 * time.Millisecond)})
			answers := b.readAll(50, 10*time.Second)
			require.Equal(t, 11, served(answers))
			for _, a := range answers[11:] {
				held := requireHeld(t, a.err)
				require.Equal(t, errTooMany, held.Cause)
				require.Equal(t, time.Second, held.Wait)
			}
		})
	})
	t.Run("because those before wait for a hold-off is held back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, &fakeKraken{latency: fixed(time.Second), answer: first(failed(kraken.KindRateLimited))})
			require.Error(t, b.read(time.Minute))
			time.Sleep(firstHold - 2*time.Second)
			answers := b.readAll(2, 3*time.Second)
			require.NoError(t, answers[0].err)
			require.Equal(t, errTooMany, requireHeld(t, answers[1].err).Cause, "Kraken left nobody without an answer")
		})
	})
	t.Run("because the one before waits for the counter is held back by it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, &fakeKraken{})
			b.SetTier(TierPro)
			for range 17 {
				require.NoError(t, b.read(time.Second))
			}
			for range 4 {
				b.begin(within(t, time.Minute), tokenUse, b.kraken.call)
			}
			waits := b.begin(within(t, 6*time.Second), tokenUse, hang)
			time.Sleep(time.Second)
			b.SetTier(TierStarter) // slower than was thought
			held := requireHeld(t, <-waits)
			require.Equal(t, errCounted, held.Cause)
			require.Equal(t, 17*time.Second, held.Wait, "four are before it still")
		})
	})
	t.Run("because Kraken doesn't answer, and the counter would have made it wait, is a timeout all the same", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, &fakeKraken{})
			b.SetTier(TierPro)
			for range 16 {
				require.NoError(t, b.read(time.Second))
			}
			b.begin(within(t, time.Minute), tokenUse, hang)
			waits := b.begin(within(t, 10*time.Second), tokenUse, b.kraken.call)
			require.Equal(t, errTooMany, requireHeld(t, b.read(10*time.Second)).Cause, "the one before it would have had to wait")
			requireKind(t, kraken.KindTimeout, <-waits)
		})
	})
	t.Run("because the caller went away is just that", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, &fakeKraken{})
			b.begin(within(t, time.Minute), tokenUse, hang)
			ctx, cancel := context.WithCancelCause(within(t, time.Minute))
			replaced := errors.New("replaced")
			time.AfterFunc(time.Second, func() { cancel(replaced) })
			began := time.Now()
			require.Equal(t, replaced, b.Do(ctx, tokenUse, b.kraken.call))
			require.Equal(t, time.Second, time.Since(began), "at once")
			require.Zero(t, b.waiting())
		})
	})
}

// A caller that needn't wait goes whatever it has left, so that a slow answer once can't keep all later ones out.
func TestCallerWithLittleTimeGoesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{latency: fixed(30 * time.Second)})
		require.NoError(t, b.read(time.Minute))
		b.kraken.latency = nil
		for range 200 {
			require.NoError(t, b.read(LeastCallTime/2))
		}
	})
}

func TestTimeIsSetAsideForTheCallByWhatCallsTookLately(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		setAside := func() time.Duration {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.callTime()
		}
		answers := func(latency time.Duration) time.Duration {
			b.kraken.latency = fixed(latency)
			require.NoError(t, b.read(time.Minute))
			return setAside()
		}
		require.Equal(t, 100*time.Millisecond, setAside())
		require.Equal(t, 100*time.Millisecond, answers(20*time.Millisecond))
		require.Equal(t, 800*time.Millisecond, answers(800*time.Millisecond))
		require.Equal(t, 700*time.Millisecond, answers(20*time.Millisecond), "it fades")
		require.Equal(t, time.Second, answers(3*time.Second))
		b.begin(within(t, time.Minute), tokenUse, hang)
		began := time.Now()
		requireKind(t, kraken.KindTimeout, b.read(10*time.Second))
		require.Equal(t, 9*time.Second, time.Since(began))
	})
}

// Trap: a waiter that is given the turn just as it goes must pass it on, or nobody ever has it again.
func TestTurnThatComesAsTheCallerGoesIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		enter := func(ctx context.Context) *waiter {
			w := &waiter{ctx: ctx, use: tokenUse, turn: make(chan error, 1)}
			require.NoError(t, b.enter(w))
			return w
		}
		has := enter(t.Context())
		ctx, leave := context.WithCancel(t.Context())
		goes, next := enter(ctx), enter(t.Context())
		leave()
		b.giveTurn(has)
		require.Equal(t, goes, b.holder)
		require.Equal(t, context.Canceled, b.leave(goes))
		require.Equal(t, next, b.holder)
		require.NoError(t, <-next.turn)
		b.giveTurn(next)
		b.requireIdle()
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		for i := range 1000 {
			done := make(chan struct{})
			has := b.begin(t.Context(), tokenUse, func(context.Context, uint64) error { <-done; return nil })
			ctx, leave := context.WithCancel(t.Context())
			goes := b.begin(ctx, tokenUse, b.kraken.call)
			go close(done)
			for range i % 5 {
				runtime.Gosched()
			}
			leave()
			require.NoError(t, <-has)
			if err := <-goes; err != nil {
				require.Equal(t, context.Canceled, err)
			}
			require.NoError(t, b.read(time.Second))
		}
		b.requireIdle()
	})
}

// Trap: an answer is told to every waiter that it dooms, at once, and no call is made for any of them.
func TestAnswerIsToldToAllThatItDooms(t *testing.T) {
	cases := map[string]struct {
		answer error
		asWell func(*testing.T, error)
	}{
		"a hold-off": {failed(kraken.KindLockout), func(t *testing.T, err error) { require.Equal(t, lockoutHold, requireHeld(t, err).Wait) }},
		"a refusal":  {failed(kraken.KindInvalidKey), func(t *testing.T, err error) { requireRemembered(t, err) }},
		"an outage":  {failed(kraken.KindTimeout), func(t *testing.T, err error) { requireOutage(t, err) }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{latency: fixed(2 * time.Second), answer: always(c.answer)})
				answers := b.readAll(1000, 10*time.Second)
				require.NotNil(t, failure(answers[0].err))
				for _, a := range answers[1:] {
					c.asWell(t, a.err)
					require.Equal(t, 2*time.Second, a.took)
				}
				require.Equal(t, 1, b.kraken.calls)
			})
		})
	}
}

// As soon as an answer shows that calls get through, those who can't wait for all before them are told so; the others keep their order.
func TestAnswerTellsThoseWhoHaveTooManyBeforeThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{latency: fixed(100 * time.Millisecond)})
		b.SetTier(TierPro)
		for range 15 {
			require.NoError(t, b.read(time.Minute))
		}
		require.InDelta(t, 17-15+1.4, b.left(), 1e-6)
		answers := b.readAll(20, 6*time.Second)
		took := time.Duration(0)
		for _, a := range answers[:9] {
			require.NoError(t, a.err)
			require.Greater(t, a.took, took)
			took = a.took
		}
		for i, a := range answers[9:] {
			require.Equal(t, 100*time.Millisecond, a.took)
			held := requireHeld(t, a.err)
			require.Equal(t, errCounted, held.Cause)
			require.Equal(t, 7*time.Second, held.Wait, "caller %d: what one who comes next has to wait", i)
		}
	})
}

// Those before may never get through to Kraken. Once an answer shows that they do, they count.
func TestNobodyIsRefusedForThoseBeforeItWhileCallsAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		b.SetTier(TierPro)
		for range 16 {
			require.NoError(t, b.read(time.Minute))
		}
		b.begin(within(t, time.Minute), tokenUse, func(ctx context.Context, _ uint64) error {
			_ = pause(ctx, time.Second)
			return unsent(kraken.KindUnavailable)
		})
		answers := b.readAll(30, 10*time.Second)
		for i, a := range answers[:2] {
			require.NoError(t, a.err, "caller %d", i)
			require.Equal(t, time.Second, a.took)
		}
		require.Equal(t, 2+8, served(answers), "one a second from then on")
		for _, a := range answers[10:] {
			require.Equal(t, time.Second, a.took)
			require.Equal(t, errCounted, requireHeld(t, a.err).Cause)
		}
	})
}

func TestLongestBoundsTheTurn(t *testing.T) {
	longest := proof(tokenUse)
	longest.Longest = 2 * time.Second
	t.Run("of a call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, &fakeKraken{})
			b.begin(within(t, 10*time.Second), tokenUse, func(ctx context.Context, _ uint64) error { return pause(ctx, 5*time.Second) })
			proves := b.begin(within(t, 10*time.Second), longest, hang)
			began := time.Now()
			require.NoError(t, b.read(10*time.Second))
			require.Equal(t, 7*time.Second, time.Since(began), "counted from when it has the turn")
			requireKind(t, kraken.KindTimeout, <-proves)
		})
	})
	t.Run("of a call whose context ends sooner", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, &fakeKraken{})
			began := time.Now()
			requireKind(t, kraken.KindTimeout, b.Do(within(t, time.Second), longest, hang))
			require.Equal(t, time.Second, time.Since(began))
		})
	})
	t.Run("of a call whose context has no end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, &fakeKraken{})
			requireKind(t, kraken.KindTimeout, b.Do(t.Context(), longest, hang))
		})
	})
	t.Run("of its waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, &fakeKraken{answer: first(failed(kraken.KindRateLimited))})
			require.Error(t, b.read(time.Second))
			require.Equal(t, 5*time.Second, requireHeld(t, b.do(longest, time.Minute)).Wait)
			time.Sleep(firstHold - longest.Longest + LeastCallTime)
			require.NoError(t, b.do(longest, time.Minute))
		})
	})
	t.Run("of its tries", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, &fakeKraken{latency: fixed(700 * time.Millisecond), answer: always(failed(kraken.KindInvalidNonce))})
			began := time.Now()
			requireKind(t, kraken.KindTimeout, b.do(longest, time.Minute))
			require.Equal(t, 2*time.Second, time.Since(began))
			require.Equal(t, 3, b.kraken.made())
		})
	})
}

func TestBesideGoesPastACallThatHangsAtAnotherUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{latency: fixed(time.Second)})
		b.SetTier(TierPro)
		hung := b.begin(within(t, time.Minute), tokenUse, hang)
		for range 4 {
			b.begin(within(t, 50*time.Second), tokenUse, b.kraken.call)
		}
		began := time.Now()
		require.NoError(t, b.do(beside(elsewhereUse), time.Minute))
		require.Equal(t, besideAfter+time.Second, time.Since(began), "once it is plain that it hangs")
		began = time.Now()
		require.NoError(t, b.do(beside(elsewhereUse), time.Minute))
		require.Equal(t, time.Second, time.Since(began), "and then at once")
		require.Equal(t, 4, b.waiting(), "nobody else goes past")
		requireKind(t, kraken.KindTimeout, b.do(proof(elsewhereUse), 3*time.Second))
		requireKind(t, kraken.KindTimeout, b.do(beside(tokenUse), 3*time.Second))
		require.Equal(t, 2, b.kraken.made())
		<-hung
		b.requireIdle()
	})
}

func TestBesideGoesPastACallThatBeganAfterItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		b.begin(within(t, time.Minute), tokenUse, func(ctx context.Context, _ uint64) error { return pause(ctx, 300*time.Millisecond) })
		b.begin(within(t, time.Minute), tokenUse, hang)
		began := time.Now()
		require.NoError(t, b.do(beside(elsewhereUse), time.Minute))
		require.Equal(t, 2*besideAfter, time.Since(began))
	})
}

func TestBesideDoesNotGoPastWhatIsNotUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: first(failed(kraken.KindRateLimited))})
		require.Error(t, b.read(time.Second))
		b.begin(within(t, time.Minute), tokenUse, b.kraken.call)
		require.NoError(t, b.do(beside(elsewhereUse), time.Minute))
		require.Equal(t, 3, b.kraken.made())
		require.Equal(t, 1, b.kraken.mostFlying)
	})
}

// Who went beside may still be under way when the holder is done: the next one waits for both, and so does the holder's own next try.
func TestNobodyElseGoesWhileOneIsBeside(t *testing.T) {
	for name, answer := range map[string]error{"the next": nil, "a next try": failed(kraken.KindInvalidNonce)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{})
				tries := 0
				began := time.Now()
				hung := b.begin(within(t, time.Minute), tokenUse, func(ctx context.Context, nonce uint64) error {
					if tries++; tries == 1 {
						return cmp.Or(pause(ctx, 2*time.Second), answer)
					}
					return b.kraken.call(ctx, nonce)
				})
				goes := b.begin(within(t, time.Minute), beside(elsewhereUse), func(ctx context.Context, _ uint64) error { return pause(ctx, 5*time.Second) })
				time.Sleep(2500 * time.Millisecond)
				next := b.begin(within(t, time.Minute), tokenUse, b.kraken.call)
				third := b.begin(within(t, time.Minute), infoUse, b.kraken.call)
				time.Sleep(3500*time.Millisecond - 1)
				require.Zero(t, b.kraken.made())
				require.NoError(t, <-goes)
				require.Equal(t, 6*time.Second, time.Since(began))
				require.NoError(t, <-hung)
				require.NoError(t, <-next)
				require.NoError(t, <-third)
				require.LessOrEqual(t, time.Since(began), 6*time.Second+besidePoll+4*shortestPace*3/2, "but for the distance that is kept after a refused nonce")
				b.requireIdle()
			})
		})
	}
}

// The calls of who has the turn and of who goes beside are both counted once they are answered, so each leaves room for the other.
func TestBesideLeavesRoomInTheCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		b.SetTier(TierStarter)
		for range 14 {
			require.NoError(t, b.read(time.Second))
		}
		time.Sleep(3100 * time.Millisecond) // one call is allowed
		b.begin(within(t, time.Minute), tokenUse, hang)
		began := time.Now()
		require.NoError(t, b.do(beside(elsewhereUse), 10*time.Second))
		require.InDelta(t, 2960, time.Since(began).Milliseconds(), 5, "another is")
	})
}

package account

import (
	"context"
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/stretchr/testify/require"
)

// script is a call that answers as it is told, and then well.
type script struct {
	answers []func(ctx context.Context) error
	calls   []time.Time
}

func (s *script) call(ctx context.Context, _ uint64) error {
	s.calls = append(s.calls, time.Now())
	if len(s.calls) > len(s.answers) {
		return nil
	}
	return s.answers[len(s.calls)-1](ctx)
}

func says(err error) func(context.Context) error { return func(context.Context) error { return err } }

// never answers.
func never(ctx context.Context) error {
	<-ctx.Done()
	return krakenSays(kraken.KindTimeout)
}

// always answers the same, so many times as anybody asks.
func always(err error) []func(context.Context) error {
	answers := make([]func(context.Context) error, 1000)
	for i := range answers {
		answers[i] = says(err)
	}
	return answers
}

// scripted is an account whose calls go by a script, in a bubble. request_timeout is 10 s.
func scripted(t *testing.T, test func(t *testing.T, a *Account, s *script), answers ...func(context.Context) error) {
	t.Helper()
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		a, err := m.get(t.Context(), m.storage, "")
		require.NoError(t, err)
		test(t, a, &script{answers: answers})
	})
}

// askInTime asks as a reader does, with the time that a reader has.
func askInTime(ctx context.Context, a *Account, call keeper.Call) error {
	return a.whileCurrent(ctx, time.Now(), func(ctx context.Context, a *Account) error { return a.ask(ctx, a.use("method"), call) })
}

func TestOnlyWhatIsTransientIsTriedAgain(t *testing.T) {
	for _, kind := range kraken.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			scripted(t, func(t *testing.T, a *Account, s *script) {
				err := askInTime(t.Context(), a, s.call)
				switch kind {
				case kraken.KindUnavailable, kraken.KindInvalidNonce: // the latter by the keeper
					require.NoError(t, err)
					require.Len(t, s.calls, 2)
				default:
					requireKind(t, kind, err)
					require.Len(t, s.calls, 1)
				}
			}, says(krakenSays(kind)))
		})
	}
}

func TestWhatWasNotAskedForIsNotAskedForAgain(t *testing.T) {
	for name, first := range map[string]error{
		"held back":  krakenSays(kraken.KindLockout),
		"remembered": krakenSays(kraken.KindInvalidKey),
	} {
		t.Run(name, func(t *testing.T) {
			scripted(t, func(t *testing.T, a *Account, s *script) {
				require.Error(t, askInTime(t.Context(), a, s.call))
				began := time.Now()
				require.True(t, keeper.NotAsked(askInTime(t.Context(), a, s.call)))
				require.Zero(t, time.Since(began))
				require.Len(t, s.calls, 1)
			}, says(first))
		})
	}
}

func TestPausesGrowAndDiffer(t *testing.T) {
	differ := map[time.Duration]bool{}
	for range 5 {
		scripted(t, func(t *testing.T, a *Account, s *script) {
			settings := *a.settings.Load()
			settings.timeout = time.Minute
			a.settings.Store(&settings)
			requireKind(t, kraken.KindUnavailable, askInTime(t.Context(), a, s.call))
			step := firstPause
			for i := 1; i < len(s.calls); i++ {
				pause := s.calls[i].Sub(s.calls[i-1])
				require.InDelta(t, step.Seconds(), pause.Seconds(), pauseJitter*step.Seconds()+0.001)
				step = min(2*step, longestPause)
			}
			require.Greater(t, len(s.calls), 10)
			differ[s.calls[1].Sub(s.calls[0])] = true
		}, always(krakenSays(kraken.KindUnavailable))...)
	}
	require.Greater(t, len(differ), 1, "who failed together doesn't come back together")
}

// TestAConnectionThatWasClosedCostsNoPauseOnce: the next one may have been closed for a reason.
func TestAConnectionThatWasClosedCostsNoPauseOnce(t *testing.T) {
	closed := krakenSays(kraken.KindUnavailable)
	closed.Sent, closed.HungUp = true, true
	busy := krakenSays(kraken.KindUnavailable)
	for name, test := range map[string]struct {
		first, second error
		pauses        [2]bool
	}{
		"twice":              {closed, closed, [2]bool{false, true}},
		"and then busy":      {closed, busy, [2]bool{false, true}},
		"after Kraken spoke": {busy, closed, [2]bool{true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			scripted(t, func(t *testing.T, a *Account, s *script) {
				require.NoError(t, askInTime(t.Context(), a, s.call))
				require.Len(t, s.calls, 3)
				for i, pauses := range test.pauses {
					require.Equal(t, pauses, s.calls[i+1].After(s.calls[i]))
				}
			}, says(test.first), says(test.second))
		})
	}
}

func TestAPauseIsAsLongAsTheAnswerAsksIfAnAttemptFitsInBehindIt(t *testing.T) {
	for asked, waits := range map[time.Duration]bool{
		7 * time.Second:                           true,
		10*time.Second - keeper.LeastCallTime:     true,
		10*time.Second - keeper.LeastCallTime + 1: false, // an attempt wouldn't fit in
		30 * time.Second:                          false,
		-time.Second:                              true,
	} {
		t.Run(asked.String(), func(t *testing.T) {
			unavailable := krakenSays(kraken.KindUnavailable)
			unavailable.RetryAfter = asked
			scripted(t, func(t *testing.T, a *Account, s *script) {
				began := time.Now()
				err := askInTime(t.Context(), a, s.call)
				if !waits {
					require.Same(t, unavailable, err)
					require.Zero(t, time.Since(began))
					return
				}
				if asked > time.Second {
					require.Equal(t, asked, time.Since(began))
				}
				if asked < 9*time.Second { // else there may be too little time for the attempt after all
					require.NoError(t, err)
				}
			}, says(unavailable))
		})
	}
}

func TestAttemptsKeepWithinRequestTimeout(t *testing.T) {
	for _, timeout := range []int{1, 10, 60} {
		scripted(t, func(t *testing.T, a *Account, s *script) {
			settings := *a.settings.Load()
			settings.timeout = time.Duration(timeout) * time.Second
			a.settings.Store(&settings)
			began := time.Now()
			requireKind(t, kraken.KindUnavailable, askInTime(t.Context(), a, s.call))
			require.Less(t, time.Since(began), settings.timeout)
		}, always(krakenSays(kraken.KindUnavailable))...)
		scripted(t, func(t *testing.T, a *Account, s *script) {
			settings := *a.settings.Load()
			settings.timeout = time.Duration(timeout) * time.Second
			a.settings.Store(&settings)
			began := time.Now()
			requireKind(t, kraken.KindTimeout, askInTime(t.Context(), a, s.call))
			require.Equal(t, settings.timeout, time.Since(began))
		}, never)
	}
}

func TestTheErrorNamesWhatEndedTheAttempts(t *testing.T) {
	unavailable, gone := krakenSays(kraken.KindUnavailable), errDisk
	type answers = []func(context.Context) error
	for name, test := range map[string]struct {
		answers answers
		leave   time.Duration // when the caller goes away; 0: never
		check   func(t *testing.T, err error)
	}{
		"its time is over": {answers{never}, 0, func(t *testing.T, err error) { requireKind(t, kraken.KindTimeout, err) }},
		"its time is over after Kraken spoke": {answers{says(unavailable), never}, 0,
			func(t *testing.T, err error) { require.Same(t, unavailable, err) }},
		"another failure after Kraken spoke": {answers{says(unavailable), says(krakenSays(kraken.KindLockout))}, 0,
			func(t *testing.T, err error) { requireKind(t, kraken.KindLockout, err) }},
		"what isn't Kraken's": {answers{says(errDisk)}, 0, func(t *testing.T, err error) { require.Equal(t, errDisk, err) }},
		"the caller goes during the call": {answers{never}, time.Second,
			func(t *testing.T, err error) { require.Equal(t, gone, err) }},
		"the caller goes during a pause": {answers{says(unavailable)}, 10 * time.Millisecond,
			func(t *testing.T, err error) { require.Equal(t, gone, err) }},
	} {
		t.Run(name, func(t *testing.T) {
			scripted(t, func(t *testing.T, a *Account, s *script) {
				ctx, leave := context.WithCancelCause(t.Context())
				defer leave(nil)
				if test.leave > 0 {
					time.AfterFunc(test.leave, func() { leave(gone) })
				}
				test.check(t, askInTime(ctx, a, s.call))
			}, test.answers...)
		})
	}
}

func TestWhoIsHeldBackAfterKrakenSpokeIsToldWhatKrakenSaid(t *testing.T) {
	unavailable := krakenSays(kraken.KindUnavailable)
	scripted(t, func(t *testing.T, a *Account, s *script) {
		lockedOut := make(chan error)
		go func() {
			time.Sleep(time.Millisecond) // during the pause
			lockedOut <- askInTime(t.Context(), a, func(context.Context, uint64) error { return krakenSays(kraken.KindLockout) })
		}()
		require.Same(t, unavailable, askInTime(t.Context(), a, s.call))
		requireKind(t, kraken.KindLockout, <-lockedOut)
		require.Len(t, s.calls, 1)
	}, says(unavailable))
}

func TestTheCallersEarlierDeadlineCounts(t *testing.T) {
	scripted(t, func(t *testing.T, a *Account, s *script) {
		began := time.Now()
		requireKind(t, kraken.KindTimeout, askInTime(within(t, 2*time.Second), a, s.call))
		require.Equal(t, 2*time.Second, time.Since(began))
	}, never)
}

func TestACallKeepsItsConnectionsOpenWhateverBecomesOfItsAccount(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		a, err := m.get(t.Context(), m.storage, "")
		require.NoError(t, err)
		answered := make(chan struct{})
		ended := make(chan error)
		go func() {
			ended <- askInTime(t.Context(), a, func(context.Context, uint64) error { <-answered; return nil })
		}()
		time.Sleep(time.Second)
		require.NoError(t, m.delete(""))
		require.Zero(t, m.closing)
		close(answered)
		require.NoError(t, <-ended)
		require.Equal(t, 1, m.closing)
	})
}

package keeper

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// fakeVerifier takes a one-time code once, if it is told to, and tells what it refuses.
type fakeVerifier struct {
	single bool
	last   int64
	kind   kraken.Kind
}

func (v *fakeVerifier) answer(int) error {
	now := time.Now().Unix() / 30
	if v.single && now <= v.last {
		return failed(v.kind)
	}
	v.last = now
	return nil
}

var codeUse = Use{Credentials: Fingerprint{1}, Upstream: tokenUse.Upstream, Method: tokenUse.Method, Codes: 30 * time.Second}

func TestCodesAreSentAgainWhileNobodyMinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: (&fakeVerifier{}).answer})
		for range 100 {
			require.NoError(t, b.do(codeUse, time.Second))
		}
	})
}

func TestCodeThatIsTakenOnceIsWaitedFor(t *testing.T) {
	for _, kind := range []kraken.Kind{kraken.KindInvalidKey, kraken.KindInvalidSignature, kraken.KindPermissionDenied} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{answer: (&fakeVerifier{single: true, kind: kind}).answer})
				time.Sleep(10 * time.Second)
				require.NoError(t, b.do(codeUse, time.Second))
				began := time.Now()
				require.NoError(t, b.do(codeUse, 30*time.Second), "the next code is waited for where there is time")
				require.Equal(t, 20*time.Second, time.Since(began))
				require.Equal(t, 3, b.kraken.calls, "one refusal shows it")

				time.Sleep(10 * time.Second)
				held := requireHeld(t, b.do(codeUse, 10*time.Second))
				require.Equal(t, errCodeTaken, held.Cause)
				require.Equal(t, 20*time.Second, held.Wait, "else it is told when it is due")
				require.NoError(t, b.Do(t.Context(), tokenUse, func(context.Context, uint64) error { return nil }), "a call without a code goes at once")
				require.Zero(t, b.Status(codeUse).HeldUntil, "and nothing is a refusal")
				time.Sleep(held.Wait - 1)
				requireHeld(t, b.do(codeUse, 0+LeastCallTime))
				time.Sleep(time.Nanosecond)
				require.NoError(t, b.do(codeUse, time.Second))
				require.Equal(t, 4, b.kraken.calls)
			})
		})
	}
}

func TestCodeThatWasNotSentBeforeIsRefusedForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: from(2, failed(kraken.KindInvalidSignature))})
		require.NoError(t, b.do(codeUse, time.Second))
		time.Sleep(30 * time.Second)
		require.False(t, NotAsked(b.do(codeUse, time.Minute)))
		requireRemembered(t, b.do(codeUse, time.Minute))
		require.Equal(t, 2, b.kraken.calls)
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: from(2, failed(kraken.KindInvalidSignature))})
		require.NoError(t, b.do(codeUse, time.Second))
		require.False(t, NotAsked(b.do(codeUse, time.Minute)), "the next code is refused as well")
		require.Equal(t, 3, b.kraken.calls)
		requireRemembered(t, b.do(codeUse, time.Minute))
	})
}

func TestOtherAnswersSayNothingAboutACodeSentTwice(t *testing.T) {
	for _, kind := range []kraken.Kind{kraken.KindAccountRefused, kraken.KindUnexpected, kraken.KindBlocked} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{answer: from(2, failed(kind))})
				require.NoError(t, b.do(codeUse, time.Second))
				requireKind(t, kind, b.do(codeUse, time.Minute))
				requireRemembered(t, b.do(codeUse, time.Minute))
			})
		})
	}
}

func TestCodeThatSurelyWasNotSentIsStillGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &fakeVerifier{single: true, kind: kraken.KindInvalidSignature}
		b := newBench(t, &fakeKraken{answer: v.answer})
		require.NoError(t, b.do(codeUse, time.Second))
		require.NoError(t, b.do(codeUse, time.Minute))
		time.Sleep(30 * time.Second)
		b.kraken.answer = always(unsent(kraken.KindUnavailable))
		requireKind(t, kraken.KindUnavailable, b.do(codeUse, time.Second))
		b.kraken.answer = v.answer
		require.NoError(t, b.do(codeUse, time.Second))
	})
}

func TestSingleUseIsForgottenAfterAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &fakeVerifier{single: true, kind: kraken.KindInvalidSignature}
		b := newBench(t, &fakeKraken{answer: v.answer})
		require.NoError(t, b.do(codeUse, time.Second))
		began := time.Now()
		require.NoError(t, b.do(codeUse, time.Minute))
		v.single = false
		time.Sleep(singleUseMemory - time.Since(began) - 1)
		require.NoError(t, b.do(codeUse, time.Second))
		requireHeld(t, b.do(codeUse, LeastCallTime))
		time.Sleep(time.Nanosecond)
		require.NoError(t, b.do(codeUse, time.Second))
		require.NoError(t, b.do(codeUse, time.Second))
	})
}

// Those in the queue each need a code of their own, and are told so as soon as an answer shows it.
func TestThoseWhoWaitForCodesAreToldWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &fakeVerifier{single: true, kind: kraken.KindInvalidSignature}
		b := newBench(t, &fakeKraken{answer: v.answer, latency: fixed(time.Second)})
		require.NoError(t, b.do(codeUse, time.Second+1))
		require.NoError(t, b.do(codeUse, time.Minute))
		time.Sleep(30 * time.Second) // a code is due
		answers := make([]<-chan error, 4)
		for i := range answers {
			answers[i] = b.begin(within(t, 40*time.Second), codeUse, b.kraken.call)
		}
		began := time.Now()
		require.NoError(t, <-answers[0])
		for _, answer := range answers[2:] {
			require.Equal(t, 58*time.Second, requireHeld(t, <-answer).Wait, "one is before it")
			require.Equal(t, time.Second, time.Since(began))
		}
		require.NoError(t, <-answers[1])
	})
}

func TestCodesTellHowLongSoManyCallsTake(t *testing.T) {
	second := time.Second
	at := func(seconds int64) time.Time { return time.Unix(30*1000+seconds, 0) }
	cases := map[string]struct {
		sent  int64
		now   int64
		calls int
		want  time.Duration
	}{
		"none sent, one call":             {0, 10, 1, 0},
		"none sent, two calls":            {0, 10, 2, 20 * second},
		"sent before, one call":           {999, 10, 1, 0},
		"sent before, three calls":        {999, 10, 3, 50 * second},
		"sent in this step, one call":     {1000, 10, 1, 20 * second},
		"sent in this step, two calls":    {1000, 10, 2, 50 * second},
		"the clock was set back since":    {1001, 10, 1, 50 * second},
		"at the very beginning of a step": {999, 0, 1, 0},
		"at the very end of a step":       {1000, 29, 1, second},
		"when what was sent is just over": {999, 0, 2, 30 * second},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			known := codes{sent: c.sent, singleUntil: at(c.now).Add(1)}
			require.Equal(t, c.want, known.wait(codeUse, at(c.now), c.calls))
			require.Zero(t, known.wait(tokenUse, at(c.now), c.calls), "of a use without codes")
			known.singleUntil = at(c.now)
			require.Zero(t, known.wait(codeUse, at(c.now), c.calls), "once it is forgotten")
		})
	}
	known := codes{}
	require.False(t, known.wasSent(tokenUse, at(0)))
	require.Zero(t, known.sent)
	require.False(t, known.wasSent(codeUse, at(0)))
	require.True(t, known.wasSent(codeUse, at(29)))
	require.False(t, known.wasSent(codeUse, at(30)))
	require.True(t, known.wasSent(codeUse, at(0)))
	require.EqualValues(t, 1001, known.sent)
}

// Of several reasons to hold a caller back, the one that lasts longest is told. Where two last as long it is Kraken's own, or else the counter.
func TestWhatIsToldToOneWhoIsHeldBackForSeveralReasons(t *testing.T) {
	lockout := failed(kraken.KindLockout)
	const moment = time.Millisecond // the counter adds it to its waits
	second := time.Second
	cases := map[string]struct {
		hold, counted, code time.Duration // of the counter, whole seconds
		wait                time.Duration
		cause               error
	}{
		"Kraken's hold-off":                   {10 * second, 5 * second, 5 * second, 10 * second, lockout},
		"a hold-off of more than a minute":    {900 * second, 5 * second, 5 * second, 900 * second, lockout},
		"a hold-off that lasts as long":       {10 * second, 5 * second, 10 * second, 10 * second, lockout},
		"the counter":                         {5 * second, 10 * second, 7 * second, 11 * second, errCounted},
		"the counter, which lasts as long":    {5 * second, 10 * second, 10*second + moment, 11 * second, errCounted},
		"the counter, for more than a minute": {5 * second, 100 * second, 7 * second, time.Minute, errCounted},
		"the code":                            {5 * second, 10 * second, 20 * second, 20 * second, errCodeTaken},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{})
				b.SetTier(TierPro)
				time.Sleep(30*second - c.code)
				now := time.Now()
				b.holdOff = &holdOff{until: now.Add(c.hold), cause: lockout}
				b.codes = &codes{sent: period(codeUse, now), singleUntil: now.Add(time.Hour)}
				for range 16 + c.counted/second {
					b.counter.count(now)
				}
				held := b.refuse(codeUse, now, 1)
				require.Equal(t, c.wait, held.Wait)
				require.Equal(t, c.cause, held.Cause)
			})
		})
	}
}

func TestAClockThatWasSetBackDoesNotHoldCodesBack(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 10, 0, time.UTC)
	for back, want := range map[time.Duration]time.Duration{
		0:                20 * time.Second, // until the next code
		20 * time.Second: 40 * time.Second, // the clock was adjusted: the code is the next one's
		40 * time.Second: time.Minute,      // which is the longest wait of that kind
		41 * time.Second: 0,                // it was wrong: what it sent is worth nothing
		time.Hour:        0,
	} {
		c := codes{singleUntil: now.Add(time.Hour)}
		require.False(t, c.wasSent(codeUse, now))
		require.Equal(t, want, c.wait(codeUse, now.Add(-back), 1), back)
		require.Equal(t, want > 0, c.wasSent(codeUse, now.Add(-back)), back)
		require.Positive(t, c.wait(codeUse, now.Add(-back), 1), "what was sent last counts")
	}
}

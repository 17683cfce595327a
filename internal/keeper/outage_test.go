package keeper

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// requireOutageIs tells whether one who comes now is told of an outage.
func requireOutageIs(t *testing.T, want bool, b *bench) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Equal(t, want, b.outage.ongoing(tokenUse))
}

func TestWhatIsAnOutage(t *testing.T) {
	sent, notSent, timeout := failed(kraken.KindUnavailable), unsent(kraken.KindUnavailable), failed(kraken.KindTimeout)
	type call struct {
		answer error
		took   time.Duration
		outage bool
	}
	second, moment := time.Second, 100*time.Millisecond
	cases := map[string][]call{
		"nothing":                            {},
		"one connection that breaks":         {{sent, moment, false}},
		"one that breaks after a long time":  {{sent, 8 * second, false}},
		"none could be sent for a second":    {{notSent, moment, false}, {notSent, 899 * time.Millisecond, false}, {notSent, 1, false}, {notSent, 1, false}, {notSent, 999998, true}},
		"one was, for five seconds":          {{sent, moment, false}, {notSent, 4 * second, false}, {notSent, 899 * time.Millisecond, false}, {notSent, moment, true}},
		"five answers that Kraken is busy":   {{sent, 1, false}, {sent, 1, false}, {sent, 1, false}, {sent, 1, false}, {sent, 1, true}},
		"and what wasn't sent isn't one":     {{sent, 1, false}, {notSent, 1, false}, {sent, 1, false}, {sent, 1, false}, {notSent, 1, false}, {sent, 1, false}, {sent, 1, true}},
		"an answer between them":             {{sent, 1, false}, {sent, 1, false}, {sent, 1, false}, {sent, 1, false}, {nil, 1, false}, {sent, 1, false}, {sent, second - 2, false}},
		"a refusal between them":             {{sent, 1, false}, {sent, 1, false}, {sent, 1, false}, {sent, 1, false}, {failed(kraken.KindInvalidKey), 1, false}, {sent, 1, false}},
		"nonsense between them":              {{sent, 1, false}, {sent, 1, false}, {sent, 1, false}, {sent, 1, false}, {failed(kraken.KindNonsense), 1, false}, {sent, 1, false}},
		"one call cut off":                   {{failed(kraken.KindAborted), 8 * second, false}, {failed(kraken.KindAborted), 8 * second, false}},
		"an error that isn't Kraken's":       {{context.Canceled, 8 * second, false}, {context.Canceled, 8 * second, false}},
		"a timeout after a second":           {{timeout, second, true}},
		"a timeout after less":               {{timeout, second - 1, false}, {timeout, second - 1, false}},
		"a timeout where answers are slow":   {{nil, 2 * second, false}, {timeout, 4*second - 1, false}, {timeout, 4 * second, true}},
		"a timeout where they are very slow": {{nil, 4 * second, false}, {timeout, 5*second - 1, false}, {timeout, 5 * second, true}},
		"an answer ends it":                  {{timeout, second, true}, {failed(kraken.KindLockout), 1, false}},
	}
	for name, calls := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{})
				b.SetTier(TierPro)
				// The tries of one caller, who isn't held back by what it has learnt; with other credentials each, so that it is by no refusal either.
				use := tokenUse
				for i, c := range calls {
					use.Credentials = Fingerprint{byte(i)}
					_ = b.Do(t.Context(), use, func(ctx context.Context, _ uint64) error {
						_ = pause(ctx, c.took)
						return c.answer
					})
					requireOutageIs(t, c.outage, b)
				}
			})
		})
	}
}

func TestProofsTeachNothingAboutOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timeout := failed(kraken.KindTimeout)
		b := newBench(t, &fakeKraken{latency: fixed(5 * time.Second), answer: always(timeout)})
		for range 10 {
			require.Error(t, b.do(proof(tokenUse), time.Minute))
		}
		requireOutageIs(t, false, b)
		require.Zero(t, b.slowest)
		require.Error(t, b.read(time.Minute))
		requireOutageIs(t, true, b)
		b.kraken.answer = nil
		require.NoError(t, b.do(proof(elsewhereUse), time.Minute), "nor are they held back by one")
		requireOutageIs(t, true, b)
		require.Zero(t, b.answered)
	})
}

func TestOutageIsOneOfAnUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: always(failed(kraken.KindUnavailable))})
		b.SetTier(TierPro)
		for range outageCalls - 1 {
			require.Error(t, b.read(time.Second))
		}
		requireKind(t, kraken.KindUnavailable, b.do(elsewhereUse, time.Second))
		requireOutageIs(t, false, b)
		for range outageCalls {
			requireKind(t, kraken.KindUnavailable, b.read(time.Second))
		}
		requireOutage(t, b.do(infoUse, firstProbe))
		requireKind(t, kraken.KindUnavailable, b.do(elsewhereUse, time.Second))
		requireOutageIs(t, false, b)
	})
}

// Trap: while the one who probes sleeps between its tries, it doesn't have the turn, and all others are told at once.
func TestOneProbesAndTheOthersAreToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{answer: always(unsent(kraken.KindUnavailable)), latency: fixed(10 * time.Millisecond)}
		b := newBench(t, k)
		began := time.Now()
		prober, gone := context.WithTimeout(t.Context(), 10*time.Second)
		try := func() error { return b.Do(prober, tokenUse, k.call) }
		require.Error(t, try())
		time.Sleep(outageAfter)
		requireKind(t, kraken.KindUnavailable, try())
		calls := k.calls
		for range 100 {
			at := time.Now()
			outage := requireOutage(t, b.read(10*time.Second))
			require.Equal(t, began, outage.Since)
			require.Equal(t, "a failure of kind unavailable, not sent", outage.Cause.Detail)
			require.Zero(t, time.Since(at))
			b.requireIdle()
			time.Sleep(50 * time.Millisecond)
		}
		require.Equal(t, calls, k.calls)
		k.answer = nil
		requireOutage(t, b.read(time.Second))
		require.NoError(t, try())
		gone()
		for _, a := range b.readAll(20, time.Second) {
			require.NoError(t, a.err, "when it is back, all are served")
		}
	})
}

func TestProbesAreFewerTheLongerItLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		down := func() {
			require.NotErrorIs(t, b.Do(within(t, time.Second), tokenUse, hang), ErrClosed)
		}
		down()
		var pauses []time.Duration
		for range 8 {
			b.kraken.answer, b.kraken.latency = always(failed(kraken.KindTimeout)), fixed(time.Second)
			began := time.Now()
			for {
				if err := b.read(time.Minute); NotAsked(err) {
					requireOutage(t, err)
					time.Sleep(time.Millisecond)
					continue
				}
				break
			}
			pauses = append(pauses, time.Since(began)-time.Second)
		}
		require.Equal(t, []time.Duration{firstProbe, 2 * firstProbe, 4 * firstProbe, 8 * firstProbe, longestProbe, longestProbe, longestProbe, longestProbe}, pauses)
		b.kraken.answer, b.kraken.latency = nil, nil
		time.Sleep(longestProbe)
		require.NoError(t, b.read(time.Second))
		down()
		again := time.Now()
		require.NoError(t, b.read(time.Second), "the next outage begins anew")
		require.Equal(t, firstProbe, time.Since(again), "it waits for its time to try")
	})
}

func TestOnlyOneBecomesTheProber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		requireKind(t, kraken.KindTimeout, b.Do(within(t, time.Second), tokenUse, hang))
		time.Sleep(firstProbe)
		b.kraken.latency, b.kraken.answer = fixed(2*time.Second), always(failed(kraken.KindUnavailable))
		answers := b.readAll(50, 10*time.Second)
		requireKind(t, kraken.KindUnavailable, answers[0].err)
		for _, a := range answers[1:] {
			requireOutage(t, a.err)
			require.Zero(t, a.took)
		}
		require.Equal(t, 1, b.kraken.calls)
	})
}

// One who can't wait for the counter during an outage is told of the outage, for that is why it gets no token.
func TestOutageIsToldRatherThanTheCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		b.SetTier(TierStarter)
		requireKind(t, kraken.KindTimeout, b.Do(within(t, time.Second), tokenUse, hang))
		time.Sleep(firstProbe)
		b.mu.Lock()
		for range 14 {
			b.counter.count(time.Now())
		}
		b.mu.Unlock()
		requireOutage(t, b.read(time.Second))
		require.Zero(t, b.kraken.calls)
		requireHeld(t, b.do(elsewhereUse, time.Second))
		requireHeld(t, b.do(proof(tokenUse), time.Second))
	})
}

// During an outage, a hold-off that Kraken asked for is told as such.
func TestHoldOffIsToldRatherThanTheOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: first(failed(kraken.KindRateLimited))})
		ctx := within(t, 3*time.Second)
		requireKind(t, kraken.KindTimeout, b.Do(within(t, time.Second), tokenUse, hang))
		requireKind(t, kraken.KindRateLimited, b.do(proof(elsewhereUse), time.Second))
		time.Sleep(firstProbe)
		require.Equal(t, 5*time.Second, requireHeld(t, b.Do(ctx, tokenUse, b.kraken.call)).Wait.Round(5*time.Second))
	})
}

// 8 readers without a cache, each of whom tries for 10 s, in an outage of 30 s during which nothing can be sent.
func TestReadersThroughAnOutageOfThirtySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{most: 15, decay: 0.33, step: 2 * time.Second, latency: fixed(100 * time.Millisecond)}
		b := newBench(t, k)
		b.SetTier(TierStarter)
		began := time.Now()
		over := began.Add(30 * time.Second)
		call := func(ctx context.Context, nonce uint64) error {
			if time.Now().Before(over) {
				_ = pause(ctx, 10*time.Millisecond)
				return unsent(kraken.KindUnavailable)
			}
			return k.call(ctx, nonce)
		}
		done := make(chan time.Time)
		for range 8 {
			go func() {
				for {
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					err := retry(ctx, func() error { return b.Do(ctx, tokenUse, call) })
					cancel()
					if err == nil {
						done <- time.Now()
						return
					}
					if NotAsked(err) {
						assert.ErrorAs(t, err, new(*OutageError))
					} else if failed := new(kraken.Error); assert.ErrorAs(t, err, &failed) {
						assert.Equal(t, kraken.KindUnavailable, failed.Kind)
					}
					time.Sleep(time.Second)
				}
			}()
		}
		for range 8 {
			require.Less(t, (<-done).Sub(over), 10*time.Second)
		}
		require.Equal(t, 8, k.calls)
	})
}

// retry tries as an account does: until its time is over, or an answer that it didn't ask for.
func retry(ctx context.Context, ask func() error) error {
	for step := 250 * time.Millisecond; ; step = min(2*step, 4*time.Second) {
		err := ask()
		if err == nil || NotAsked(err) || failure(err).Kind != kraken.KindUnavailable {
			return err
		}
		if pause(ctx, step/2+rand.N(step)) != nil {
			return err
		}
	}
}

// Whoever asks during an outage, the next try comes at its time. One who can't wait so long is told at once, and leaves it to others.
func TestWhoMayTryDuringAnOutage(t *testing.T) {
	const pause = time.Second
	for name, c := range map[string]struct {
		ago    time.Duration // since the last try
		prober time.Duration // how much longer whoever made it has; 0: it has gone
		time   time.Duration // how long the caller has
		use    Use
		wait   time.Duration
		asks   bool
	}{
		"when it is time":                     {pause, 0, time.Minute, tokenUse, 0, true},
		"before it is time":                   {pause / 4, 0, time.Minute, tokenUse, pause * 3 / 4, true},
		"one who has just time enough":        {pause / 2, 0, pause/2 + LeastCallTime, tokenUse, pause / 2, true},
		"one who hasn't":                      {pause / 2, 0, pause/2 + LeastCallTime - 1, tokenUse, 0, false},
		"while another tries":                 {pause, time.Second, time.Minute, tokenUse, 0, false},
		"while another waits for its time":    {pause / 2, time.Second, time.Minute, tokenUse, 0, false},
		"a proof":                             {0, time.Second, time.Minute, proof(tokenUse), 0, true},
		"one who asks elsewhere":              {0, time.Second, time.Minute, elsewhereUse, 0, true},
		"one who asks for something else too": {pause / 2, 0, time.Minute, infoUse, pause / 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{})
				prober, gone := context.WithTimeout(t.Context(), c.ago+c.prober)
				defer gone()
				b.outage = &outage{upstream: tokenUse.Upstream, since: time.Now(), cause: failed(kraken.KindTimeout), declared: true,
					prober: prober, failedAt: time.Now(), pause: pause}
				time.Sleep(c.ago)
				began := time.Now()
				answer := b.begin(within(t, c.time), c.use, b.kraken.call)
				b.requireIdle() // without the turn
				err := <-answer
				require.Equal(t, c.wait, time.Since(began))
				if c.asks {
					require.NoError(t, err)
				} else {
					requireOutage(t, err)
				}
			})
		})
	}
}

func TestWaitForATryEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		requireKind(t, kraken.KindTimeout, b.Do(within(t, time.Second), tokenUse, hang))
		ctx, leave := context.WithCancel(t.Context())
		answer := b.begin(ctx, tokenUse, b.kraken.call)
		requireOutage(t, b.read(time.Minute))
		leave()
		require.Equal(t, context.Canceled, <-answer)
		require.NoError(t, b.read(time.Minute), "then another may try")
	})
}

package keeper

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// takeLog is what was logged since it was last asked for, line by line.
func (b *bench) takeLog() []string {
	defer b.log.Reset()
	return strings.FieldsFunc(b.log.String(), func(r rune) bool { return r == '\n' })
}

// answers makes Kraken answer so from now on; nil is success.
func (b *bench) answers(err error) { b.kraken.calls, b.kraken.answer = 0, always(err) }

func TestAHoldOffIsLoggedWhenItBeginsAndWhenItIsOver(t *testing.T) {
	for kind, wait := range map[kraken.Kind]string{kraken.KindRateLimited: "5s", kraken.KindLockout: "15m0s"} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{answer: always(failed(kind))})
				began := time.Now()
				for range 4 {
					require.Error(t, b.read(time.Second))
					requireHeld(t, b.read(time.Second))
					time.Sleep(time.Until(b.Status(tokenUse).HeldUntil))
				}
				require.Equal(t, []string{
					"[WARN]  the account is held back: account=desk times=1 kind=" + kind.String() + " for=" + wait +
						` error="a failure of kind ` + kind.String() + `"`,
				}, b.takeLog(), "it is told once, however often it is prolonged")
				b.kraken.answer = nil
				require.NoError(t, b.read(time.Second))
				require.NoError(t, b.read(time.Second))
				require.Equal(t, []string{
					"[INFO]  the account is no longer held back: account=desk after=" + time.Since(began).String(),
				}, b.takeLog())
			})
		})
	}
}

func TestAnOutageIsLoggedWhenItBeginsAndWhenItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: always(unsent(kraken.KindUnavailable))})
		require.Error(t, b.read(time.Second))
		require.Empty(t, b.takeLog(), "one failure is no outage")
		for range 5 {
			time.Sleep(longestProbe)
			require.Error(t, b.read(time.Second))
		}
		require.Equal(t, []string{
			`[WARN]  Kraken can't be reached: account=desk times=1 error="a failure of kind unavailable, not sent"`,
		}, b.takeLog())
		time.Sleep(longestProbe)
		b.answers(failed(kraken.KindPermissionDenied))
		require.Error(t, b.read(time.Second))
		require.Equal(t, []string{"[INFO]  Kraken can be reached again: account=desk after=24s"}, b.takeLog(), "whatever it answers")
		time.Sleep(refusalMemory)
		b.answers(failed(kraken.KindTimeout))
		require.Error(t, b.do(proof(tokenUse), time.Second))
		require.Empty(t, b.takeLog(), "a proof's trouble tells nothing of the upstream")
	})
}

func TestTroublesThatComeAndGoAreLoggedOnceAMinuteAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		var lines []string
		for range 24 { // two minutes of 5 s held back, and then served
			b.answers(failed(kraken.KindRateLimited))
			require.Error(t, b.read(time.Second))
			time.Sleep(firstHold)
			b.kraken.answer = nil
			require.NoError(t, b.read(time.Second))
			lines = append(lines, b.takeLog()...)
		}
		require.Len(t, lines, 4)
		for i, want := range []string{"held back: account=desk times=1 ", "no longer held back", "held back: account=desk times=12 ", "no longer held back"} {
			require.Contains(t, lines[i], want)
		}
	})
}

func TestTheTroublesOfAProofOfAKeyThatIsNotStoredAreNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBenchOver(t, &fakeKraken{answer: first(failed(kraken.KindLockout))}, &fakeStore{})
		require.Error(t, b.do(proof(tokenUse), time.Second))
		time.Sleep(lockoutHold)
		require.NoError(t, b.Claim(t.Context(), "desk", false))
		require.NoError(t, b.read(time.Second))
		require.Empty(t, b.takeLog())
	})
}

// slowLog is a log that is read slowly.
type slowLog struct{ takes time.Duration }

func (l slowLog) Write(line []byte) (int, error) { time.Sleep(l.takes); return len(line), nil }

func TestNobodyWaitsForAnothersLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: first(failed(kraken.KindLockout))})
		b.Keeper.log = hclog.New(&hclog.LoggerOptions{Output: slowLog{time.Hour}})
		logs := b.begin(within(t, time.Second), tokenUse, b.kraken.call)
		began := time.Now()
		requireHeld(t, b.read(time.Second))
		require.NotZero(t, b.Status(tokenUse).HeldUntil)
		b.requireIdle()
		require.Zero(t, time.Since(began))
		requireKind(t, kraken.KindLockout, <-logs)
	})
}

func TestALineReadsTheSameAfterItsWayToVault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: always(failed(kraken.KindRateLimited))})
		b.Keeper.log = hclog.New(&hclog.LoggerOptions{Output: b.log, JSONFormat: true}) // as go-plugin sends it
		require.Error(t, b.read(time.Second))
		require.Contains(t, b.log.String(), `"for":"5s"`)
		require.Contains(t, b.log.String(), `"kind":"rate_limited"`)
	})
}

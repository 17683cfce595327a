package keeper

import (
	"context"
	"errors"
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
			require.Equal(t, 10*time.Second-leastCallTime, time.Since(began), "told while there is time to tell")
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
			require.NoError(t, b.read(leastCallTime/2))
		}
	})
}

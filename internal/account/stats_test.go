package account

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/stretchr/testify/require"
)

func TestAMeterCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		m := newMeter()
		require.Equal(t, Stats{Since: began, Failures: map[string]uint64{}}, m.snapshot())
		m.minted()
		time.Sleep(time.Minute)
		m.minted()
		for _, failure := range []error{
			krakenSays(kraken.KindUnavailable),
			krakenSays(kraken.KindInvalidKey),
			&keeper.RememberedError{Err: krakenSays(kraken.KindInvalidKey)},
			&keeper.HeldError{Wait: 3 * time.Second, Cause: krakenSays(kraken.KindLockout)},
			errors.New("something else"),
		} {
			time.Sleep(time.Minute)
			m.failed(failure)
		}
		stats := m.snapshot()
		require.Equal(t, Stats{
			Since:         began,
			Minted:        2,
			Failures:      map[string]uint64{"unavailable": 1, "invalid_key": 2, "held_back": 1, "other": 1},
			LastSuccess:   began.Add(time.Minute),
			LastError:     "something else",
			LastErrorKind: "other",
			LastErrorAt:   began.Add(6 * time.Minute),
		}, stats)
		m.failed(errDisk)
		require.EqualValues(t, 1, stats.Failures["other"], "it is a copy")
	})
}

func TestTheSameTroubleIsLoggedOnceAMinuteAndThenCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeter()
		for i, step := range []struct {
			pause time.Duration
			err   error
			times uint64
			log   bool
		}{
			{0, krakenSays(kraken.KindTimeout), 1, true},
			{0, krakenSays(kraken.KindTimeout), 0, false},
			{0, krakenSays(kraken.KindInvalidKey), 1, true},
			{time.Minute - 1, krakenSays(kraken.KindTimeout), 0, false},
			{1, krakenSays(kraken.KindTimeout), 3, true},
			{30 * time.Second, krakenSays(kraken.KindTimeout), 0, false},
			{time.Hour, krakenSays(kraken.KindTimeout), 2, true},
			{0, krakenSays(kraken.KindInvalidKey), 1, true},
		} {
			time.Sleep(step.pause)
			times, log := m.failed(step.err)
			require.Equal(t, step.log, log, "step %d", i)
			require.Equal(t, step.times, times, "step %d", i)
		}
	})
}

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

func TestMeterCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outcomes := []error{
			nil, nil,
			failure(kraken.KindUnavailable),
			failure(kraken.KindInvalidKey),
			&RememberedError{Err: failure(kraken.KindInvalidKey), Until: time.Now()},
			heldBack(3*time.Second, failure(kraken.KindLockout)),
			errors.New("something else"),
			context.Canceled,
		}
		n := 0
		began := time.Now()
		meter := NewMeter(SourceFunc(func(context.Context) (Token, error) {
			n++
			return Token{}, outcomes[n-1]
		}))
		require.Equal(t, Stats{Since: began, Failures: map[string]uint64{}}, meter.Stats())
		for range outcomes {
			_, _ = meter.Token(t.Context())
			time.Sleep(time.Minute)
		}
		require.Equal(t, Stats{
			Since:         began,
			Minted:        2,
			Failures:      map[string]uint64{"unavailable": 1, "invalid_key": 2, "held_back": 1, "other": 1},
			LastSuccess:   began.Add(time.Minute),
			LastError:     "something else",
			LastErrorKind: "other",
			LastErrorAt:   began.Add(6 * time.Minute),
		}, meter.Stats())
	})
}

func TestMeterStatsAreACopy(t *testing.T) {
	meter := NewMeter((&fakeKraken{answer: always(kraken.KindTimeout)}))
	stats := meter.Stats()
	_, err := meter.Token(t.Context())
	require.Error(t, err)
	require.Empty(t, stats.Failures)
}

func TestSnapshotPutsMeterAndReuseTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		meter := NewMeter(&fakeKraken{latency: fixed(time.Second)})
		reuse := NewReuse(time.Minute, meter)
		defer reuse.Close()
		readAll(t.Context(), reuse, 10)
		readAll(t.Context(), reuse, 5)
		stats := Snapshot(meter, reuse)
		require.EqualValues(t, 1, stats.Minted)
		require.EqualValues(t, 9, stats.Coalesced)
		require.EqualValues(t, 5, stats.CacheHits)
	})
}

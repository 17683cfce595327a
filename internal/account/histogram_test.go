package account

import (
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
)

func TestAHistogramCountsWhatIsNoLongerThanEachBound(t *testing.T) {
	var h histogram
	for _, took := range []time.Duration{0, 10 * time.Millisecond, 10*time.Millisecond + 1, time.Second, 30 * time.Second, 30*time.Second + 1, time.Hour} {
		h.observe(took)
	}
	s := h.snapshot()
	require.EqualValues(t, 7, s.Count)
	require.Equal(t, time.Hour+61*time.Second+20*time.Millisecond+2, s.Sum)
	for _, bucket := range s.Buckets {
		want := map[time.Duration]uint64{10 * time.Millisecond: 2, time.Second: 4, 2500 * time.Millisecond: 4, 5 * time.Second: 4, 10 * time.Second: 4, 30 * time.Second: 5}[bucket.Bound]
		if want == 0 {
			want = 3
		}
		require.Equal(t, want, bucket.Count, bucket.Bound)
	}
}

func TestCallsAndWaitsForTheTurnAreTimed(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		m.kraken.Misbehave(krakensim.Fault{Latency: 2 * time.Second})
		m.readers(3, "")()
		metrics := m.metrics()
		require.EqualValues(t, 3, metrics.Calls.Count)
		require.Equal(t, 6*time.Second, metrics.Calls.Sum)
		require.EqualValues(t, 3, metrics.Waits.Count)
		require.Equal(t, (0+2+4)*time.Second, metrics.Waits.Sum)

		m.kraken.Behave()
		m.kraken.Misbehave(krakensim.Fault{Refuse: true})
		m.readers(1, "")()
		metrics = m.metrics()
		require.EqualValues(t, 3, metrics.Calls.Count, "what isn't sent takes no time of Kraken's")
		require.Greater(t, metrics.Waits.Count, uint64(3))
	})
}

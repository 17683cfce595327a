package account

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestACachedReadCountsOnce(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldCacheTTL: "5m"})
		require.False(t, m.mustRead("").Cached)
		require.True(t, m.mustRead("").Cached)
		require.EqualValues(t, 1, m.status("").CacheHits)
		time.Sleep(fiveMinutes * 3 / 4)
		require.True(t, m.mustRead("").Cached)
		require.EqualValues(t, 2, m.status("").CacheHits, "one that is due for renewal, too")
		synctest.Wait()
		require.EqualValues(t, 2, m.status("").CacheHits, "and its renewal isn't one")
	})
}

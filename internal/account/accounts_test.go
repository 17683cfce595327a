package account

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
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

// The race is between the call on the wire, whose context ends, and its account, which ends as well.
func TestACallThatIsCutOffIsNoFailure(t *testing.T) {
	for range 200 {
		bubble(t, func(t *testing.T, m *mount) {
			m.elsewhere.Misbehave(krakensim.Fault{Hang: true})
			m.configure("", fields{FieldAPIURL: elsewhere})
			reader := m.readers(1, "")
			m.configure("")
			require.NoError(t, reader()[0].err)
			require.Empty(t, m.status("").Failures)
			require.Empty(t, m.log.String())
		})
	}
}

func TestCloseEndsWhatHangs(t *testing.T) {
	for range 200 {
		bubble(t, func(t *testing.T, m *mount) {
			m.kraken.Misbehave(krakensim.Fault{Hang: true})
			m.configure("")
			reader := m.readers(1, "")
			m.Close()
			require.Equal(t, ErrClosed, reader()[0].err)
			require.Empty(t, m.log.String())
			require.Empty(t, m.takeTold())
		})
	}
}

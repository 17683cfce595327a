package account

import (
	"runtime"
	"strconv"
	"strings"
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

// TestNothingIsKeptOfWhatIsGone counts the objects in memory.
func TestNothingIsKeptOfWhatIsGone(t *testing.T) {
	objects := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapObjects
	}
	for name, write := range map[string]func(t *testing.T, m *mount, i int){
		"pairs that are replaced": func(t *testing.T, m *mount, i int) {
			m.configure("", fields{FieldOTPPassword: strconv.Itoa(i)})
		},
		"configs that are deleted": func(t *testing.T, m *mount, i int) {
			m.configure("gone", fields{FieldAPIKey: "gone"})
			require.NoError(t, m.delete("gone"))
		},
		"places that are replaced": func(t *testing.T, m *mount, i int) {
			m.configure("", fields{FieldCACert: certificate(t) + strings.Repeat("\n", i%2+1) + strconv.Itoa(i)})
		},
		"pairs that couldn't be proved": func(t *testing.T, m *mount, i int) {
			require.Error(t, m.write("", pair(first, fields{FieldAPIURL: elsewhere})))
		},
		"configs that are read anew": func(t *testing.T, m *mount, i int) {
			m.status("")
			m.Invalidate("config")
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				m.elsewhere.Misbehave(krakensim.Fault{Body: "<html>"})
				m.configure("")
				rounds := func(n int) uint64 {
					for i := range n {
						write(t, m, i)
					}
					m.storage.takeUsed()
					m.forgetCalls()
					return objects()
				}
				before := rounds(50)
				const times = 300
				require.Less(t, int64(rounds(times)-before), int64(times/2), "objects that %d writes leave behind", times)
			})
		})
	}
}

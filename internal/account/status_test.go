package account

import (
	"context"
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
)

func TestStatusPutsTogetherWhatIsKnown(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		began := time.Now()
		m.configure("", fields{FieldCacheTTL: "1m"})
		require.Equal(t, Status{Stats: Stats{Since: began}}, m.status(""))

		m.kraken.Misbehave(krakensim.Fault{Latency: time.Second, Times: 1})
		m.readers(10, "")()
		m.readers(5, "")()
		minted := time.Now()
		require.Equal(t, Status{
			Stats: Stats{
				Since: began, Minted: 1, Fresh: 1, Cached: 5, Coalesced: 9, LastSuccess: minted, Calls: map[Call]uint64{{methodToken, Success}: 1},
			},
			CachedUntil: began.Add(tokenLife),
			CachedAge:   time.Second,
		}, m.status(""))
		require.EqualValues(t, 15, m.status("").Answered())

		m.kraken.Misbehave(krakensim.Fault{Errors: []string{"EGeneral:Temporary lockout"}})
		_, err := m.Mint(t.Context(), m.storage, "")
		require.Error(t, err)
		status := m.status("")
		require.Equal(t, minted.Add(15*time.Minute), status.Key.HeldUntil)
		require.Equal(t, map[string]uint64{"lockout": 1}, status.Failures)
		require.Equal(t, err.Error(), status.LastError)

		time.Sleep(time.Until(status.CachedUntil) - 1)
		status = m.status("")
		require.Equal(t, began.Add(tokenLife), status.CachedUntil, "though too old to be handed out")
		require.Equal(t, tokenLife-1, status.CachedAge)
		time.Sleep(time.Nanosecond)
		require.Zero(t, m.status("").CachedUntil)
		require.Zero(t, m.status("").CachedAge)
		require.Len(t, m.calls(), 2, "status asks nobody")
	})
}

func TestStatusCountsRefusedNonces(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		m.kraken.SetLastNonce(first.APIKey, uint64(time.Now().Add(30*time.Second).UnixNano()))
		m.mustRead("")
		status := m.status("")
		require.Positive(t, status.Key.NonceRefusals)
		require.Empty(t, status.Failures)
		require.EqualValues(t, status.Key.NonceRefusals, status.Calls[Call{methodToken, "invalid_nonce"}])
		require.EqualValues(t, 1, status.Calls[Call{methodToken, Success}])
	})
}

func TestWithoutACacheNoTokenIsCached(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldCacheTTL: "1m"})
		m.mustRead("")
		require.NoError(t, m.write("", fields{FieldCacheTTL: 0}))
		require.Zero(t, m.status("").CachedUntil)
	})
}

func TestOnlyAnAccountThatIsConfiguredHasAStatus(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		_, err := m.Status(t.Context(), m.storage, "desk-a")
		require.Equal(t, &NotConfiguredError{Account: "desk-a"}, err)
	})
}

func (m *mount) metrics() Metrics {
	m.t.Helper()
	metrics, err := m.Metrics(m.t.Context(), m.storage)
	require.NoError(m.t, err)
	return metrics
}

// names are the accounts that metrics tells of.
func (m Metrics) names() (names []string) {
	for _, status := range m.Accounts {
		names = append(names, status.Account)
	}
	return names
}

func TestMetricsTellOfTheAccountsThatRun(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		require.Equal(t, Metrics{Accounts: []Status{}, Calls: new(histogram).snapshot(), Waits: new(histogram).snapshot()}, m.metrics())
		m.configure("desk-b")
		require.NoError(t, m.write("", pair(second, unproved)))
		for _, name := range []string{"desk-a", "config", "desk-b-"} {
			_, err := m.read(name)
			require.Equal(t, &NotConfiguredError{Account: name}, err)
			require.Error(t, m.write(name, pair(first, unproved)), "its key is another account's")
		}
		m.mustRead("desk-b")
		metrics := m.metrics()
		require.Equal(t, []string{"", "desk-b"}, metrics.names(), "none that was only asked for")
		require.Equal(t, []Status{m.status(""), m.status("desk-b")}, metrics.Accounts, "it is what status tells")
		require.Equal(t, 2, metrics.Configured)
		require.Equal(t, 2, metrics.Keepers)
		require.EqualValues(t, 1, metrics.Calls.Count)
		require.EqualValues(t, 1, metrics.Waits.Count)

		m.Close()
		_, err := m.Metrics(t.Context(), m.storage)
		require.Equal(t, ErrClosed, err)
		m.start(time.Now)
		require.Empty(t, m.metrics().names(), "none was used since the start")
		require.Equal(t, 2, m.metrics().Configured)
	})
}

func TestADeletedAccountLeavesNoCounts(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("desk-a")
		m.mustRead("desk-a")
		held, err := m.hold("desk-a") // by another request
		require.NoError(t, err)
		defer m.drop(held)
		require.NoError(t, m.delete("desk-a"))
		require.Empty(t, m.metrics().names())
		require.Zero(t, m.metrics().Configured)
		time.Sleep(time.Minute)
		m.configure("desk-a")
		m.mustRead("desk-a")
		require.EqualValues(t, 1, m.status("desk-a").Minted)
	})
}

func TestStorageThatFailsOrHangsDoesNotHideTheMetrics(t *testing.T) {
	for what, trouble := range map[string]struct {
		what  string
		goes  misbehaviour
		takes time.Duration
	}{
		"the list fails":          {"list", fails, 0},
		"the list hangs":          {"list", hangs, countTimeout},
		"the default one's fails": {"get config", fails, 0},
	} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				m.configure("")
				m.mustRead("")
				m.storage.misbehave(trouble.what, trouble.goes)
				began := time.Now()
				require.Equal(t, -1, m.metrics().Configured)
				require.Equal(t, trouble.takes, time.Since(began))
				require.Equal(t, []string{""}, m.metrics().names())
			})
		})
	}
}

func TestMetricsWaitForNobody(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		m.kraken.Misbehave(krakensim.Fault{Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		reads := together(3, func() (Token, error) { return m.Token(ctx, m.storage, "") })
		time.Sleep(time.Second)
		began := time.Now()
		metrics := m.metrics()
		require.Zero(t, time.Since(began))
		require.Equal(t, 2, metrics.Accounts[0].Key.Waiting)
		reads()
	})
}

func TestStatusTellsWhenTheKeyExpiresOnceKrakenWasAsked(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		expires := time.Now().Add(30 * 24 * time.Hour).UTC()
		expiring := first
		expiring.ValidUntil = expires
		m.kraken.SetKey(expiring)
		m.configure("")
		ask := func() time.Time {
			_, err := m.KeyInfo(t.Context(), m.storage, "")
			require.NoError(t, err)
			return m.status("").KeyExpires
		}
		m.mustRead("")
		require.Zero(t, m.status("").KeyExpires)
		require.Equal(t, expires, ask())
		require.NoError(t, m.write("", pair(first, unproved, fields{FieldOTPPassword: "x"})))
		require.Equal(t, expires, m.status("").KeyExpires, "it is the same key")
		require.NoError(t, m.write("", pair(second, unproved)))
		require.Zero(t, m.status("").KeyExpires)
		require.Zero(t, ask(), "it doesn't expire")
	})
}

package account

import (
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
)

func TestStatusPutsTogetherWhatIsKnown(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		began := time.Now()
		m.configure("", fields{FieldCacheTTL: "1m"})
		require.Equal(t, Status{Stats: Stats{Since: began, Failures: map[string]uint64{}}}, m.status(""))

		m.kraken.Misbehave(krakensim.Fault{Latency: time.Second, Times: 1})
		m.readers(10, "")()
		m.readers(5, "")()
		minted := time.Now()
		require.Equal(t, Status{
			Stats:       Stats{Since: began, Minted: 1, Failures: map[string]uint64{}, LastSuccess: minted},
			CacheHits:   5,
			Coalesced:   9,
			CachedUntil: began.Add(tokenLife),
		}, m.status(""))

		m.kraken.Misbehave(krakensim.Fault{Errors: []string{"EGeneral:Temporary lockout"}})
		_, err := m.Mint(t.Context(), m.storage, "")
		require.Error(t, err)
		status := m.status("")
		require.Equal(t, minted.Add(15*time.Minute), status.Key.HeldUntil)
		require.Equal(t, map[string]uint64{"lockout": 1}, status.Failures)
		require.Equal(t, err.Error(), status.LastError)

		time.Sleep(time.Until(status.CachedUntil) - 1)
		require.Equal(t, status.CachedUntil, m.status("").CachedUntil, "though too old to be handed out")
		time.Sleep(time.Nanosecond)
		require.Zero(t, m.status("").CachedUntil)
		require.Len(t, m.calls(), 2, "status asks nobody")
	})
}

func TestStatusCountsRefusedNonces(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		m.kraken.SetLastNonce(first.APIKey, uint64(time.Now().Add(30*time.Second).UnixNano()))
		m.mustRead("")
		require.Positive(t, m.status("").Key.NonceRefusals)
		require.Empty(t, m.status("").Failures)
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

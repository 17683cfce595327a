package account

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
)

func TestADisabledAccountHandsOutNothingAndAsksNothing(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("desk-a", fields{FieldCacheTTL: "5m"})
		token := m.mustRead("desk-a")
		m.kraken.ForgetCalls()
		require.NoError(t, m.write("desk-a", fields{FieldDisabled: true}))
		for _, ask := range []func() error{
			func() error { _, err := m.Token(t.Context(), m.storage, "desk-a"); return err },
			func() error { _, err := m.Mint(t.Context(), m.storage, "desk-a"); return err },
			func() error { _, err := m.KeyInfo(t.Context(), m.storage, "desk-a"); return err },
		} {
			require.Equal(t, &DisabledError{Account: "desk-a"}, ask())
		}
		_, err := m.Status(t.Context(), m.storage, "desk-a")
		require.NoError(t, err)
		require.NoError(t, m.write("desk-a", fields{FieldCacheTTL: "6m"}))
		require.NoError(t, m.write("desk-a", pair(second)), "a pair written meanwhile isn't proved")
		require.Empty(t, m.calls())
		require.Equal(t, true, m.stored("desk-a").Shown()[FieldDisabled])

		require.NoError(t, m.write("desk-a", pair(second, fields{FieldDisabled: false})))
		require.Empty(t, m.calls(), "to enable it asks nothing")
		require.NotEqual(t, token.Value, m.mustRead("desk-a").Value, "no token from before is handed out")
	})
}

func TestThePairCanBeProvedWhileItIsEnabled(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldDisabled: true})
		require.NoError(t, m.write("", fields{FieldDisabled: false, FieldVerify: true}))
		require.Len(t, m.calls(), 1)
	})
}

func TestThoseWhoWaitAreToldThatTheAccountWasDisabled(t *testing.T) {
	for name, cacheTTL := range map[string]string{"without a cache": "0", "with one": "5m"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				m.configure("", fields{FieldCacheTTL: cacheTTL})
				m.kraken.Misbehave(krakensim.Fault{Latency: 3 * time.Second, Times: 1})
				wait := together(5, func() (Token, error) { return m.Token(t.Context(), m.storage, "") })
				synctest.Wait()
				require.NoError(t, m.write("", fields{FieldDisabled: true}))
				for _, answer := range wait() {
					require.Equal(t, &DisabledError{}, answer.err)
				}
				time.Sleep(time.Hour)
				require.Len(t, m.calls(), 1, "what is on its way may arrive; nothing more is asked")
			})
		})
	}
}

func TestADisabledAccountRenewsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldCacheTTL: "4m"})
		m.mustRead("")
		time.Sleep(3*time.Minute + time.Second)
		m.kraken.Misbehave(krakensim.Fault{Errors: []string{"EService:Unavailable"}})
		m.mustRead("") // begins a renewal, which tries again and again
		synctest.Wait()
		require.NoError(t, m.write("", fields{FieldDisabled: true}))
		tried := len(m.calls())
		time.Sleep(time.Hour)
		require.Len(t, m.calls(), tried)
	})
}

func TestAProofThatWasUnderWayLeavesNoTokenInADisabledAccount(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("a", fields{FieldCacheTTL: "5m"})
		m.mustRead("a")
		m.kraken.Misbehave(krakensim.Fault{Latency: 2 * time.Second, Times: 1})
		w := together(1, func() (Token, error) { return Token{}, m.write("a", pair(second)) })
		time.Sleep(time.Second)
		require.NoError(t, m.write("a", fields{FieldDisabled: true}))
		require.NoError(t, w()[0].err)
		require.True(t, m.stored("a").Disabled)
		token, err := m.read("a")
		require.Error(t, err, "handed out %q cached %v", token.Value, token.Cached)
	})
}

// TestAProofUnderWayEndsWhenTheAccountIsDisabled: what is on its way may arrive, but it is not tried again.
func TestAProofUnderWayEndsWhenTheAccountIsDisabled(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("a")
		m.kraken.Misbehave(krakensim.Fault{Status: 503})
		w := together(1, func() (Token, error) { return Token{}, m.write("a", pair(second, fields{FieldRequestTimeout: 30})) })
		time.Sleep(100 * time.Millisecond)
		require.NoError(t, m.write("a", fields{FieldDisabled: true}))
		m.forgetCalls()
		w()
		require.Empty(t, m.calls())
	})
}

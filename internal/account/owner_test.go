package account

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
)

// TestAClaimThatWasNeverProvedYields: whoever only knows a public key can't keep it out of the account of whoever has the pair.
func TestAClaimThatWasNeverProvedYields(t *testing.T) {
	squat := krakensim.Key{APIKey: first.APIKey, APISecret: otherSecret}
	bubble(t, func(t *testing.T, m *mount) {
		require.NoError(t, m.write("squatter", pair(squat, unproved)))
		var inUse *KeyInUseError
		require.ErrorAs(t, m.write("owner", pair(first, unproved)), &inUse, "but not to another that isn't proved")
		_, err := m.Token(t.Context(), m.storage, "squatter")
		require.Error(t, err)
		require.NoError(t, m.write("owner", pair(first)))
		m.mustRead("owner")
		time.Sleep(time.Minute) // the refusal of the squatter's own credentials is forgotten
		for range 2 {
			_, err = m.Token(t.Context(), m.storage, "squatter")
			require.ErrorAs(t, err, &inUse)
			require.True(t, inUse.Lost)
		}
		require.ErrorAs(t, m.write("squatter", pair(squat, fields{FieldCacheTTL: "5m"})), &inUse)
		require.ErrorAs(t, m.write("squatter", pair(first)), &inUse, "a proved claim yields to nobody")
		m.requireAgreement("owner")

		require.NoError(t, m.delete("owner"))
		time.Sleep(time.Minute)
		m.kraken.ForgetCalls()
		_, err = m.Token(t.Context(), m.storage, "squatter")
		require.Error(t, err)
		require.Len(t, m.calls(), 1, "the key is its own again, for what it is worth")
		require.NoError(t, m.write("owner", pair(first)), "which isn't more than before")
	})
}

func TestAClaimIsProvedByReadsAndOutlastsTheProcess(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("a") // unproved
		m.mustRead("a")
		var inUse *KeyInUseError
		require.ErrorAs(t, m.write("b", pair(first)), &inUse)
		time.Sleep(2 * time.Minute)
		m.mustRead("a")
		require.NoError(t, m.write("a", fields{FieldCacheTTL: "1m"}), "other fields are no matter")
		m.Close()
		m.start(nil)
		require.ErrorAs(t, m.write("b", pair(first)), &inUse)
		require.NoError(t, m.write("a", pair(krakensim.Key{APIKey: first.APIKey, APISecret: otherSecret}, unproved)))
		require.NoError(t, m.write("b", pair(first)), "other credentials are")
		m.requireAgreement("b")
	})
}

// TestAClaimLostWhileTheOwnerIsStoredStays: a read by whoever had the key before must not take it back meanwhile.
func TestAClaimLostWhileTheOwnerIsStoredStays(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		require.NoError(t, m.write("squatter", pair(krakensim.Key{APIKey: first.APIKey, APISecret: otherSecret}, unproved)))
		_, _ = m.Token(t.Context(), m.storage, "squatter") // it runs
		time.Sleep(time.Minute)
		m.storage.misbehave("put config/owner", before(func() {
			_, err := m.Token(t.Context(), m.storage, "squatter")
			var inUse *KeyInUseError
			require.ErrorAs(t, err, &inUse)
		}))
		require.NoError(t, m.write("owner", pair(first)))
		m.mustRead("owner")
	})
}

// TestWhoProvesThePairWaitsForASquatterWhoStores: however often that one stores, whoever has proved the pair has a turn.
func TestWhoProvesThePairWaitsForASquatterWhoStores(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		squat := krakensim.Key{APIKey: first.APIKey, APISecret: otherSecret}
		m.storage.misbehave("put config/squatter", blocks(time.Second))
		write := together(1, func() (Token, error) { return Token{}, m.write("squatter", pair(squat, unproved)) })
		synctest.Wait()
		var inUse *KeyInUseError
		require.ErrorAs(t, m.write("another", pair(first, unproved)), &inUse)
		require.NoError(t, m.write("owner", pair(first)))
		require.NoError(t, write()[0].err)
		m.requireAgreement("owner")
		require.Empty(t, m.storing)

		write = together(1, func() (Token, error) { return Token{}, m.write("squatter", pair(second, unproved)) })
		synctest.Wait()
		ctx, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer leave()
		_, _, err := m.writeAs(ctx, "owner", pair(second))
		require.ErrorIs(t, err, context.DeadlineExceeded, "the wait ends with its caller")
		require.NoError(t, write()[0].err)
	})
}

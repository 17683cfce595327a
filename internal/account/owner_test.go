package account

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
)

// squat is a pair with another's public key, by somebody who doesn't know the private one.
// TestAClaimThatWasNeverProvedYields: whoever only knows a public key can't keep it out of the account of whoever has the pair.
func TestAClaimThatWasNeverProvedYields(t *testing.T) {
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

// TestNoLoopOfClaimsKeepsTheOwnerOut: whoever stores an unproved claim again and again, by many requests at once, doesn't keep out who proves the pair.
func TestNoLoopOfClaimsKeepsTheOwnerOut(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.storage.misbehave("put config/squatter", blocks(100*time.Millisecond))
		stop := make(chan struct{})
		var squatters sync.WaitGroup
		for i := range 10 {
			squatters.Go(func() {
				for loop := 0; ; loop++ {
					select {
					case <-stop:
						return
					case <-time.After(time.Millisecond):
						_ = m.write("squatter", pair(squat, unproved, fields{FieldCacheTTL: fmt.Sprint(i*10 + loop%10)}))
					}
				}
			})
		}
		time.Sleep(time.Second)
		began := time.Now()
		require.NoError(t, m.write("owner", pair(first)))
		for loop := range 10 {
			require.NoError(t, m.write("owner", fields{FieldCacheTTL: fmt.Sprint(loop)}), "nor does it stand in the way of later writes")
		}
		require.Less(t, time.Since(began), 5*time.Second)
		close(stop)
		squatters.Wait()
		m.mustRead("owner")
		require.Empty(t, m.storing)
	})
}

// TestReadsOfALostClaimDisturbNoWrite: whoever had the key before asks whether it is free again, which must not make the owner's writes fail.
func TestReadsOfALostClaimDisturbNoWrite(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		require.NoError(t, m.write("squatter", pair(squat, unproved)))
		require.NoError(t, m.write("owner", pair(first)))
		m.storage.misbehave("get config/owner", blocks(100*time.Millisecond))
		stop := make(chan struct{})
		var readers sync.WaitGroup
		for range 10 {
			readers.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(time.Millisecond):
						_, err := m.Token(t.Context(), m.storage, "squatter")
						var inUse *KeyInUseError
						require.ErrorAs(t, err, &inUse)
					}
				}
			})
		}
		for loop := range 10 {
			require.NoError(t, m.write("owner", fields{FieldCacheTTL: fmt.Sprint(loop + 1)}))
			m.mustRead("owner")
		}
		close(stop)
		readers.Wait()
	})
}

// TestALostClaimHasNoSayInTheKeysTier, nor does whoever has it see how the key is doing.
func TestALostClaimHasNoSayInTheKeysTier(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		require.NoError(t, m.write("squatter", pair(squat, unproved, fields{FieldTier: "none"})))
		require.NoError(t, m.write("owner", pair(first, fields{FieldTier: "starter"})))
		for range 2 {
			m.Close()
			m.start(time.Now)
			m.mustRead("owner")
			_, _ = m.Token(t.Context(), m.storage, "squatter")
			require.Zero(t, m.status("squatter").Key)
			key := m.status("owner").Key
			require.True(t, key.Counted)
			require.Equal(t, 13, key.CallsLeft)
			time.Sleep(time.Minute)
		}
	})
}

// TestAProofByALostClaimHoldsTheTurnNoLongerThanAnybodyElses, whatever request_timeout it was stored with.
func TestAProofByALostClaimHoldsTheTurnNoLongerThanAnybodyElses(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		require.NoError(t, m.write("squatter", pair(squat, unproved, fields{FieldRequestTimeout: "55s"})))
		require.NoError(t, m.write("owner", pair(first)))
		require.NoError(t, m.write("owner", pair(first, unproved, fields{FieldOTPPassword: "another"})), "which isn't proved")
		m.kraken.Misbehave(krakensim.Fault{Hang: true})
		began := time.Now()
		require.Error(t, m.write("squatter", fields{FieldVerify: true}))
		require.LessOrEqual(t, time.Since(began), longestProof)
		m.kraken.Behave()
	})
}

var squat = krakensim.Key{APIKey: first.APIKey, APISecret: otherSecret}

func TestAClaimThatCantBeStoredProvesNobody(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		require.NoError(t, m.write("squatter", pair(squat, unproved)))
		_, _ = m.read("squatter")
		m.storage.misbehave("put nonce/", once(fails))
		require.Error(t, m.write("owner", pair(first)))
		require.NoError(t, m.write("owner", pair(first)))
	})
}

func TestACallThatWasUnderWayBeforeProvesNoLaterClaim(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		require.NoError(t, m.write("owner", pair(first)))
		m.mustRead("owner")
		m.kraken.Misbehave(krakensim.Fault{Latency: 5 * time.Second, Times: 1})
		r := together(1, func() (Token, error) { return m.read("owner") })
		time.Sleep(time.Second)
		require.NoError(t, m.delete("owner"))
		require.NoError(t, m.write("squatter", pair(squat, unproved)))
		r()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.NoError(t, m.write("owner", pair(first)))
	})
}

package account

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
)

// squat is a pair with another's public key, by somebody who doesn't know the private one.
var squat = krakensim.Key{APIKey: first.APIKey, APISecret: otherSecret}

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

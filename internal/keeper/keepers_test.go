package keeper

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// Trap: after Close, nothing begins. Whoever waits is told at once, wherever it waits.
func TestCloseAnswersAllWhoWaitAndAllWhoCome(t *testing.T) {
	cases := map[string]func(t *testing.T, b *bench) <-chan error{
		"for the turn": func(t *testing.T, b *bench) <-chan error {
			b.begin(within(t, time.Minute), tokenUse, hang)
			return b.begin(within(t, time.Minute), tokenUse, b.kraken.call)
		},
		"with the turn, for the counter": func(t *testing.T, b *bench) <-chan error {
			b.SetTier(TierStarter)
			for range 14 {
				require.NoError(t, b.read(time.Second))
			}
			return b.begin(within(t, time.Minute), tokenUse, b.kraken.call)
		},
		"with the turn, for the end of a hold-off": func(t *testing.T, b *bench) <-chan error {
			b.kraken.answer = first(failed(kraken.KindRateLimited))
			require.Error(t, b.read(time.Second))
			return b.begin(within(t, time.Minute), tokenUse, b.kraken.call)
		},
		"with the turn, for the store": func(t *testing.T, b *bench) <-chan error {
			b.store.takes = 1
			return b.begin(within(t, time.Minute), tokenUse, b.kraken.call)
		},
		"for another proof": func(t *testing.T, b *bench) <-chan error {
			b.begin(within(t, time.Minute), proof(tokenUse), hang)
			return b.begin(within(t, time.Minute), proof(tokenUse), b.kraken.call)
		},
	}
	for name, wait := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{})
				waits := wait(t, b)
				calls := b.kraken.made()
				began := time.Now()
				b.keepers.Close()
				b.keepers.Close()
				require.Equal(t, ErrClosed, <-waits)
				require.LessOrEqual(t, time.Since(began), 2*time.Nanosecond)
				for _, use := range []Use{tokenUse, infoUse, proof(tokenUse), beside(elsewhereUse)} {
					if name == "for another proof" && use.Proof {
						continue // it waits for the proof under way, until the test's clock moves on
					}
					require.Equal(t, ErrClosed, b.do(use, time.Second))
				}
				require.Equal(t, calls, b.kraken.made())
				_, err := b.keepers.Hold("example-api-key", b.store)
				require.Equal(t, ErrClosed, err)
				require.Zero(t, b.keepers.Len())
				b.keepers.Release(b.Keeper)
				require.Zero(t, b.keepers.Len())
			})
		})
	}
}

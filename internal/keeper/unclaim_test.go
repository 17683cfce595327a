package keeper

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/stretchr/testify/require"
)

func TestUnclaimDeletesOnlyWhatMeansNothing(t *testing.T) {
	cases := map[string]struct {
		stored  bool
		before  Record
		account string
		deletes int
	}{
		"never used":          {true, Record{Account: "desk"}, "desk", 1},
		"used":                {true, Record{Account: "desk", Ceiling: 1}, "desk", 0},
		"never accepted":      {true, Record{Account: "desk", Ceiling: 1, Unaccepted: true}, "desk", 1},
		"ahead of the clock":  {true, Record{Account: "desk", Ceiling: math.MaxUint64, Unaccepted: true}, "desk", 0},
		"another account's":   {true, Record{Account: "desk"}, "", 0},
		"not stored":          {false, Record{}, "", 0},
		"the default account": {true, Record{}, "", 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBenchOver(t, &fakeKraken{}, &fakeStore{stored: c.stored, record: c.before})
				require.NoError(t, b.Unclaim(t.Context(), c.account))
				require.Equal(t, c.deletes, b.store.deletes)
				_, ok, err := b.Owner(t.Context())
				require.NoError(t, err)
				require.Equal(t, c.stored && c.deletes == 0, ok)
				require.NoError(t, b.Unclaim(t.Context(), c.account))
				require.Equal(t, c.deletes, b.store.deletes)
			})
		})
	}
}

// TestAKeyThatKrakenHasAcceptedKeepsItsRecord, whoever claims it then.
func TestAKeyThatKrakenHasAcceptedKeepsItsRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBenchOver(t, &fakeKraken{answer: first(failed(kraken.KindInvalidKey), nil)}, &fakeStore{})
		require.NoError(t, b.Claim(t.Context(), "desk", false))
		require.Error(t, b.read(time.Second))
		require.True(t, b.store.record.Unaccepted)
		time.Sleep(refusalMemory)
		require.NoError(t, b.read(time.Second))
		require.NoError(t, b.read(time.Second))
		require.False(t, b.store.record.Unaccepted, "the call after the first good one stores it")
		require.NoError(t, b.Claim(t.Context(), "another", false))
		require.NoError(t, b.Unclaim(t.Context(), "another"))
		require.Zero(t, b.store.deletes)
	})
}

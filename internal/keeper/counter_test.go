package keeper

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Kraken forgets nothing when a config names another tier, whichever is the stricter.
func TestCounterKeepsItsCountOverAChangeOfTier(t *testing.T) {
	cases := map[string]struct {
		before, after string
		calls         int
		left          float64
	}{
		"nothing counted":                  {TierStarter, TierPro, 0, 17},
		"to more calls":                    {TierStarter, TierPro, 14, 3},
		"to fewer calls":                   {TierPro, TierStarter, 10, 4},
		"to fewer calls than were counted": {TierPro, TierStarter, 17, -3},
		"to none":                          {TierPro, TierNone, 17, math.MaxInt32},
		"from none":                        {TierNone, TierIntermediate, 1000, 18},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{})
				b.SetTier(c.before)
				for range c.calls {
					require.NoError(t, b.read(time.Second))
				}
				b.SetTier(c.after)
				require.InDelta(t, c.left, b.left(), 1e-9)
			})
		})
	}
}

func TestPartOfACountedCallIsCountedWholeInAnotherTier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		b.SetTier(TierPro)
		require.NoError(t, b.read(time.Second))
		require.NoError(t, b.read(time.Second))
		time.Sleep(500 * time.Millisecond)
		b.SetTier(TierIntermediate)
		require.InDelta(t, 16, b.left(), 1e-9)
		time.Sleep(2 * time.Second)
		require.InDelta(t, 17, b.left(), 1e-9, "it decays as the new tier has it")
	})
}

package keeper

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A caller that needn't wait goes whatever it has left, so that a slow answer once can't keep all later ones out.
func TestCallerWithLittleTimeGoesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{latency: fixed(30 * time.Second)})
		require.NoError(t, b.read(time.Minute))
		b.kraken.latency = nil
		for range 200 {
			require.NoError(t, b.read(leastCallTime/2))
		}
	})
}

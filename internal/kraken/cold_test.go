package kraken

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWhatACallCostsInRoundTrips: over a connection that is kept, one; over a new one, those of TCP and of TLS 1.3 as well.
func TestWhatACallCostsInRoundTrips(t *testing.T) {
	const roundTrip = 40 * time.Millisecond
	for protocol, isHTTP2 := range protocols {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, client := startNetwork(t, isHTTP2, saying(http.StatusOK, goodAnswer))
				n.roundTrip(roundTrip)
				call := func(roundTrips int, when string) {
					t.Helper()
					took, err := callWithin(t, client, 10*time.Second)
					require.NoError(t, err)
					assert.Equal(t, time.Duration(roundTrips)*roundTrip, took, when)
				}
				call(3, "the first")
				call(1, "over the connection that is kept")
				n.hangUp()
				time.Sleep(15 * time.Minute)
				call(3, "long after Kraken has closed it")
				n.hangUp()
				time.Sleep(roundTrip)
				call(3, "just after")
				time.Sleep(91 * time.Second)
				call(3, "after it was closed here, because it was idle")
			})
		})
	}
}

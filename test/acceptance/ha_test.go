package acceptance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Three servers, whose leader dies three times while all are read from, standbys too, which forward: another one takes
// over, and goes on with the nonce.
func TestHighAvailability(t *testing.T) {
	c := startCluster(t, setup{storage: onDisk, servers: 3})
	c.enable(t)
	key := c.configure(t, "", nil)

	var gaps []string
	for i, title := range []string{"the leader is killed -9", "the leader, its clock 30 s ahead, is killed", "the leader is killed again"} {
		c.waitForVoters(t)
		// While there is no leader, a standby answers 500 ("local node not active but active cluster node not found", or
		// that it can't reach it), or 503 while it is sealed, and the dead server doesn't answer at all.
		c.underLoad(t, title, []string{"500", "503", noConnection}, func(load *load) {
			leader := c.leader(t)
			leader.kill()
			killed := time.Now()
			if i == 1 {
				c.kraken.SetLastNonce(key.APIKey, uint64(time.Now().Add(30*time.Second).UnixNano()))
			}
			load.wait(answered, killed)
			gaps = append(gaps, fmt.Sprintf("%.1f s", load.first(answered, killed).Sub(killed).Seconds()))
			assert.NotEqual(t, leader, c.leader(t))

			require.NoError(t, leader.start())
			leader.unseal(t, c.unsealKey)
		})
	}
	// The stored ceiling is up to a minute ahead of the clock. Where it was less than those 30 s, Kraken refused four nonces, each further ahead than
	// the one before, and took the fifth; the reader noticed nothing.
	calls := c.assertIntact(t, 4)
	t.Logf("%s\nfrom the kill to the first read answered by another leader: %s\nKraken saw %d requests, each with a higher nonce than the one before",
		table(c.loads), strings.Join(gaps, ", "), calls)
}

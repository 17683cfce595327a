package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Which node's audit log has a read of a token: the active one's, whichever node was asked. A standby that forwards a
// request logs nothing of it. After another node has taken over, reads are in that node's log, under the same hashes.
func TestTheActiveNodeAuditsEachRead(t *testing.T) {
	c := startCluster(t, setup{storage: onDisk, servers: 2})
	c.enable(t)
	c.configure(t, "", nil)
	c.waitForVoters(t)
	// A path that isn't absolute is another file for each server. The evidence is in one that all write to.
	require.NoError(t, c.leader(t).client.Sys().EnableAuditWithOptions("each", &api.EnableAuditOptions{
		Type: "file", Options: map[string]string{"file_path": "audit.log"},
	}))
	for range c.servers {
		active := c.leader(t)
		for _, asked := range c.servers {
			read, err := asked.client.Logical().Read("kraken/ws-token")
			require.NoError(t, err)
			token := read.Data["token"].(string)
			require.NoError(t, c.evidence.addSecret(token))
			hash, err := asked.client.Sys().AuditHash("each", token)
			require.NoError(t, err)
			for _, s := range c.servers {
				log, err := os.ReadFile(filepath.Join(s.dir, "audit.log"))
				if s == active {
					require.NoError(t, err)
				}
				assert.Equal(t, s == active, strings.Contains(string(log), hash), "the token that %s was asked for is in the log of %s", asked.address, s.address)
			}
		}
		require.NoError(t, active.client.Sys().StepDown())
		waitUntil(t, "another server is active", func() error {
			if c.leader(t) == active {
				return os.ErrExist
			}
			return nil
		})
	}
}

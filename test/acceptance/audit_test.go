package acceptance

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Which node's audit log has a read of a token: the active one's, whichever node was asked. A standby that forwards a
// request logs nothing of it. Once another node has taken over, reads are in that one's log, hashed with the same key.
func TestTheActiveNodeAuditsEachRead(t *testing.T) {
	c := startCluster(t, setup{storage: onDisk, servers: 2})
	c.enable(t)
	c.configure(t, "", nil)
	c.waitForVoters(t)
	first := c.leader(t)
	// A path that isn't absolute is another file for each server. (The evidence is in a file that all write to.)
	require.NoError(t, first.client.Sys().EnableAuditWithOptions("own", &api.EnableAuditOptions{
		Type: "file", Options: map[string]string{"file_path": "audit.log"},
	}))
	assertAudits := func(active *server) {
		for _, asked := range c.servers {
			read, err := asked.client.Logical().Read("kraken/ws-token")
			require.NoError(t, err)
			hash, err := asked.client.Sys().AuditHash("own", read.Data["token"].(string))
			require.NoError(t, err)
			for _, s := range c.servers {
				log, err := os.ReadFile(filepath.Join(s.dir, "audit.log"))
				if !errors.Is(err, os.ErrNotExist) {
					require.NoError(t, err)
				}
				assert.Equal(t, s == active, strings.Contains(string(log), hash),
					"the token that %s handed out is in the log of %s", asked.address, s.address)
			}
		}
	}
	assertAudits(first)
	earlier := filepath.Join(first.dir, "audit.log")
	require.FileExists(t, earlier)

	require.NoError(t, first.client.Sys().StepDown())
	waitUntil(t, "another server is active", func() error {
		if c.leader(t) == first {
			return errors.New("the same one is")
		}
		return nil
	})
	second := c.leader(t)
	assertAudits(second)

	// The hash of one thing is the same before and after, so one hash finds it in all logs.
	hash, err := second.client.Sys().AuditHash("own", c.rootToken)
	require.NoError(t, err)
	for _, s := range c.servers {
		log, err := os.ReadFile(filepath.Join(s.dir, "audit.log"))
		require.NoError(t, err)
		assert.Contains(t, string(log), hash, "in the log of %s", s.address)
	}
}

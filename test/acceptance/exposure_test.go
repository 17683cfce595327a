package acceptance

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWhatTheProcessShows reads a thousand tokens and then looks at what anybody on the host may see of the plugin's process:
// arguments, environment and open files hold no secret, and it has written no file.
func TestWhatTheProcessShows(t *testing.T) {
	if !hasProc() {
		t.Skip("needs /proc")
	}
	c := startCluster(t, setup{storage: inMemory})
	c.enable(t)
	c.configure(t, "cached", map[string]any{"cache_ttl": "5m"})
	c.configure(t, "uncached", nil)
	server := c.servers[0]
	plugin := server.plugin(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for i := range 1000 {
		token, err := server.client.Logical().ReadWithContext(ctx, "kraken/ws-token/"+[]string{"cached", "uncached"}[i%2])
		require.NoError(t, err)
		if i%100 == 0 {
			require.NoError(t, c.evidence.addSecret(token.Data["token"].(string)))
		}
	}
	secrets, err := c.evidence.secrets()
	require.NoError(t, err)
	require.Len(t, secrets, 16, "two of each key pair, the unseal key, the root token, ten tokens")

	// The cluster sees to it that none of these is in what the process shows then, or in a log.
	files := plugin.openFiles()
	for _, file := range files {
		assert.NotRegexp(t, `^/(tmp|var|home|root|dev/shm)/.*[^.]*$`, strings.TrimPrefix(file, pluginDir), "an open file")
	}
	left, err := filepath.Glob(filepath.Join(pluginDir, "*"))
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Join(pluginDir, pluginName)}, left, "nothing is written beside the plugin")
	t.Logf("after 1000 reads: %d open files, %d threads, %d MiB resident", len(files), plugin.status(threadsLine), plugin.status(residentLine)>>10)
}

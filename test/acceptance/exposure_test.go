package acceptance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
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

// TestTheProcessEndsWithItsVault kills a Vault server alone, as the kernel does when memory is short: the plugin's process ends soon after, and with it the
// keys in its memory. While it runs, no crash leaves a copy of them.
func TestTheProcessEndsWithItsVault(t *testing.T) {
	if !hasProc() {
		t.Skip("needs /proc")
	}
	c := startCluster(t, setup{storage: onDisk})
	c.enable(t)
	c.configure(t, "", map[string]any{"request_timeout": "55s"})
	server := c.servers[0]
	plugin := server.plugin(t)
	limits, err := os.ReadFile(plugin.file("limits"))
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^Max core file size +0 +0 `, string(limits))

	// It doesn't wait for the call that it makes.
	c.kraken.Misbehave(krakensim.Fault{Hang: true})
	go func() { _, _ = server.client.Logical().Read("kraken/ws-token") }()
	waitUntil(t, "a call hangs", func() error {
		if len(c.kraken.Calls()) < 2 {
			return errors.New("none does")
		}
		return nil
	})
	server.killAlone(t)
	killed := time.Now()
	waitUntil(t, "the plugin has ended", func() error {
		if parent := plugin.parent(); parent != 0 {
			return fmt.Errorf("it runs on, and its parent is %d", parent)
		}
		return nil
	})
	took := time.Since(killed)
	assert.Less(t, took, 10*time.Second)
	t.Logf("the plugin ended %s after its Vault", took.Round(100*time.Millisecond))
	require.NoError(t, server.start())
	server.unseal(t, c.unsealKey)
	c.kraken.Behave()
	waitUntil(t, "another one answers", func() error {
		_, err := server.client.Logical().Read("kraken/ws-token")
		return err
	})
}

package acceptance

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Two versions of the plugin are registered side by side, and the mount is moved from one to the other and back while it
// is read from.
func TestUpgrade(t *testing.T) {
	plugins := t.TempDir()
	for _, version := range []string{"v0.0.1", "v0.0.2"} {
		flag := "-ldflags=-X github.com/krakensecrets/" + pluginName + ".Version=" + version
		require.NoError(t, build(filepath.Join(plugins, pluginName+"_"+version), "cmd/"+pluginName, flag))
	}
	c := startCluster(t, setup{storage: onDisk, plugins: plugins})
	c.enable(t, "-plugin-version=v0.0.1")
	c.configure(t, "", nil)
	require.Equal(t, "v0.0.1", c.runningVersion(t))
	for _, move := range []struct {
		to     string
		reload []string // a vault command
	}{
		// All mounts of the plugin, or one alone. ("vault plugin reload -mounts=kraken/" says the latter too, but that of
		// Vault 1.21 asks for a path that its server doesn't have.)
		{"v0.0.2", []string{"plugin", "reload", "-type=secret", "-plugin=" + pluginName}},
		{"v0.0.1", []string{"write", "sys/plugins/reload/backend", "mounts=kraken/"}},
	} {
		// A read that is under way when its process ends is answered 500 or 503, as when the plugin is killed.
		c.underLoad(t, "the mount is moved to "+move.to, []string{"500", "503"}, func(load *load) {
			c.servers[0].run(t, "secrets", "tune", "-plugin-version="+move.to, "kraken/")
			load.wait(answered, time.Now())
			c.servers[0].run(t, move.reload...)
			load.wait(answered, time.Now())
			assert.Equal(t, move.to, c.runningVersion(t))
		})
	}
	calls := c.assertIntact(t, 0)
	t.Logf("%s\nKraken saw %d requests, each with a higher nonce than the one before", table(c.loads), calls)
}

// runningVersion is which version of the plugin the mount runs.
func (c *cluster) runningVersion(t *testing.T) string {
	t.Helper()
	mount, err := c.servers[0].client.Sys().GetMount("kraken")
	require.NoError(t, err)
	return mount.RunningVersion
}

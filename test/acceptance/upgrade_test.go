package acceptance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Two versions of the plugin are registered side by side, and the mount is moved from one to the other and back while it
// is read from.
func TestUpgrade(t *testing.T) {
	plugins := t.TempDir()
	for _, version := range []string{"v0.0.1", "v0.0.2"} {
		require.NoError(t, buildPlugin(filepath.Join(plugins, pluginName+"_"+version), version))
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

// buildPlugin builds the plugin as another version.
func buildPlugin(output, version string) error {
	return build(output, "cmd/"+pluginName, "-ldflags=-X github.com/krakensecrets/"+pluginName+".Version="+version)
}

// cmdBuildPlugin is buildPlugin for scripts:
//
//	build-plugin VERSION FILE
func cmdBuildPlugin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: build-plugin VERSION FILE")
	}
	ts.Check(buildPlugin(ts.MkAbs(args[1]), args[0]))
}

// runningVersion is which version of the plugin the mount runs.
func (c *cluster) runningVersion(t *testing.T) string {
	t.Helper()
	mount, err := c.servers[0].client.Sys().GetMount("kraken")
	require.NoError(t, err)
	return mount.RunningVersion
}

// What v0.1.0 left in a mount's storage, this version reads. It lacks some fields, and may have a request_timeout that is too long by now.
func TestStorageOfTheFirstRelease(t *testing.T) {
	c := startCluster(t, setup{storage: inMemory + "\nraw_storage_endpoint = true\n"})
	c.enable(t)
	mount, err := c.servers[0].client.Sys().GetMount("kraken")
	require.NoError(t, err)
	text, err := os.ReadFile("../../internal/account/testdata/storage-v0.1.0.json")
	require.NoError(t, err)
	var fixture struct{ Entries map[string]json.RawMessage }
	require.NoError(t, json.Unmarshal(text, &fixture))
	key, err := c.newKey()
	require.NoError(t, err)
	fixture.Entries["config"], err = json.Marshal(map[string]any{
		"api_key": key.APIKey, "api_secret": key.APISecret, "api_url": c.line.URL(), "ca_cert": c.kraken.CACertPEM(),
		"request_timeout": 60, "cache_ttl": 0, "tier": "starter",
	})
	require.NoError(t, err)
	vault := c.servers[0].client.Logical()
	for entry, value := range fixture.Entries {
		_, err := vault.Write("sys/raw/logical/"+mount.UUID+"/"+entry, map[string]any{"value": string(value)})
		require.NoError(t, err)
	}

	read, err := vault.Read("kraken/config")
	require.NoError(t, err)
	assert.Equal(t, map[string]any{
		"api_key": key.APIKey, "two_factor": "none", "api_url": c.line.URL(), "ca_cert": c.kraken.CACertPEM(), "tier": "starter",
		"request_timeout": json.Number("55"), "cache_ttl": json.Number("0"), "websocket_url": "wss://ws-auth.kraken.com/v2", "disabled": false,
	}, read.Data, "when the pair was written isn't known")
	assert.Empty(t, read.Warnings)
	token, err := vault.Read("kraken/ws-token")
	require.NoError(t, err)
	assert.Equal(t, "wss://ws-auth.kraken.com/v2", token.Data["websocket_url"])

	// The others' Kraken isn't one that this mount allows. They say so, and stay until it does.
	read, err = vault.Read("kraken/config/desk-a")
	require.NoError(t, err)
	assert.Equal(t, "totp", read.Data["two_factor"])
	require.Len(t, read.Warnings, 1)
	assert.Contains(t, read.Warnings[0], "allowed_api_urls")
	_, err = vault.Read("kraken/ws-token/desk-a")
	assert.ErrorContains(t, err, "Code: 400")
	assert.ErrorContains(t, err, "vault secrets tune -options=allowed_api_urls=URL,URL kraken, and then: vault write sys/plugins/reload/backend mounts=kraken")

	c.write(t, "", map[string]any{"tier": "none"})
	c.write(t, "", map[string]any{"api_key": key.APIKey, "api_secret": key.APISecret})
	assert.NotContains(t, c.configs["kraken/config"], "pair_written_at", "the same pair was written")
	next, err := c.newKey()
	require.NoError(t, err)
	c.write(t, "", c.account(next, nil))
	assert.Contains(t, c.configs["kraken/config"], "pair_written_at")
	_, err = vault.Read("kraken/ws-token")
	require.NoError(t, err)
}

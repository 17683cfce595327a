package acceptance

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mounted is a Vault dev server with the engine at kraken/, and a simulator as Kraken.
type mounted struct {
	*vaultServer
	evidence evidence
	client   *api.Client
	kraken   *krakensim.Server
}

func startMounted(t *testing.T) *mounted {
	t.Helper()
	kraken, err := krakensim.Start(krakensim.Options{})
	require.NoError(t, err)
	t.Cleanup(kraken.Close)
	evidence := evidence(t.TempDir())
	vault, err := startVault(evidence)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, vault.stop()) })
	config := api.DefaultConfig()
	config.Address, config.MaxRetries = vault.address, 0
	client, err := api.NewClient(config)
	require.NoError(t, err)
	client.SetToken(vault.rootToken)
	require.NoError(t, client.Sys().Mount("kraken", &api.MountInput{Type: pluginName}))
	return &mounted{vaultServer: vault, evidence: evidence, client: client, kraken: kraken}
}

// write writes an account's config with a key pair of its own, which Kraken knows, and returns the pair.
func (m *mounted) write(t *testing.T, name string, fields map[string]any) krakensim.Key {
	t.Helper()
	pair, err := newPair(t.TempDir(), "", m.evidence, "password")
	require.NoError(t, err)
	require.NoError(t, m.evidence.addSecret(pair.OTPPassword))
	m.kraken.SetKey(pair)
	data := map[string]any{
		"api_key": pair.APIKey, "api_secret": pair.APISecret, "otp_password": pair.OTPPassword,
		"api_url": m.kraken.RESTURL(), "tier": "none",
	}
	for field, value := range fields {
		data[field] = value
	}
	_, err = m.client.Logical().Write("kraken/config/"+name, data)
	require.NoError(t, err)
	return pair
}

// plugin is the process of the engine under this server: the one that runs the plugin's binary.
func (m *mounted) plugin(t *testing.T) procDir {
	t.Helper()
	var found []procDir
	require.Eventually(t, func() bool {
		found = slices.DeleteFunc(childrenOf(m.command.Process.Pid), func(p procDir) bool {
			exe, _ := os.Readlink(p.file("exe"))
			return filepath.Base(exe) != pluginName
		})
		return len(found) == 1
	}, startTimeout, 50*time.Millisecond, "one process of the plugin's")
	return found[0]
}

// TestWhatTheProcessShows reads a thousand tokens and then looks at what anybody on the host may see of the plugin's process:
// arguments, environment and open files hold no secret, and it has written no file.
func TestWhatTheProcessShows(t *testing.T) {
	if !hasProc() {
		t.Skip("needs /proc")
	}
	m := startMounted(t)
	m.write(t, "cached", map[string]any{"cache_ttl": "5m"})
	m.write(t, "uncached", nil)
	plugin := m.plugin(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for i := range 1000 {
		secret, err := m.client.Logical().ReadWithContext(ctx, "kraken/ws-token/"+[]string{"cached", "uncached"}[i%2])
		require.NoError(t, err)
		if i%100 == 0 {
			require.NoError(t, m.evidence.addLine(tokensFile, secret.Data["token"].(string)))
		}
	}
	secrets, err := m.evidence.lines(secretsFile)
	require.NoError(t, err)
	require.Len(t, secrets, 4)
	tokens, err := m.evidence.lines(tokensFile)
	require.NoError(t, err)
	forbidden := append(append(secrets, tokens...), m.rootToken)

	files := plugin.openFiles()
	seen := map[string][]byte{"open files": []byte(strings.Join(files, "\n"))}
	for _, name := range []string{"cmdline", "environ"} {
		seen[name], err = os.ReadFile(plugin.file(name))
		require.NoError(t, err)
		require.NotEmpty(t, seen[name])
	}
	log, err := os.ReadFile(m.evidence.file(vaultLog))
	require.NoError(t, err)
	seen["the log at trace level"] = bytes.ReplaceAll(log, []byte("Root Token: "+m.rootToken), nil)
	for name, text := range seen {
		for _, secret := range forbidden {
			assert.Empty(t, leak(text, secret), name)
		}
	}
	for _, file := range files {
		assert.NotRegexp(t, `^/(tmp|var|home|root|dev/shm)/.*[^.]*$`, strings.TrimPrefix(file, pluginDir), "an open file")
	}
	left, err := filepath.Glob(filepath.Join(pluginDir, "*"))
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Join(pluginDir, pluginName)}, left, "nothing is written beside the plugin")
	t.Logf("after 1000 reads: %d open files, %d threads, %d MiB resident", len(files), plugin.status(threadsLine), plugin.status(residentLine)>>10)
}

package acceptance

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// cluster is one Vault server, or several that share their storage by raft, with the plugin registered, enabled and
// configured; and a simulated Kraken, over a line that can be cut.
type cluster struct {
	nodes     []*node
	unsealKey string
	rootToken string
	evidence  evidence

	kraken  *krakensim.Server
	line    *line
	account map[string]any // what was written to kraken/config
	config  map[string]any // what a read of it must therefore show
	pair    krakensim.Key  // in it
	loads   []tally        // so far
}

// newCluster starts so many servers with plugins from a directory.
func newCluster(t *testing.T, name string, size int, plugins string) *cluster {
	t.Helper()
	c := newKraken(t, name)
	// Not t.TempDir: its path is too long for the plugins' sockets on some systems.
	dir, err := os.MkdirTemp("", "vault-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for i := range size {
		c.nodes = append(c.nodes, newNode(t, filepath.Join(dir, fmt.Sprintf("node%d", i+1)), plugins, c.evidence))
	}
	c.initialize(t)
	return c
}

// newDevCluster starts one server that keeps everything in memory, with the plugin registered.
func newDevCluster(t *testing.T, name string) *cluster {
	t.Helper()
	c := newKraken(t, name)
	server, err := startVault(c.evidence)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.stop()) })
	client, err := newClient(server.address)
	require.NoError(t, err)
	client.SetToken(server.rootToken)
	require.NoError(t, c.evidence.addSecret(server.rootToken))
	c.nodes = []*node{{
		client: client, address: server.address, dir: t.TempDir(), evidence: c.evidence, process: &process{command: server.command},
	}}
	return c
}

// newKraken is a cluster that has no servers yet.
func newKraken(t *testing.T, name string) *cluster {
	t.Helper()
	c := &cluster{evidence: evidence(filepath.Join(evidenceRoot, name))}
	require.NoError(t, os.MkdirAll(string(c.evidence), 0o700))
	t.Cleanup(func() { c.assertNoSecretLeaks(t) }) // when all servers have ended
	var err error
	c.kraken, err = krakensim.Start(krakensim.Options{TLS: true})
	require.NoError(t, err)
	t.Cleanup(c.kraken.Close)
	c.line = newLine(t, strings.TrimPrefix(c.kraken.RESTURL(), "https://"))
	return c
}

// initialize makes the first server's storage, and lets the others join it.
func (c *cluster) initialize(t *testing.T) {
	t.Helper()
	first := c.nodes[0]
	made, err := first.client.Sys().Init(&api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	require.NoError(t, err)
	c.unsealKey, c.rootToken = made.KeysB64[0], made.RootToken
	for _, secret := range []string{c.unsealKey, c.rootToken} {
		require.NoError(t, c.evidence.addSecret(secret))
	}
	for i, n := range c.nodes {
		if i > 0 {
			_, err := n.client.Sys().RaftJoin(&api.RaftJoinRequest{LeaderAPIAddr: first.address})
			require.NoError(t, err)
		}
		n.unseal(t, c.unsealKey)
		n.client.SetToken(c.rootToken)
		if i == 0 {
			waitUntil(t, "the first server is active", func() error {
				return first.client.Sys().EnableAuditWithOptions("file", &api.EnableAuditOptions{
					Type: "file", Options: map[string]string{"file_path": c.evidence.file(auditLog)},
				})
			})
		}
	}
}

// register registers a plugin binary as the README has it.
func (c *cluster) register(t *testing.T, path string) (version string) {
	t.Helper()
	binary, err := os.ReadFile(path)
	require.NoError(t, err)
	printed, err := exec.Command(path, "-version").Output()
	require.NoError(t, err)
	version = strings.TrimSpace(string(printed))
	sum := sha256.Sum256(binary)
	c.leader(t).run(t, "plugin", "register", "-sha256="+hex.EncodeToString(sum[:]), "-version="+version,
		"-command="+filepath.Base(path), "secret", pluginName)
	return version
}

// enable enables a version of the engine ("": the only one) and stores a key pair.
func (c *cluster) enable(t *testing.T, version string) {
	t.Helper()
	n := c.leader(t)
	n.run(t, "secrets", "enable", "-path=kraken", "-plugin-version="+version, pluginName)
	pair, err := newPair(t.TempDir(), "", c.evidence)
	require.NoError(t, err)
	c.kraken.SetKey(pair)
	c.pair = pair
	c.account = map[string]any{
		"api_key": pair.APIKey, "api_secret": pair.APISecret, "api_url": c.line.url, "ca_cert": c.kraken.CACertPEM(),
		// Kraken's limits would let through a read every three seconds, and most of what happens here would be a 429.
		"tier": "none",
		// Long enough for the slowest machine: a read that takes its time isn't refused.
		"request_timeout": "60s",
	}
	written, err := n.client.Logical().Write("kraken/config", c.account)
	require.NoError(t, err)
	c.config = written.Data
	require.NoError(t, c.evidence.addProcesses(fmt.Sprint(n.process.command.Process.Pid)))
}

// set changes a field of the config, without asking Kraken.
func (c *cluster) set(t *testing.T, field string, value any) {
	t.Helper()
	written, err := c.leader(t).client.Logical().Write("kraken/config", map[string]any{field: value, "verify": false})
	require.NoError(t, err)
	c.config = written.Data
}

// leader waits until there is an active server, and returns it.
func (c *cluster) leader(t *testing.T) *node {
	t.Helper()
	var active *node
	waitUntil(t, "a server is active", func() error {
		for _, n := range c.nodes {
			if health, err := n.client.Sys().Health(); err == nil && health.Initialized && !health.Sealed && !health.Standby {
				active = n
				return nil
			}
		}
		return fmt.Errorf("none of %d is", len(c.nodes))
	})
	return active
}

// assertIntact checks what must hold after whatever has happened: the config is as it was written, and Kraken saw
// growing nonces only, of which it found no more than invalid below one that had been used elsewhere. It returns how many
// requests Kraken saw.
func (c *cluster) assertIntact(t *testing.T, invalid int) int {
	t.Helper()
	read, err := c.leader(t).client.Logical().Read("kraken/config")
	if assert.NoError(t, err) && assert.NotNil(t, read, "the config is lost") {
		assert.Equal(t, c.config, read.Data, "the config has changed")
	}
	calls := c.kraken.Calls()
	for i, call := range calls {
		if i > 0 && call.Nonce <= calls[i-1].Nonce {
			t.Errorf("call %d has nonce %d, after %d", i, call.Nonce, calls[i-1].Nonce)
		}
		if slices.Contains(call.Errors, "EAPI:Invalid nonce") {
			invalid--
		}
	}
	assert.GreaterOrEqual(t, invalid, 0, "Kraken refused nonces")
	return len(calls)
}

// assertNoSecretLeaks looks for the secrets in what the servers and plugins logged and audited.
func (c *cluster) assertNoSecretLeaks(t *testing.T) {
	t.Helper()
	secrets, err := c.evidence.lines(secretsFile)
	require.NoError(t, err)
	tokens, err := c.evidence.lines(tokensFile)
	require.NoError(t, err)
	for _, file := range []string{printedLog, vaultLog, auditLog, processesLog} {
		text, err := os.ReadFile(c.evidence.file(file))
		if file == processesLog && !hasProc() {
			continue
		}
		if !assert.NoError(t, err) {
			continue
		}
		if file == vaultLog {
			text = rootTokenLine.ReplaceAll(text, nil) // Vault's own, in dev mode
		}
		for _, secret := range append(secrets, tokens...) {
			if form := leak(text, secret); form != "" {
				t.Errorf("%s holds a secret, %s: …%s…", file, form, around(text, secret))
			}
		}
	}
}

// waitForVoters waits until every server has a vote, so that one of them may die.
func (c *cluster) waitForVoters(t *testing.T) {
	t.Helper()
	sys := c.leader(t).client.Sys()
	waitUntil(t, "all servers have a vote", func() error {
		state, err := sys.RaftAutopilotState()
		if err == nil && (!state.Healthy || len(state.Voters) != len(c.nodes)) {
			err = fmt.Errorf("healthy: %v, voters: %s", state.Healthy, state.Voters)
		}
		return err
	})
}

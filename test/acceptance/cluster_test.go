package acceptance

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/line"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// setup says what a cluster is to be.
type setup struct {
	storage string // inMemory or onDisk
	servers int    // 0 is 1; more only onDisk
	plugins string // directory of the plugins to register; "" is that with the one under test

	environment []string // of the servers; startCluster sees to it
}

// cluster is one Vault server, or several that share their storage, with the plugin registered; and a simulated Kraken,
// over a line that can be cut.
type cluster struct {
	servers   []*server
	unsealKey string
	rootToken string
	evidence  evidence

	kraken  *krakensim.Server
	line    *line.Line
	proxy   string                    // its URL; who goes through it finds api.kraken.com and ws-auth.kraken.com here
	caFile  string                    // with the certificate by which these are trusted
	configs map[string]map[string]any // what a read of each must show, by path
	loads   []tally                   // so far
}

// startCluster starts the servers and unseals them; they audit, and log at trace level. At the end of the test they are
// stopped, and none of the secrets may have come out.
func startCluster(t *testing.T, setup setup) *cluster {
	t.Helper()
	c := &cluster{evidence: evidence(t.TempDir()), configs: map[string]map[string]any{}}
	t.Cleanup(func() { c.evidence.assertNoLeaks(t) }) // when all servers have ended
	var err error
	c.kraken, err = krakensim.Start(krakensim.Options{TLS: true})
	require.NoError(t, err)
	t.Cleanup(c.kraken.Close)
	c.line, err = line.New(c.kraken.RESTURL())
	require.NoError(t, err)
	t.Cleanup(c.line.Close)

	// Not t.TempDir: its path is too long for the plugins' sockets on some systems.
	dir, err := os.MkdirTemp("", "vault-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if setup.plugins == "" {
		setup.plugins = pluginDir
	}
	c.proxy, c.caFile = startProxy(t, c.kraken.RESTURL()), filepath.Join(dir, "kraken-ca.pem")
	require.NoError(t, os.WriteFile(c.caFile, []byte(c.kraken.CACertPEM()), 0o600))
	setup.environment = []string{"HTTPS_PROXY=" + c.proxy, "SSL_CERT_FILE=" + c.caFile}
	for i := range max(1, setup.servers) {
		c.servers = append(c.servers, startServer(t, filepath.Join(dir, fmt.Sprintf("server%d", i+1)), setup, c.evidence))
	}
	t.Cleanup(func() {
		for _, s := range c.servers {
			assert.NoError(t, c.evidence.addProcesses(s.process.PID()))
		}
	})
	c.initialize(t)
	plugins, err := filepath.Glob(filepath.Join(setup.plugins, pluginName+"*"))
	require.NoError(t, err)
	for _, plugin := range plugins {
		c.register(t, plugin)
	}
	return c
}

// initialize makes the first server's storage, and lets the others join it.
func (c *cluster) initialize(t *testing.T) {
	t.Helper()
	first := c.servers[0]
	made, err := first.client.Sys().Init(&api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	require.NoError(t, err)
	c.unsealKey, c.rootToken = made.KeysB64[0], made.RootToken
	require.NoError(t, errors.Join(c.evidence.addSecret(c.unsealKey), c.evidence.addSecret(c.rootToken)))
	for i, s := range c.servers {
		if i > 0 {
			_, err := s.client.Sys().RaftJoin(&api.RaftJoinRequest{LeaderAPIAddr: first.address})
			require.NoError(t, err)
		}
		s.unseal(t, c.unsealKey)
		s.client.SetToken(c.rootToken)
		if i == 0 {
			waitUntil(t, "the first server is active", func() error {
				return first.client.Sys().EnableAuditWithOptions("file", &api.EnableAuditOptions{
					Type: "file", Options: map[string]string{"file_path": c.evidence.file(auditLog)},
				})
			})
		}
	}
}

// register registers a plugin as the README has it.
func (c *cluster) register(t *testing.T, plugin string) {
	t.Helper()
	binary, err := os.ReadFile(plugin)
	require.NoError(t, err)
	version, err := exec.Command(plugin, "-version").Output()
	require.NoError(t, err)
	sum := sha256.Sum256(binary)
	c.leader(t).run(t, "plugin", "register", "-sha256="+hex.EncodeToString(sum[:]),
		"-version="+strings.TrimSpace(string(version)), "-command="+filepath.Base(plugin), "secret", pluginName)
}

// allowedURLs is the mount option that lets api_url point to whatever stands for Kraken here.
const allowedURLs = "-options=allowed_api_urls=https://127.0.0.1:*,http://127.0.0.1:*"

// enable enables the engine.
func (c *cluster) enable(t *testing.T, flags ...string) {
	t.Helper()
	c.leader(t).run(t, append(append([]string{"secrets", "enable", "-path=kraken", allowedURLs}, flags...), pluginName)...)
}

// newKey makes a key pair at Kraken.
func (c *cluster) newKey(traits ...string) (krakensim.Key, error) {
	random := make([]byte, 42+64+20)
	_, _ = rand.Read(random) // never fails
	key := krakensim.Key{
		APIKey:    base64.StdEncoding.EncodeToString(random[:42]),
		APISecret: base64.StdEncoding.EncodeToString(random[42:106]),
	}
	seed := base32.StdEncoding.EncodeToString(random[106:])
	for _, trait := range traits {
		switch trait {
		case "password":
			key.OTPPassword = "Password " + seed
		case "totp":
			key.TOTPSecret = seed
		case "starter":
			key.Tier = krakensim.TierStarter
		case "no-permission":
			key.Permissions = []string{permission.QueryFunds}
		default:
			return key, fmt.Errorf("unknown trait %q", trait)
		}
	}
	c.kraken.SetKey(key)
	return key, errors.Join(
		c.evidence.addSecret(key.APISecret), c.evidence.addSecret(key.OTPPassword), c.evidence.addSecret(key.TOTPSecret))
}

// account is what is written to a config: a key pair, what suits these tests, and the fields given.
func (c *cluster) account(key krakensim.Key, fields map[string]any) map[string]any {
	account := map[string]any{
		"api_key": key.APIKey, "api_secret": key.APISecret, "otp_password": key.OTPPassword,
		"api_url": c.line.URL(), "ca_cert": c.kraken.CACertPEM(),
		// Kraken's limits would let through a read every three seconds, and most of what happens here would be a 429.
		"tier": "none",
		// Long enough for the slowest machine: a read that takes its time isn't refused.
		"request_timeout": "55s",
	}
	maps.Copy(account, fields)
	return account
}

// configure stores a new key pair in an account; "" is the default one.
func (c *cluster) configure(t *testing.T, name string, fields map[string]any) krakensim.Key {
	t.Helper()
	key, err := c.newKey("password")
	require.NoError(t, err)
	c.write(t, name, c.account(key, fields))
	return key
}

// set changes a field of the default account's config, without asking Kraken.
func (c *cluster) set(t *testing.T, field string, value any) {
	t.Helper()
	c.write(t, "", map[string]any{field: value, "verify": false})
}

func (c *cluster) write(t *testing.T, name string, fields map[string]any) {
	t.Helper()
	path := path.Join("kraken/config", name)
	written, err := c.leader(t).client.Logical().Write(path, fields)
	require.NoError(t, err)
	if given, ok := fields["ca_cert"].(string); ok {
		written.Data["ca_cert"] = strings.TrimSpace(given)
	} else { // a write's answer leaves it out
		written.Data["ca_cert"] = c.configs[path]["ca_cert"]
	}
	c.configs[path] = written.Data
}

// leader waits until there is an active server, and returns it.
func (c *cluster) leader(t *testing.T) *server {
	t.Helper()
	var active *server
	waitUntil(t, "a server is active", func() error {
		for _, s := range c.servers {
			if health, err := s.client.Sys().Health(); err == nil && health.Initialized && !health.Sealed && !health.Standby {
				active = s
				return nil
			}
		}
		return fmt.Errorf("none of %d is", len(c.servers))
	})
	return active
}

// waitForVoters waits until every server has a vote, so that one of them may die.
func (c *cluster) waitForVoters(t *testing.T) {
	t.Helper()
	sys := c.leader(t).client.Sys()
	waitUntil(t, "all servers have a vote", func() error {
		state, err := sys.RaftAutopilotState()
		if err == nil && (!state.Healthy || len(state.Voters) != len(c.servers)) {
			err = fmt.Errorf("healthy: %v, voters: %s", state.Healthy, state.Voters)
		}
		return err
	})
}

// assertIntact checks what must hold after whatever has happened: the configs are as they were written, and Kraken saw
// growing nonces only, of which it found no more than invalid below one that had been used elsewhere. It returns how many
// requests Kraken saw.
func (c *cluster) assertIntact(t *testing.T, invalid int) int {
	t.Helper()
	for path, config := range c.configs {
		read, err := c.leader(t).client.Logical().Read(path)
		if assert.NoError(t, err) && assert.NotNil(t, read, "%s is lost", path) {
			assert.Equal(t, config, read.Data, "%s has changed", path)
		}
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

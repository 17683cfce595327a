package acceptance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/servers"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/subprocess"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	// patience bounds every wait, and is more than the longest request_timeout. It is only reached by what won't come at
	// all, however busy the machine is.
	patience    = 90 * time.Second
	stopTimeout = 15 * time.Second
)

// server is a Vault server that starts sealed, and can die and come back.
type server struct {
	client   *api.Client // repeats nothing, so that every answer is seen
	address  string
	dir      string // its home, with its configuration, and its storage where that is on disk
	evidence evidence
	setup    setup
	process  *subprocess.Process
	before   []*subprocess.Process // killed, but with plugins that may be left
}

const (
	inMemory = `storage "inmem" {}`

	// onDisk is raft, which every build of Vault has, and several servers can share. Its timing is the one that Vault's
	// documentation asks for in production (multiplier 1); autopilot looks often, so that who joins is soon a voter.
	onDisk = `storage "raft" {
  path                         = %[4]q
  node_id                      = %[5]q
  performance_multiplier       = 1
  autopilot_reconcile_interval = "1s"
  autopilot_update_interval    = "1s"
}`
)

// serverConfig is a server's configuration after its storage.
const serverConfig = `
listener "tcp" {
  address         = %[1]q
  cluster_address = %[2]q
  tls_disable     = true
}
api_addr         = "http://%[1]s"
cluster_addr     = "https://%[2]s"
plugin_directory = %[3]q
disable_mlock    = true
log_level        = "trace"
telemetry {
  prometheus_retention_time = "24h"
  disable_hostname          = true
}
`

// startServer starts a server on free ports, with its files in dir, and stops it at the end of the test.
func startServer(t *testing.T, dir string, setup setup, evidence evidence) *server {
	t.Helper()
	var err error
	for range 3 { // somebody else may take a free port in between
		var s *server
		if s, err = tryServer(dir, setup, evidence); err == nil {
			t.Cleanup(func() { assert.NoError(t, s.stop()) })
			return s
		}
	}
	require.NoError(t, err)
	return nil
}

func tryServer(dir string, setup setup, evidence evidence) (*server, error) {
	address, err := subprocess.FreeAddress()
	if err != nil {
		return nil, err
	}
	clusterAddress, err := subprocess.FreeAddress()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	config := fmt.Sprintf(setup.storage+serverConfig, address, clusterAddress, setup.plugins, data, filepath.Base(dir))
	if err := errors.Join(
		os.RemoveAll(data),
		os.MkdirAll(data, 0o700),
		os.MkdirAll(filepath.Join(dir, "tmp"), 0o700),
		os.WriteFile(filepath.Join(dir, "config.hcl"), []byte(config), 0o600),
	); err != nil {
		return nil, err
	}
	settings := api.DefaultConfig()
	settings.Address, settings.MaxRetries, settings.Timeout = "http://"+address, 0, patience
	client, err := api.NewClient(settings)
	if err != nil {
		return nil, err
	}
	s := &server{client: client, address: settings.Address, dir: dir, evidence: evidence, setup: setup}
	return s, s.start()
}

// start runs the server and waits until it answers, sealed as it is.
func (s *server) start() error {
	command := servers.VaultServer(vaultBin, s.dir, "-config="+filepath.Join(s.dir, "config.hcl"))
	command.Dir = s.dir
	command.Env = append(append(command.Env, "PATH="+realPath), s.setup.environment...)
	process, err := servers.Start(context.Background(), command, s.evidence.file(vaultLog), func() error {
		_, err := s.client.Sys().SealStatus()
		return err
	})
	if err == nil {
		s.process = process
	}
	return err
}

// unseal unseals the server and waits until that is done.
func (s *server) unseal(t *testing.T, key string) {
	t.Helper()
	waitUntil(t, "Vault is unsealed", func() error {
		status, err := s.client.Sys().Unseal(key)
		if err == nil && status.Sealed {
			err = errors.New("sealed")
		}
		return err
	})
}

// stop ends the server as an operator or systemd does, and then what it has left. The error says if it didn't end well.
func (s *server) stop() error {
	err := s.process.Terminate(stopTimeout)
	s.kill()
	return err
}

// kill ends the server and its plugins at once, as a power failure does.
func (s *server) kill() {
	for _, process := range append(s.before, s.process) {
		process.Kill()
	}
}

// killAlone ends the server at once, but not its plugins, as the kernel does when memory is short.
func (s *server) killAlone(t *testing.T) {
	t.Helper()
	require.NoError(t, s.process.KillAlone())
	s.before = append(s.before, s.process)
}

// plugin waits until one process of the plugin's runs, and returns it. It needs /proc.
func (s *server) plugin(t *testing.T) (plugin procDir) {
	t.Helper()
	waitUntil(t, "one process of the plugin runs", func() error {
		running := pluginsOf(s.process.PID())
		if len(running) != 1 {
			return fmt.Errorf("processes: %v", running)
		}
		plugin = running[0]
		return nil
	})
	return plugin
}

// run runs a vault command against the server.
func (s *server) run(t *testing.T, args ...string) {
	t.Helper()
	command := exec.Command(vaultBin, args...)
	command.Env = []string{"HOME=" + s.dir, "VAULT_ADDR=" + s.address, "VAULT_TOKEN=" + s.client.Token()}
	printed, err := command.CombinedOutput()
	require.NoError(t, err, "vault %s: %s", args, printed)
	require.NoError(t, s.evidence.add(printedLog, printed))
}

// bash runs shell commands in a directory, with the vault command at the server; it stops at the first that fails.
func (s *server) bash(t *testing.T, dir, commands string, env ...string) {
	t.Helper()
	bin := t.TempDir()
	require.NoError(t, os.Symlink(vaultBin, filepath.Join(bin, "vault")))
	command := exec.Command("bash", "-euo", "pipefail", "-c", commands)
	command.Dir = dir
	command.Env = append(env, "PATH="+bin+":"+realPath, "HOME="+s.dir, "VAULT_ADDR="+s.address, "VAULT_TOKEN="+s.client.Token())
	printed, err := command.CombinedOutput()
	require.NoError(t, err, "%s\n%s", commands, printed)
	require.NoError(t, s.evidence.add(printedLog, printed))
}

// waitUntil tries again until there is no error.
func waitUntil(t *testing.T, what string, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s until %s: %s", patience, what, err)
		}
	}
}

package acceptance

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"
)

// node is a Vault server as in production: it keeps its storage on disk, starts sealed, and can die and come back.
type node struct {
	client         *api.Client // repeats nothing, so that every answer is seen
	address        string
	clusterAddress string
	dir            string
	evidence       evidence
	process        *process
	before         []*process // killed, but with plugins that may be left
}

// nodeTimeout bounds every wait for a server. It is never reached but by a server that won't come at all.
const nodeTimeout = 90 * time.Second

// nodeConfig is a server's configuration. Storage is raft's, which every build of Vault has. Its timing is the one that
// Vault's documentation asks for in production (multiplier 1); autopilot looks often, so that who joins is soon a voter.
const nodeConfig = `storage "raft" {
  path                         = %q
  node_id                      = %q
  performance_multiplier       = 1
  autopilot_reconcile_interval = "1s"
  autopilot_update_interval    = "1s"
}
listener "tcp" {
  address         = %q
  cluster_address = %q
  tls_disable     = true
}
api_addr         = %q
cluster_addr     = %q
plugin_directory = %q
disable_mlock    = true
log_level        = "trace"
`

// newNode starts a server on free ports, with its files in dir.
func newNode(t *testing.T, dir, plugins string, evidence evidence) *node {
	t.Helper()
	var err error
	for range 3 { // somebody else may take a free port in between
		var n *node
		if n, err = tryNewNode(t, dir, plugins, evidence); err == nil {
			return n
		}
	}
	require.NoError(t, err)
	return nil
}

func tryNewNode(t *testing.T, dir, plugins string, evidence evidence) (*node, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	clusterAddress, err := freeAddress()
	if err != nil {
		return nil, err
	}
	n := &node{address: "http://" + address, clusterAddress: "https://" + clusterAddress, dir: dir, evidence: evidence}
	data := filepath.Join(dir, "data")
	config := fmt.Sprintf(nodeConfig, data, filepath.Base(dir), address, clusterAddress, n.address, n.clusterAddress, plugins)
	if err := errors.Join(
		os.RemoveAll(data),
		os.MkdirAll(data, 0o700),
		os.MkdirAll(filepath.Join(dir, "tmp"), 0o700),
		os.WriteFile(filepath.Join(dir, "config.hcl"), []byte(config), 0o600),
	); err != nil {
		return nil, err
	}
	if n.client, err = newClient(n.address); err != nil {
		return nil, err
	}
	t.Cleanup(n.kill)
	return n, n.start()
}

func newClient(address string) (*api.Client, error) {
	config := api.DefaultConfig()
	config.Address = address
	config.MaxRetries = 0
	config.Timeout = nodeTimeout
	return api.NewClient(config)
}

// start runs the server and waits until it answers, sealed as it is.
func (n *node) start() error {
	log, err := os.OpenFile(n.evidence.file(vaultLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command(vaultBin, "server", "-config="+filepath.Join(n.dir, "config.hcl"))
	command.Env = []string{"PATH=" + realPath, "HOME=" + n.dir, "TMPDIR=" + filepath.Join(n.dir, "tmp")}
	command.Stdout, command.Stderr = log, log
	process, err := startProcess(command)
	if err != nil {
		return err
	}
	n.process = process
	for deadline := time.Now().Add(nodeTimeout); ; time.Sleep(50 * time.Millisecond) {
		_, err := n.client.Sys().SealStatus()
		switch {
		case n.process.hasEnded():
			text, _ := os.ReadFile(n.evidence.file(vaultLog))
			return fmt.Errorf("vault has ended:\n%s", text[max(0, len(text)-4000):])
		case err == nil:
			return nil
		case time.Now().After(deadline):
			n.kill()
			return fmt.Errorf("vault doesn't answer: %w", err)
		}
	}
}

// unseal unseals the server and waits until that is done.
func (n *node) unseal(t *testing.T, key string) {
	t.Helper()
	waitUntil(t, "Vault is unsealed", func() error {
		status, err := n.client.Sys().Unseal(key)
		if err == nil && status.Sealed {
			err = errors.New("sealed")
		}
		return err
	})
}

// stop ends the server as an operator or systemd does.
func (n *node) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, n.process.command.Process.Signal(syscall.SIGTERM))
	select {
	case <-n.process.ended:
	case <-time.After(nodeTimeout):
		t.Fatal("Vault doesn't stop")
	}
	n.kill() // what it has left
}

// kill ends the server and its plugins at once, as a power failure does.
func (n *node) kill() {
	for _, process := range append(n.before, n.process) {
		if process != nil {
			process.kill()
		}
	}
}

// killAlone ends the server at once, but not its plugins, as the kernel does when memory is short.
func (n *node) killAlone(t *testing.T) {
	t.Helper()
	require.NoError(t, n.process.command.Process.Kill())
	<-n.process.ended
	n.before = append(n.before, n.process)
}

// plugins returns the server's running plugins, where there is a /proc to find them in.
func (n *node) plugins() []procDir { return childrenOf(n.process.command.Process.Pid) }

// run runs a vault command against the server and returns what it prints.
func (n *node) run(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.Command(vaultBin, args...)
	command.Env = []string{"HOME=" + n.dir, "VAULT_ADDR=" + n.address, "VAULT_TOKEN=" + n.client.Token()}
	printed, err := command.CombinedOutput()
	require.NoError(t, err, "vault %s: %s", args, printed)
	require.NoError(t, n.evidence.add(printedLog, printed))
	return string(printed)
}

// process is a program and all that it starts, in a process group of their own.
type process struct {
	command    *exec.Cmd
	ended      chan struct{}
	undertaker *exec.Cmd
}

// startProcess starts a program that ends with the test's process at the latest, however that ends: a shell waits for
// the end of a pipe that the test's process holds, and kills the group then.
func startProcess(command *exec.Cmd) (*process, error) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &process{command: command, ended: make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(p.ended)
	}()
	p.undertaker = exec.Command("sh", "-c", `read -r _; kill -s KILL -- "-$0"`, strconv.Itoa(command.Process.Pid))
	p.undertaker.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C at the terminal isn't for it
	_, err := p.undertaker.StdinPipe()
	if err == nil {
		err = p.undertaker.Start()
	}
	if err != nil {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	}
	return p, err
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// kill kills the group, and returns when the program is gone. It may be called again.
func (p *process) kill() {
	if p.undertaker == nil {
		return
	}
	_ = p.undertaker.Process.Kill()
	_ = p.undertaker.Wait()
	p.undertaker = nil
	_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

// waitUntil tries again until there is no error, for nodeTimeout.
func waitUntil(t *testing.T, what string, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(nodeTimeout); ; time.Sleep(50 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s until %s: %s", nodeTimeout, what, err)
		}
	}
}

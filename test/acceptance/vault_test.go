package acceptance

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"time"

	"github.com/hashicorp/vault/api"
)

// vaultServer is a Vault dev server that logs at trace level and audits, both into files of its evidence.
type vaultServer struct {
	address   string
	rootToken string
	command   *exec.Cmd
	exited    chan error
}

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 15 * time.Second
)

var rootTokenLine = regexp.MustCompile(`(?m)^Root Token: (\S+)$`)

func startVault(evidence evidence) (*vaultServer, error) {
	var err error
	for range 3 { // somebody else may take the free port in between
		var server *vaultServer
		if server, err = tryStartVault(evidence); err == nil {
			return server, nil
		}
	}
	return nil, err
}

func tryStartVault(evidence evidence) (*vaultServer, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	output, err := os.Create(evidence.file(vaultLog))
	if err != nil {
		return nil, err
	}
	defer output.Close()
	s := &vaultServer{
		address: "http://" + address,
		command: exec.Command(vaultBin, "server", "-dev", "-dev-no-store-token", "-dev-listen-address="+address,
			"-dev-plugin-dir="+pluginDir, "-log-level=trace"),
		exited: make(chan error, 1),
	}
	s.command.Env = []string{"PATH=" + realPath, "HOME=" + string(evidence), "TMPDIR=" + os.TempDir()}
	s.command.Stdout, s.command.Stderr = output, output
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	go func() { s.exited <- s.command.Wait() }()
	if err := s.waitAndAudit(evidence); err != nil {
		_ = s.stop()
		text, _ := os.ReadFile(evidence.file(vaultLog))
		return nil, fmt.Errorf("starting Vault: %w\n%s", err, text)
	}
	return s, nil
}

// waitAndAudit waits until the server has told its root token, and has it audit.
func (s *vaultServer) waitAndAudit(evidence evidence) error {
	for deadline := time.Now().Add(startTimeout); s.rootToken == ""; time.Sleep(50 * time.Millisecond) {
		text, err := os.ReadFile(evidence.file(vaultLog))
		if err != nil {
			return err
		}
		if found := rootTokenLine.FindSubmatch(text); found != nil {
			s.rootToken = string(found[1])
		}
		select {
		case err := <-s.exited:
			s.exited <- err
			return fmt.Errorf("it exited: %w", err)
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no root token within %s", startTimeout)
		}
	}
	config := api.DefaultConfig()
	config.Address = s.address
	client, err := api.NewClient(config)
	if err != nil {
		return err
	}
	client.SetToken(s.rootToken)
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	return client.Sys().EnableAuditWithOptionsWithContext(ctx, "file", &api.EnableAuditOptions{
		Type:    "file",
		Options: map[string]string{"file_path": evidence.file(auditLog)},
	})
}

// stop ends the server, and with it the plugin's process.
func (s *vaultServer) stop() error {
	_ = s.command.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.exited:
		return err
	case <-time.After(stopTimeout):
		_ = s.command.Process.Kill()
		return fmt.Errorf("vault didn't stop within %s, and was killed", stopTimeout)
	}
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

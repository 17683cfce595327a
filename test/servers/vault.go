//go:build unix

package servers

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/subprocess"
)

// VaultServer is the command that runs a Vault server with its files in dir, and with no more of this process's
// environment than its PATH.
func VaultServer(binary, dir string, args ...string) *exec.Cmd {
	command := exec.Command(binary, append([]string{"server"}, args...)...)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + tempDir(dir)}
	return command
}

func tempDir(dir string) string { return filepath.Join(dir, "tmp") }

// DevVault is a Vault dev server, which keeps everything in memory.
type DevVault struct {
	*subprocess.Process
	Address string // its URL
	Token   string // root's
	Plugins string // the directory that it starts plugins from
}

// DevOptions say what a dev server is to be.
type DevOptions struct {
	Binary   string
	Dir      string   // for its files; its log is vault.log there
	Plugins  string   // a directory of plugins that it registers; "" is an empty one in Dir
	LogLevel string   // error, for example
	Env      []string // NAME=value, on top of PATH, HOME and TMPDIR
}

// rootToken is how a dev server tells that it can be used.
var rootToken = regexp.MustCompile(`(?m)^Root Token: (\S+)$`)

// StartDevVault starts a dev server on a free port, and waits until it can be used.
func StartDevVault(ctx context.Context, options DevOptions) (*DevVault, error) {
	if options.Plugins == "" {
		options.Plugins = filepath.Join(options.Dir, "plugins")
	}
	if err := errors.Join(os.MkdirAll(options.Plugins, 0o700), os.MkdirAll(tempDir(options.Dir), 0o700)); err != nil {
		return nil, err
	}
	return onFreePort(func() (*DevVault, error) { return tryDevVault(ctx, options) })
}

func tryDevVault(ctx context.Context, options DevOptions) (*DevVault, error) {
	address, err := subprocess.FreeAddress()
	if err != nil {
		return nil, err
	}
	log := filepath.Join(options.Dir, "vault.log")
	if err := os.RemoveAll(log); err != nil { // it is looked through for the token
		return nil, err
	}
	vault := &DevVault{Address: "http://" + address, Plugins: options.Plugins}
	command := VaultServer(options.Binary, options.Dir, "-dev", "-dev-no-store-token", "-dev-listen-address="+address,
		"-dev-plugin-dir="+options.Plugins, "-log-level="+options.LogLevel)
	command.Env = append(command.Env, options.Env...)
	vault.Process, err = Start(ctx, command, log, func() error {
		text, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		found := rootToken.FindSubmatch(text)
		if found == nil {
			return errors.New("it prints no root token")
		}
		vault.Token = string(found[1])
		return nil
	})
	if err != nil {
		return nil, err
	}
	return vault, nil
}

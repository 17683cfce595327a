package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/subprocess"
)

// patience bounds the wait for a program that is to end in good order.
const patience = 10 * time.Second

// vault is a dev server, which keeps everything in memory.
type vault struct {
	address string // its URL
	token   string // root's
	client  *api.Client
	plugins string // the directory that it starts plugins from
	process *subprocess.Process
}

var rootToken = regexp.MustCompile(`(?m)^Root Token: (\S+)$`)

// startVault starts a dev server with its files in dir, and waits until it can be used.
func startVault(ctx context.Context, binary, dir string) (v *vault, err error) {
	for range 5 { // somebody else may take a free port in between
		if v, err = tryVault(ctx, binary, dir); err == nil || ctx.Err() != nil {
			return v, err
		}
	}
	return nil, err
}

func tryVault(ctx context.Context, binary, dir string) (*vault, error) {
	address, err := subprocess.FreeAddress()
	if err != nil {
		return nil, err
	}
	v := &vault{address: "http://" + address, plugins: filepath.Join(dir, "plugins")}
	logFile := filepath.Join(dir, "vault.log")
	if err := errors.Join(os.MkdirAll(v.plugins, 0o700), os.MkdirAll(filepath.Join(dir, "tmp"), 0o700)); err != nil {
		return nil, err
	}
	log, err := os.Create(logFile)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// Little is logged, so that it isn't the log that is measured.
	command := exec.Command(binary, "server", "-dev", "-dev-no-store-token", "-dev-listen-address="+address,
		"-dev-plugin-dir="+v.plugins, "-log-level=error")
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + filepath.Join(dir, "tmp")}
	command.Stdout, command.Stderr = log, log
	if v.process, err = subprocess.Start(command); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(time.Minute); ; {
		text, _ := os.ReadFile(logFile)
		if found := rootToken.FindSubmatch(text); found != nil {
			v.token = string(found[1])
			break
		}
		if v.process.HasEnded() || time.Now().After(deadline) || ctx.Err() != nil {
			_ = v.process.Terminate(patience)
			return nil, errors.Join(fmt.Errorf("vault doesn't start: %s", text[max(0, len(text)-2000):]), ctx.Err())
		}
		time.Sleep(50 * time.Millisecond)
	}
	settings := api.DefaultConfig()
	settings.Address, settings.MaxRetries = v.address, 0
	if v.client, err = api.NewClient(settings); err != nil {
		_ = v.process.Terminate(patience)
		return nil, err
	}
	v.client.SetToken(v.token)
	return v, nil
}

// register makes a binary known to the server as a plugin of that name. The name is its file's too, so that its process
// can be told from others of the same binary: Vault has one process for each plugin, whatever the number of mounts.
func (v *vault) register(ctx context.Context, binary, name string) error {
	file := filepath.Join(v.plugins, name)
	if os.Link(binary, file) != nil { // on another file system
		if err := copyFile(binary, file); err != nil {
			return err
		}
	}
	digest, err := digestOf(file)
	if err != nil {
		return err
	}
	return v.client.Sys().RegisterPluginWithContext(ctx, &api.RegisterPluginInput{
		Name: name, Type: api.PluginTypeSecrets, Command: name, SHA256: digest,
	})
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o700)
}

func digestOf(file string) (string, error) {
	opened, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer opened.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, opened); err != nil {
		return "", err
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}

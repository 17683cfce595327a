package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/servers"
)

// stopTimeout bounds the wait for a program that is to end in good order.
const stopTimeout = 10 * time.Second

// vault is a dev server, which keeps everything in memory.
type vault struct {
	*servers.DevVault
	client *api.Client // root's
}

// startVault starts a dev server with its files in dir, and waits until it can be used.
func startVault(ctx context.Context, binary, dir string) (*vault, error) {
	// Little is logged, so that it isn't the log that is measured.
	server, err := servers.StartDevVault(ctx, servers.DevOptions{Binary: binary, Dir: dir, LogLevel: "error"})
	if err != nil {
		return nil, err
	}
	settings := api.DefaultConfig()
	settings.Address, settings.MaxRetries = server.Address, 0
	client, err := api.NewClient(settings)
	if err != nil {
		_ = server.Terminate(stopTimeout)
		return nil, err
	}
	client.SetToken(server.Token)
	return &vault{server, client}, nil
}

// register makes a binary known to the server as a plugin of that name. The name is its file's too, so that its process
// can be told from others of the same binary: Vault has one process for each plugin, whatever the number of mounts.
func (v *vault) register(ctx context.Context, binary, name string) error {
	file := filepath.Join(v.Plugins, name)
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

//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/servers"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/subprocess"
)

const (
	pluginName  = "vault-plugin-secrets-kraken"
	stopTimeout = 10 * time.Second

	// traderPolicy is all that the application may do.
	traderPolicy = `path "kraken/ws-token" {
  capabilities = ["read"]
}
`
)

// stage is where the demo is played: a temporary directory with the programs and files in it, a Vault server with the
// plugin, and a Kraken.
type stage struct {
	console
	dir    string // the commands are run here
	remove func() error
	pair   keyPair
	kraken *servers.Kraken // nil: the real one
	vault  *servers.DevVault

	shell // which runs the commands
}

// keyPair is the user's own, or "" and "" for a simulated Kraken.
type keyPair struct{ apiKey, apiSecret string }

// takePair takes the user's pair out of the environment, before anything is started.
func takePair() (keyPair, error) {
	pair := keyPair{os.Getenv("KRAKEN_API_KEY"), os.Getenv("KRAKEN_API_SECRET")}
	if err := errors.Join(os.Unsetenv("KRAKEN_API_KEY"), os.Unsetenv("KRAKEN_API_SECRET")); err != nil {
		return pair, err
	}
	if (pair.apiKey == "") != (pair.apiSecret == "") {
		return pair, errors.New("set both KRAKEN_API_KEY and KRAKEN_API_SECRET to use the real Kraken, or neither for a simulated one")
	}
	return pair, nil
}

// onStage builds and starts everything, and has play use it. Then it stops and removes everything, whatever has happened.
func onStage(ctx context.Context, console console, play func(*stage) error) (err error) {
	s := &stage{console: console}
	if s.pair, err = takePair(); err != nil {
		return err
	}
	if s.dir, s.remove, err = subprocess.TempDir("kraken-demo."); err != nil {
		return err
	}
	defer func() {
		if left := s.clear(); left != nil {
			fmt.Fprintln(os.Stderr, "\ndemo: not everything is removed:", left)
			err = errors.Join(err, left)
		} else if ctx.Err() != nil {
			fmt.Fprintln(os.Stderr, "\nEverything is stopped and removed.")
		}
	}()
	for _, prepare := range []func(context.Context) error{s.checkDir, s.build, s.startKraken, s.startVault} {
		if err := prepare(ctx); err != nil {
			return err
		}
	}
	return play(s)
}

// clear stops and removes everything.
func (s *stage) clear() error {
	if s.vault != nil {
		_ = s.vault.Terminate(stopTimeout)
	}
	if s.kraken != nil {
		_ = s.kraken.Terminate(stopTimeout)
	}
	return s.remove()
}

// maxSocketPath is how long the path of a Unix socket may be: 107 bytes on Linux, 103 on macOS.
const maxSocketPath = 103

// checkDir refuses a directory whose name is too long for the plugin's socket, of which Vault's message says nothing.
func (s *stage) checkDir(context.Context) error {
	if spare := maxSocketPath - len(s.file("tmp/plugin4294967295")); spare < 0 {
		return fmt.Errorf("the name of the temporary directory is %d bytes too long for the plugin's socket in it: set TMPDIR=/tmp, for example", -spare)
	}
	return nil
}

// build puts the programs into the directory, and finds Vault.
func (s *stage) build(ctx context.Context) error {
	s.step("Building the plugin, and what goes with it")
	vault, err := findVault(ctx)
	if err != nil {
		return err
	}
	bin, temp := filepath.Join(s.dir, "bin"), filepath.Join(s.dir, "tmp")
	if err := errors.Join(os.Mkdir(bin, 0o700), os.Mkdir(temp, 0o700), os.Symlink(vault, filepath.Join(bin, "vault"))); err != nil {
		return err
	}
	s.shell = newShell(s.dir, map[string]string{
		"PATH": bin + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME": s.dir, "TMPDIR": temp,
	})
	for _, arguments := range [][]string{
		{"make", "--silent", "build", "OUT=" + s.plugins()},
		{"go", "build", "-o", bin, "./cmd/kraken-sim", "./examples/subscribe"},
	} {
		command := exec.Command(arguments[0], arguments[1:]...)
		command.Env = append(os.Environ(), "TMPDIR="+temp, "GOTMPDIR="+temp) // interrupted, go leaves temporary files behind
		command.Stderr = os.Stderr
		if err := subprocess.Run(ctx, command); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
	}
	versions, err := s.output(ctx, `echo "$(vault version), $(plugins/`+pluginName+` -version)"`)
	s.print(versions)
	return err
}

func (s *stage) plugins() string { return filepath.Join(s.dir, "plugins") }

// file is the path of a file of the stage's.
func (s *stage) file(name string) string { return filepath.Join(s.dir, name) }

// startKraken starts a simulated Kraken, unless the user has brought a key pair for the real one.
func (s *stage) startKraken(ctx context.Context) error {
	if s.pair != (keyPair{}) {
		s.print("Kraken: the real one, with your key pair\n")
	} else {
		// The private key is the one that Kraken's documentation gives as an example; it opens nothing.
		s.pair = keyPair{krakensim.ExampleAPIKey, krakensim.ExampleAPISecret}
		var err error
		if s.kraken, err = servers.StartKraken(ctx, s.file("bin/kraken-sim"), s.file("kraken.log"), "-tls-ca", s.file("kraken-ca.pem")); err != nil {
			return err
		}
		s.print("Kraken: simulated, at " + s.kraken.RESTURL + "\n")
	}
	return os.WriteFile(s.file("api-secret"), []byte(s.pair.apiSecret+"\n"), 0o600)
}

// startVault starts a dev server, which keeps everything in memory.
func (s *stage) startVault(ctx context.Context) error {
	var err error
	s.vault, err = servers.StartDevVault(ctx, servers.DevOptions{
		Binary: s.file("bin/vault"), Dir: s.dir, Plugins: s.plugins(), LogLevel: "trace", Env: s.environ(),
	})
	if err != nil {
		return err
	}
	s.set("VAULT_ADDR", s.vault.Address)
	s.set("VAULT_TOKEN", s.vault.Token)
	s.print("Vault:  a dev server at " + s.vault.Address + "\n")
	return os.WriteFile(s.file("trader.hcl"), []byte(traderPolicy), 0o600)
}

// logTail is the end of a server's log.
func (s *stage) logTail(name string) []byte {
	text, _ := os.ReadFile(s.file(name))
	return text[max(0, len(text)-2000):]
}

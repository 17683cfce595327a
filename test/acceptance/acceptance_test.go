// Package acceptance runs the scripts in testdata: real vault commands against a real Vault server with the built
// plugin, and a simulated Kraken. Each script reads as documentation, and has a server and a Kraken of its own.
//
//	make acceptance
//	go test ./test/acceptance -run 'TestScripts/operator' -v
package acceptance

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/rogpeppe/go-internal/testscript"
)

const pluginName = "vault-plugin-secrets-kraken"

// What all scripts share; set by suite.Run.
var (
	vaultBin     string
	pluginDir    string
	subscribeBin string
	evidenceRoot string // holds a directory for each script: see evidence
)

// realPath is PATH without the commands that testscript adds, one of which is called vault.
var realPath = os.Getenv("PATH")

func TestMain(m *testing.M) {
	testscript.Main(suite{m}, map[string]func(){
		"vault":     func() { runRecorded(os.Getenv("VAULT_BIN")) },
		"subscribe": func() { runRecorded(os.Getenv("SUBSCRIBE_BIN")) },
	})
}

// suite gets and builds what the scripts need before they run.
type suite struct{ m *testing.M }

func (s suite) Run() int {
	if flag.Parse(); testing.Short() {
		fmt.Println("the acceptance tests need a Vault server: skipped with -short")
		return 0
	}
	dir, err := os.MkdirTemp("", "kraken-acceptance-")
	if err == nil {
		defer os.RemoveAll(dir)
		os.Setenv("GOTMPDIR", dir) // where testscript works, and leaves something behind if -run picks scripts
		err = prepare(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "preparing the acceptance tests:", err)
		return 1
	}
	return s.m.Run()
}

func prepare(dir string) error {
	pluginDir = filepath.Join(dir, "plugins")
	subscribeBin = filepath.Join(dir, "subscribe")
	evidenceRoot = filepath.Join(dir, "evidence")

	vaultBin = os.Getenv("VAULT_BIN")
	if vaultBin == "" {
		find := exec.Command("../../scripts/vault")
		find.Env = append(os.Environ(), "PATH="+realPath)
		find.Stderr = os.Stderr
		path, err := find.Output()
		if err != nil {
			return fmt.Errorf("scripts/vault: %w", err)
		}
		vaultBin = strings.TrimSpace(string(path))
	}
	for output, source := range map[string]string{
		filepath.Join(pluginDir, pluginName): "../../cmd/" + pluginName,
		subscribeBin:                         "../../examples/subscribe",
	} {
		if text, err := exec.Command("go", "build", "-o", output, source).CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w\n%s", source, err, text)
		}
	}
	return nil
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		Setup:              setUp,
		RequireUniqueNames: true,
		Condition:          condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"kraken": cmdKraken,
			"setenv": cmdSetenv,
			"repeat": cmdRepeat,

			"await":     cmdAwait,
			"follow":    cmdFollow,
			"forbidden": cmdForbidden,
			"http":      cmdHTTP,
			"npm-ci":    cmdNpmCI,
			"renewals":  cmdRenewals,
		},
	})
}

type simulator struct{}

// setUp starts a Kraken and a Vault server for a script, and leaves in its directory and environment what an operator
// has at hand: a key pair, and Vault's address and a token that may do everything.
func setUp(env *testscript.Env) error {
	name := strings.TrimPrefix(filepath.Base(env.WorkDir), "script-")
	evidence := evidence(filepath.Join(evidenceRoot, name))
	if err := os.MkdirAll(string(evidence), 0o700); err != nil {
		return err
	}
	kraken, err := krakensim.Start(krakensim.Options{TLS: true})
	if err != nil {
		return err
	}
	env.Defer(kraken.Close)
	env.Values[simulator{}] = kraken

	vault, err := startVault(evidence)
	if err != nil {
		return err
	}
	env.Defer(func() {
		if err := vault.stop(); err != nil {
			env.T().Log("stopping Vault:", err)
			env.T().FailNow()
		}
	})

	examples, err := filepath.Abs("../../examples")
	if err != nil {
		return err
	}
	for key, value := range map[string]string{
		"HOME":          env.WorkDir,
		"VAULT_ADDR":    vault.address,
		"VAULT_TOKEN":   vault.rootToken,
		"VAULT_BIN":     vaultBin,
		"VAULT_PID":     strconv.Itoa(vault.command.Process.Pid),
		"SUBSCRIBE_BIN": subscribeBin,
		"EVIDENCE":      string(evidence),
		"EXAMPLES":      examples,
		"KRAKEN_URL":    kraken.RESTURL(),
		"KRAKEN_WS":     kraken.WebSocketV2URL(),
	} {
		env.Setenv(key, value)
	}
	pair, err := newPair(env.WorkDir, "", evidence)
	if err != nil {
		return err
	}
	kraken.SetKey(pair)
	env.Setenv("API_KEY", pair.APIKey)
	return errors.Join(
		os.WriteFile(filepath.Join(env.WorkDir, "kraken-ca.pem"), []byte(kraken.CACertPEM()), 0o600),
		os.WriteFile(filepath.Join(env.WorkDir, "padded-key"), []byte("\r\n\t "+pair.APIKey+" \n\n"), 0o600),
		os.WriteFile(filepath.Join(env.WorkDir, "padded-secret"), []byte("\r\n\t "+pair.APISecret+" \n\n"), 0o600),
		evidence.addSecret(vault.rootToken),
	)
}

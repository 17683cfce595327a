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

	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/subprocess"
	"github.com/rogpeppe/go-internal/testscript"
)

const pluginName = "vault-plugin-secrets-kraken"

// What all tests share; set by suite.Run.
var (
	vaultBin     string
	pluginDir    string
	subscribeBin string
	krakenSimBin string
	goExampleBin string
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
	krakenSimBin = filepath.Join(dir, "kraken-sim")
	goExampleBin = filepath.Join(dir, "go-example")

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
	return errors.Join(
		build(filepath.Join(pluginDir, pluginName), "cmd/"+pluginName),
		build(subscribeBin, "examples/subscribe"),
		build(krakenSimBin, "cmd/kraken-sim"),
		build(goExampleBin, "examples/go"),
	)
}

// build builds a program of this module.
func build(output, source string, flags ...string) error {
	arguments := append([]string{"build", "-o", output}, flags...)
	if text, err := exec.Command("go", append(arguments, "../../"+source)...).CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", source, err, text)
	}
	return nil
}

func TestScripts(t *testing.T) {
	deadline, _ := t.Deadline()
	testscript.RunT(scriptT{t}, testscript.Params{
		Dir:                "testdata",
		Setup:              setUp,
		RequireUniqueNames: true,
		Deadline:           deadline,
		Condition:          condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"kraken": cmdKraken,
			"setenv": cmdSetenv,
			"repeat": cmdRepeat,

			"await":        cmdAwait,
			"build-plugin": cmdBuildPlugin,
			"follow":       cmdFollow,
			"forbidden":    cmdForbidden,
			"http":         cmdHTTP,
			"npm-ci":       cmdNpmCI,
			"renewals":     cmdRenewals,

			"start":            cmdStart,
			"stays-subscribed": cmdStaysSubscribed,
		},
	})
}

// scriptT is a script's testing.T, which testscript hides, so that scripts can use what other tests do.
type scriptT struct{ *testing.T }

func (t scriptT) Run(name string, run func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) { run(scriptT{t}) })
}

func (t scriptT) Verbose() bool { return testing.Verbose() }

// world is the key of a script's cluster among its values.
type world struct{}

// setUp starts a Kraken and a Vault server for a script, and leaves in its directory and environment what an operator
// has at hand: a key pair, and Vault's address and a token that may do everything. The server keeps everything in memory, but
// for a script that has a file called storage-on-disk: raft can be stepped down from, and makes snapshots.
func setUp(env *testscript.Env) error {
	// A directory of its own, for scripts that put files into it.
	plugins := filepath.Join(env.WorkDir, "plugins")
	if err := errors.Join(os.Mkdir(plugins, 0o700), os.Link(filepath.Join(pluginDir, pluginName), filepath.Join(plugins, pluginName))); err != nil {
		return err
	}
	storage := inMemory
	if _, err := os.Stat(filepath.Join(env.WorkDir, "storage-on-disk")); err == nil {
		storage = onDisk
	}
	c := startCluster(env.T().(scriptT).T, setup{storage: storage, plugins: plugins})
	env.Values[world{}] = c
	key, err := c.newKey()
	if err != nil {
		return err
	}
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		return err
	}
	address, err := subprocess.FreeAddress()
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"HOME":             env.WorkDir,
		"VAULT_ADDR":       c.servers[0].address,
		"VAULT_TOKEN":      c.rootToken,
		"VAULT_BIN":        vaultBin,
		"VAULT_PID":        strconv.Itoa(c.servers[0].process.PID()),
		"SUBSCRIBE_BIN":    subscribeBin,
		"KRAKEN_SIM_BIN":   krakenSimBin,
		"FREE_ADDRESS":     address,
		"EVIDENCE":         string(c.evidence),
		"EXAMPLES":         examples,
		"GO_EXAMPLE":       goExampleBin,
		"PLUGIN":           filepath.Join(plugins, pluginName),
		"PLUGIN_DIRECTORY": plugins,
		"KRAKEN_URL":       c.kraken.RESTURL(),
		"KRAKEN_WS":        c.kraken.WebSocketV2URL(),
		"KRAKEN_PROXY":     c.proxy,
		"KRAKEN_CA":        c.caFile,
		"API_KEY":          key.APIKey,
	} {
		env.Setenv(name, value)
	}
	return errors.Join(
		writeSecret(filepath.Join(env.WorkDir, "api-secret"), key.APISecret),
		os.WriteFile(filepath.Join(env.WorkDir, "kraken-ca.pem"), []byte(c.kraken.CACertPEM()), 0o600),
		os.WriteFile(filepath.Join(env.WorkDir, "padded-key"), []byte("\r\n\t "+key.APIKey+" \n\n"), 0o600),
		os.WriteFile(filepath.Join(env.WorkDir, "padded-secret"), []byte("\r\n\t "+key.APISecret+" \n\n"), 0o600),
	)
}

// writeSecret writes a secret to a file, with a newline at its end, as editors leave it.
func writeSecret(file, secret string) error {
	return os.WriteFile(file, []byte(secret+"\n"), 0o600)
}

// Command compatibility runs the acceptance tests on one Vault server after another, and writes into docs/compatibility.md how that went.
//
//	make compatibility                     Vault 1.19.0 and 1.21.0, both built from source, and the server in VAULT_BIN, if it is set
//	make compatibility RUN=TestScripts/operator   those tests only, to try it; writes nothing
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// testTimeout bounds the acceptance tests on one server. They take some minutes on two idle cores.
const testTimeout = 60 * time.Minute

// Where things are, from the root of the repository, in which this program runs.
const document = "docs/compatibility.md"

var modules = []string{"tools/vault-1.19", "tools/vault"} // each pins a Vault server

func main() {
	run := flag.String("run", "", "only the tests that this matches; then nothing is written")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := compare(ctx, *run); err != nil {
		fmt.Fprintln(os.Stderr, "compatibility:", err)
		os.Exit(1)
	}
}

// compare tests with one server after the other and writes each result down. The error says if a server couldn't be had, or a test failed.
func compare(ctx context.Context, run string) error {
	servers, err := servers(ctx)
	if err != nil {
		return err
	}
	plugin, err := pluginVersion(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, server := range servers {
		fmt.Printf("\n%s: go test ./test/acceptance\n", server.version)
		r := result{server: server, begun: time.Now(), plugin: plugin}
		r.counts, err = test(ctx, server.binary, run, os.Stdout)
		if err != nil {
			return fmt.Errorf("%s: %w", server.version, err)
		}
		fmt.Printf("%s: %s in %s\n", server.version, r.counts, time.Since(r.begun).Round(time.Second))
		if r.failed > 0 {
			failed = errors.Join(failed, fmt.Errorf("%s: failed: %s", server.version, strings.Join(r.failures, ", ")))
		}
		if run != "" {
			continue
		}
		if err := write(document, r); err != nil {
			return err
		}
	}
	if run != "" {
		fmt.Println("\nNot all tests were run, so", document, "stays as it is.")
	}
	return failed
}

// server is a Vault server to test with.
type server struct {
	binary  string
	version string // "Vault v1.21.0"
}

// servers are those that this repository pins, which are built if need be, and the one in VAULT_BIN.
func servers(ctx context.Context) ([]server, error) {
	var binaries []string
	for _, module := range modules {
		build := exec.CommandContext(ctx, "scripts/vault", module)
		build.Stderr = os.Stderr
		printed, err := build.Output()
		if err != nil {
			return nil, fmt.Errorf("scripts/vault %s: %w", module, err)
		}
		binaries = append(binaries, strings.TrimSpace(string(printed)))
	}
	if name := os.Getenv("VAULT_BIN"); name != "" {
		binary, err := locate(name)
		if err != nil {
			return nil, fmt.Errorf("VAULT_BIN: %w", err)
		}
		binaries = append(binaries, binary)
	}
	var servers []server
	for _, binary := range binaries {
		printed, err := exec.CommandContext(ctx, binary, "version").Output()
		if err != nil {
			return nil, fmt.Errorf("%s version: %w", binary, err)
		}
		servers = append(servers, server{binary, versionOf(string(printed))})
	}
	return servers, nil
}

// locate is the whole path of a program, which the tests, in directories of their own, find as well.
func locate(name string) (string, error) {
	found, err := exec.LookPath(name)
	if err != nil {
		return "", err
	}
	return filepath.Abs(found)
}

// versionOf is the program and its version of what `vault version` or `bao version` prints: "Vault v1.21.0 (…), built …".
func versionOf(printed string) string {
	words := strings.Fields(printed)
	if len(words) < 2 {
		return strings.TrimSpace(printed)
	}
	return strings.TrimSuffix(words[0]+" "+words[1], ",")
}

// pluginVersion is what the plugin of this source says it is.
func pluginVersion(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "compatibility-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := exec.CommandContext(ctx, "make", "-s", "build", "OUT="+dir).Run(); err != nil {
		return "", fmt.Errorf("make build: %w", err)
	}
	printed, err := exec.CommandContext(ctx, filepath.Join(dir, "vault-plugin-secrets-kraken"), "-version").Output()
	return strings.TrimSpace(string(printed)), err
}

// counts are of tests and scripts that have no parts of their own.
type counts struct {
	passed, failed, skipped int
	failures                []string // names of the failed ones
}

func (c counts) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", c.passed, c.failed, c.skipped)
}

// test runs the acceptance tests with a server, and tells of each that has ended. Tests that fail are no error.
func test(ctx context.Context, binary, run string, out io.Writer) (counts, error) {
	command := exec.CommandContext(ctx, "go", "test", "-json", "-count=1", "-timeout", testTimeout.String(), "-run", run, "./test/acceptance")
	command.Env = append(os.Environ(), "VAULT_BIN="+binary)
	command.Stderr = os.Stderr
	// Asked to end, and not killed: then its servers end with it.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = time.Minute
	events, err := command.StdoutPipe()
	if err != nil {
		return counts{}, err
	}
	if err := command.Start(); err != nil {
		return counts{}, err
	}
	counts, err := count(events, out)
	_, _ = io.Copy(io.Discard, events)
	ended := command.Wait()
	var exit *exec.ExitError
	if err == nil && (counts.failed == 0 || !errors.As(ended, &exit)) {
		err = ended // a test that fails explains it
	}
	if err == nil && counts.passed+counts.failed == 0 {
		err = errors.New("no test was run")
	}
	return counts, err
}

// event is a line of `go test -json`.
type event struct {
	Action string
	Test   string
	Output string
}

// count counts tests by how they ended, and prints that and what failed ones had to say. A test with parts is counted by its parts.
func count(events io.Reader, out io.Writer) (counts, error) {
	var c counts
	hasParts := map[string]bool{}
	said := map[string]*strings.Builder{}
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 16<<20) // a line of output may be long
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(out, lines.Text()) // what isn't of a test: the compiler's
			continue
		}
		if e.Test == "" {
			continue
		}
		if whole, _, isPart := cutLast(e.Test, "/"); isPart {
			hasParts[whole] = true
		}
		switch e.Action {
		case "output":
			if said[e.Test] == nil {
				said[e.Test] = new(strings.Builder)
			}
			said[e.Test].WriteString(e.Output)
			continue
		case "pass", "fail", "skip":
		default:
			continue
		}
		text := said[e.Test]
		delete(said, e.Test)
		if e.Action == "fail" && text != nil {
			fmt.Fprint(out, text)
		}
		if hasParts[e.Test] {
			continue
		}
		switch e.Action {
		case "pass":
			c.passed++
		case "fail":
			c.failed++
			c.failures = append(c.failures, e.Test)
		case "skip":
			c.skipped++
		}
		fmt.Fprintf(out, "  %s %s\n", e.Action, e.Test)
	}
	return c, lines.Err()
}

func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}

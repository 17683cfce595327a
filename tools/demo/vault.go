//go:build unix

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/subprocess"
)

const vaultPackage = "github.com/hashicorp/vault"

// findVault finds a Vault binary, or builds one: the version that a module pins if its directory is given. Otherwise it is
// what VAULT_BIN names, or the vault on the PATH if that is new enough, or the version that tools/vault pins.
func findVault(ctx context.Context, module ...string) (string, error) {
	if len(module) == 1 {
		return buildVault(ctx, module[0])
	}
	if named := os.Getenv("VAULT_BIN"); named != "" {
		found, err := exec.LookPath(named)
		if err != nil {
			return "", fmt.Errorf("VAULT_BIN: %w", err)
		}
		return filepath.Abs(found)
	}
	if found, err := exec.LookPath("vault"); err == nil {
		if isNewEnough(printedVersion(ctx, found)) {
			return filepath.Abs(found)
		}
		fmt.Fprintf(os.Stderr, "%s isn't Vault 1.14 or newer, so a pinned version is used instead.\n", found)
	}
	return buildVault(ctx, "tools/vault")
}

// versionTimeout is how long a program may take to say its version. What is called vault may be anything.
const versionTimeout = 10 * time.Second

// printedVersion is what a program prints as its version; "" if that takes too long.
func printedVersion(ctx context.Context, binary string) string {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	command := exec.Command(binary, "version")
	var printed strings.Builder
	command.Stdout = &printed
	if err := subprocess.Run(ctx, command); err != nil {
		return ""
	}
	return printed.String()
}

var vaultVersion = regexp.MustCompile(`^Vault v(\d+)\.(\d+)`)

// isNewEnough tells whether `vault version` prints 1.14 or later.
func isNewEnough(printed string) bool {
	version := vaultVersion.FindStringSubmatch(printed)
	if version == nil {
		return false
	}
	major, _ := strconv.Atoi(version[1])
	minor, _ := strconv.Atoi(version[2])
	return major > 1 || major == 1 && minor >= 14
}

var vaultRequired = regexp.MustCompile(`(?m)^(?:require )?\s*` + regexp.QuoteMeta(vaultPackage) + ` (v\S+)`)

// buildVault builds the Vault that a module pins into the user's cache, unless it is there already.
func buildVault(ctx context.Context, module string) (binary string, err error) {
	mod, err := os.ReadFile(filepath.Join(module, "go.mod"))
	if err != nil {
		return "", err
	}
	sums, err := os.ReadFile(filepath.Join(module, "go.sum"))
	if err != nil {
		return "", err
	}
	required := vaultRequired.FindSubmatch(mod)
	if required == nil {
		return "", fmt.Errorf("%s/go.mod doesn't require %s", module, vaultPackage)
	}
	version, pins := string(required[1]), sha256.Sum256(append(mod, sums...))
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	binary = filepath.Join(cache, fmt.Sprintf("vault-%s-%x", version, pins[:5]))
	isThere := func() bool { _, err := os.Stat(binary); return err == nil }
	if isThere() {
		return binary, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	fmt.Fprintf(os.Stderr, `Vault %s is built from source into %s.
This is done once, and takes some minutes. Ctrl-C is fine: the next run goes on from there.
To skip it, install vault 1.14 or later: https://developer.hashicorp.com/vault/install
`, version, cache)
	unlock, err := lock(ctx, binary+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if isThere() { // by now: another run has built it
		return binary, nil
	}
	// Built beside its place and renamed into it, so that nobody sees half of it. Interrupted, go leaves temporary files behind.
	building := binary + ".building"
	defer os.RemoveAll(building)
	if err := errors.Join(os.RemoveAll(building), os.Mkdir(building, 0o700)); err != nil {
		return "", err
	}
	if err := goBuild(ctx, module, version, building); err != nil {
		return "", err
	}
	if err := os.Rename(filepath.Join(building, "vault"), binary); err != nil {
		return "", err
	}
	return binary, nil
}

// cacheDir is where what is built is kept, for this user.
func cacheDir() (string, error) {
	caches := cmp.Or(os.Getenv("XDG_CACHE_HOME"), filepath.Join(os.Getenv("HOME"), ".cache"))
	if !filepath.IsAbs(caches) {
		return "", errors.New("set HOME, or XDG_CACHE_HOME, to an absolute path: Vault is built into a cache there")
	}
	return filepath.Join(caches, pluginName), nil
}

// lock makes all but one run wait. The lock ends with the process at the latest.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	for told := false; ; {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			file.Close()
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if !told {
			fmt.Fprintln(os.Stderr, "Another run builds it; waiting for that.")
			told = true
		}
		if !sleep(ctx, lockInterval) {
			file.Close()
			return nil, ctx.Err()
		}
	}
}

// goBuild builds a module's Vault in dir, and shows its progress.
func goBuild(ctx context.Context, module, version, dir string) error {
	output := filepath.Join(dir, "vault")
	environ := append(os.Environ(), "GOTMPDIR="+dir)
	progress := newProgress(os.Stderr, isTerminal(os.Stderr), "Vault "+version)
	defer progress.end()

	// What is in Go's cache already is what an earlier run has done. The program itself is always to be linked.
	var listed bytes.Buffer
	err := runGo(ctx, module, environ, &listed, func(line string) bool {
		downloads := strings.HasPrefix(line, "go: downloading ")
		if downloads {
			progress.downloaded()
		}
		return downloads
	}, "list", "-deps", "-mod=readonly", "-tags=minimal", `-f={{if ne .Name "main"}}{{.Stale}}{{end}}`, vaultPackage)
	if err != nil {
		return err
	}
	done, missing := strings.Count(listed.String(), "false\n"), strings.Count(listed.String(), "true\n")
	progress.begin(done, done+missing)
	return runGo(ctx, module, environ, io.Discard, func(line string) bool {
		isPackage := line != "" && !strings.ContainsAny(line, " #:")
		if isPackage && line != vaultPackage {
			progress.built()
		}
		return isPackage
	}, "build", "-v", "-mod=readonly", "-tags=minimal", "-o", output, vaultPackage)
}

// runGo runs the go command. What it prints on stderr goes to see, line by line; what see doesn't know tells what is wrong.
func runGo(ctx context.Context, dir string, environ []string, stdout io.Writer, see func(line string) bool, args ...string) error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	command := exec.Command("go", args...)
	command.Dir, command.Env = dir, environ
	command.Stdout, command.Stderr = stdout, writer
	complaints := make(chan string)
	go func() {
		var unknown strings.Builder
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			if !see(lines.Text()) {
				unknown.WriteString(lines.Text() + "\n")
			}
		}
		_, _ = io.Copy(io.Discard, reader) // what is behind a line that is too long, or go would wait for ever
		complaints <- unknown.String()
	}()
	err = subprocess.Run(ctx, command)
	writer.Close()
	text := <-complaints
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("go %s: %w\n%s", args[0], err, text)
	}
	return err
}

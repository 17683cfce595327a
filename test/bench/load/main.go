// Command load measures the secrets engine side by side with others on one Vault server, and writes what it finds to
// docs/performance.md and its pictures. `make bench` starts it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// measures are run in this order.
var measures = []struct {
	name string
	run  func(*world) error
}{
	{"cached", cachedReads},
	{"minted", mintedReads},
	{"seed", exampleProgram},
	{"herd", herd},
	{"writes", configWrites},
	{"accounts", accountsInUse},
	{"growth", growth},
	{"cold", coldReads},
	{"idle", idle},
	{"start", starts},
	{"signing", signing},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var names []string
	for _, m := range measures {
		names = append(names, m.name)
	}
	quick := flag.Bool("quick", false, "try every measure once, small; the figures mean nothing, and no documents are written")
	only := flag.String("only", "", "comma-separated `measures` of "+strings.Join(names, ", ")+"; no documents are written")
	flag.Parse()
	wanted := names
	if *only != "" {
		wanted = strings.Split(*only, ",")
		for _, name := range wanted {
			if !slices.Contains(names, name) {
				return fmt.Errorf("no measure %q; there are %s", name, strings.Join(names, ", "))
			}
		}
	}
	here, err := moduleDir()
	if err != nil {
		return err
	}
	vaultBinary, err := findVault(here)
	if err != nil {
		return err
	}
	begun := time.Now()
	w, err := newWorld(ctx, here, vaultBinary, *quick)
	defer w.close()
	if err != nil {
		return err
	}
	var failed []error
	for _, m := range measures {
		if !slices.Contains(wanted, m.name) {
			continue
		}
		began := time.Now()
		fmt.Printf("measuring %s ... ", m.name)
		err := m.run(w)
		if ctx.Err() != nil {
			fmt.Println()
			return ctx.Err()
		}
		if err != nil { // the others are worth having all the same
			err = fmt.Errorf("%s: %w", m.name, err)
			fmt.Print(err, " ")
			failed = append(failed, err)
		}
		fmt.Printf("%.1f s\n", time.Since(began).Seconds())
	}
	fmt.Printf("all took %.0f s\n\n%s", time.Since(begun).Seconds(), aligned(w.results.rows()))
	switch {
	case failed != nil:
		return errors.Join(failed...)
	case *quick:
		fmt.Println("\nAll was tried once, and small: the figures mean nothing.")
		return nil
	case *only != "":
		return nil
	}
	return w.document(filepath.Join(here, "../../../docs"), begun)
}

// findVault is the Vault binary: VAULT_BIN, or what scripts/vault finds or builds.
func findVault(here string) (string, error) {
	if binary := os.Getenv("VAULT_BIN"); binary != "" {
		return binary, nil
	}
	command := exec.Command(filepath.Join(here, "../../../scripts/vault"))
	command.Stderr = os.Stderr
	printed, err := command.Output()
	return strings.TrimSpace(string(printed)), err
}

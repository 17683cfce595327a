package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The plugins' names, and those of their binaries.
const (
	kraken     = "vault-plugin-secrets-kraken"
	floor      = "floor"
	constant   = "constant"
	callerOnly = "caller"
	kvExternal = "kv-external"
	krakenSim  = "kraken-sim" // no plugin
)

// programs are what is built, and where from: a package of the plugin's own module, or of this one's, which has what the
// plugin's must not depend on.
var programs = []struct{ name, dir, pkg string }{
	{kraken, "../../..", "./cmd/vault-plugin-secrets-kraken"},
	{floor, "../../..", "./test/bench/floor"},
	{constant, "../../..", "./test/bench/constant"},
	{callerOnly, "../../..", "./test/bench/caller"},
	{krakenSim, "../../..", "./cmd/kraken-sim"},
	{kvExternal, ".", "github.com/hashicorp/vault-plugin-secrets-kv/cmd/vault-plugin-secrets-kv"},
}

// build builds the programs into dir, all as `make build` builds the plugin: static, stripped, reproducible. here is the
// directory of this module.
func build(ctx context.Context, here, dir string) error {
	for _, program := range programs {
		command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=",
			"-o", filepath.Join(dir, program.name), program.pkg)
		command.Dir = filepath.Join(here, program.dir)
		command.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", program.name, err, output)
		}
	}
	return nil
}

// moduleDir is the directory of this module, where `go run` and `go test` are started.
func moduleDir() (string, error) {
	command := exec.Command("go", "list", "-m", "-f", "{{.Dir}}")
	printed, err := command.Output()
	dir := strings.TrimSpace(string(printed))
	if err != nil || !strings.HasSuffix(filepath.ToSlash(dir), "test/bench/load") {
		return "", fmt.Errorf("start this in test/bench/load (as make bench does): %w", err)
	}
	return dir, nil
}

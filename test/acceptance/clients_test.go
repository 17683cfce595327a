package acceptance

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// condition is what the scripts can ask for beyond testscript's own conditions:
//
//	[node]  Node.js 20.19 or later, which the packages of testdata/clients need, and npm
func condition(name string) (bool, error) {
	if name != "node" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	version, err := exec.Command("node", "--version").Output()
	if err != nil {
		return false, nil
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(version), "v%d.%d", &major, &minor); err != nil {
		return false, fmt.Errorf("node --version: %w", err)
	}
	_, err = exec.LookPath("npm")
	return err == nil && (major > 20 || major == 20 && minor >= 19), nil
}

// cmdNpmCI puts the packages of testdata/clients, and the programs that use them, into the script's directory:
//
//	npm-ci
func cmdNpmCI(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: npm-ci")
	}
	find := exec.Command("../../scripts/npm")
	find.Env = append(os.Environ(), "PATH="+realPath)
	var complaints strings.Builder
	find.Stderr = &complaints
	modules, err := find.Output()
	if err != nil {
		ts.Fatalf("scripts/npm: %v\n%s", err, complaints.String())
	}
	ts.Check(os.Symlink(strings.TrimSpace(string(modules)), ts.MkAbs("node_modules")))
	ts.Check(os.CopyFS(ts.MkAbs("."), os.DirFS("testdata/clients")))
}

//go:build unix

package main

import (
	"bytes"
	"context"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/subprocess"
)

// shell runs commands as a user's shell would: each in bash, in one directory, with the VAULT_TOKEN that one of them
// exports there for those after it.
type shell struct {
	dir       string
	variables map[string]string
}

// newShell is a shell with the user's environment and, over it, variables. The user's own VAULT_ADDR points to another
// server: what is for Vault isn't kept, nor what OpenBao, which VAULT_BIN may be, prefers to that (BAO_ADDR).
func newShell(dir string, variables map[string]string) shell {
	merged := map[string]string{}
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); !strings.HasPrefix(name, "VAULT_") && !strings.HasPrefix(name, "BAO_") {
			merged[name] = value
		}
	}
	maps.Copy(merged, variables)
	return shell{dir: dir, variables: merged}
}

// quoted is a text as one word of a shell's command.
func quoted(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

var plainWord = regexp.MustCompile(`^[\w./:@%+=,-]+$`)

func (s *shell) set(name, value string) { s.variables[name] = value }

func (s *shell) environ() []string {
	var environ []string
	for _, name := range slices.Sorted(maps.Keys(s.variables)) {
		environ = append(environ, name+"="+s.variables[name])
	}
	return environ
}

// output runs a command, and returns what it prints on stdout and stderr.
func (s *shell) output(ctx context.Context, text string) (string, error) {
	// The token comes back through a pipe, where nobody else can see it.
	reader, writer, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer reader.Close()
	command := exec.Command("bash", "-euo", "pipefail", "-c", `trap 'printf %s "${VAULT_TOKEN-}" >&3' EXIT`+"\n"+text)
	command.Dir, command.Env = s.dir, s.environ()
	command.ExtraFiles = []*os.File{writer}
	var printed, token bytes.Buffer
	command.Stdout, command.Stderr = &printed, &printed
	err = subprocess.Run(ctx, command)
	writer.Close()
	if err != nil {
		return printed.String(), err
	}
	_, err = token.ReadFrom(reader)
	s.set("VAULT_TOKEN", token.String())
	return printed.String(), err
}

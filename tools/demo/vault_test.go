//go:build unix

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIsNewEnough(t *testing.T) {
	for printed, want := range map[string]bool{
		"Vault v1.14.0 (abc), built 2023-06-19T11:40:23Z": true,
		"Vault v1.21.0":    true,
		"Vault v2.0.0":     true,
		"Vault v1.13.13":   false,
		"Vault v0.11.6":    false,
		"":                 false,
		"vault: not found": false,
	} {
		assert.Equal(t, want, isNewEnough(printed), printed)
	}
}

func TestFindVault(t *testing.T) {
	t.Setenv("VAULT_BIN", "")
	dir := t.TempDir()
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	writeProgram(t, filepath.Join(dir, "vault"), `echo "Vault v1.17.2 (abc)"`)

	found, err := findVault(context.Background())
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "vault"), found, "on the PATH")

	writeProgram(t, filepath.Join(dir, "bao"), "")
	for _, named := range []string{"bao", filepath.Join(dir, "bao")} {
		t.Setenv("VAULT_BIN", named)
		found, err = findVault(context.Background())
		require.NoError(t, err)
		assert.Equal(t, filepath.Join(dir, "bao"), found, "in VAULT_BIN")
	}
	t.Setenv("VAULT_BIN", filepath.Join(dir, "none"))
	_, err = findVault(context.Background())
	assert.ErrorContains(t, err, "VAULT_BIN")
}

// A vault on the PATH that hangs, with a program of its own, doesn't stand in the way of Ctrl-C.
func TestFindVaultIsInterrupted(t *testing.T) {
	t.Setenv("VAULT_BIN", "")
	dir := t.TempDir()
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Chdir("../..")
	writeProgram(t, filepath.Join(dir, "vault"), "sleep 100; exit")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := findVault(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(began), 5*time.Second)
}

// Nothing is built into the working directory, or into the module's.
func TestBuildVaultWithoutACache(t *testing.T) {
	f := newFakeGo(t, "")
	for _, caches := range []string{"", "relative"} {
		t.Setenv("XDG_CACHE_HOME", caches)
		t.Setenv("HOME", "")
		t.Chdir(t.TempDir())
		_, err := buildVault(context.Background(), f.module)
		assert.ErrorContains(t, err, "set HOME", caches)
		left, err := os.ReadDir(".")
		assert.NoError(t, err)
		assert.Empty(t, left)
	}
}

// A compiler with much to say on one line isn't left waiting.
func TestBuildVaultWithALongLine(t *testing.T) {
	f := newFakeGo(t, `
list) echo true ;;
build)
  while [ "$1" != -o ]; do shift; done
  printf whole >"$2"
  head -c 300000 /dev/zero | tr '\0' x >&2 ;;`)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, err := buildVault(ctx, f.module)
	assert.NoError(t, err)
}

// Several runs at once, the first of which is interrupted: one binary is built, everybody gets it whole, and nothing else is left.
func TestBuildVault(t *testing.T) {
	f := newFakeGo(t, `
list) echo false; echo false; echo true; echo ;;
build)
  echo built >>"$LOG"
  echo example.com/package >&2
  while [ "$1" != -o ]; do shift; done
  printf half >"$2"
  while [ ! -e "$GO_ON" ]; do sleep 0.01; done
  printf whole >"$2" ;;`)
	cut, cancel := context.WithCancel(context.Background())
	building := make(chan error)
	go func() {
		_, err := buildVault(cut, f.module)
		building <- err
	}()
	require.Eventually(t, func() bool { return f.builds() == 1 }, 10*time.Second, 10*time.Millisecond)
	cancel()
	assert.ErrorIs(t, <-building, context.Canceled)

	var runs sync.WaitGroup
	for range 3 {
		runs.Go(func() {
			binary, err := buildVault(context.Background(), f.module)
			if assert.NoError(t, err) {
				text, err := os.ReadFile(binary)
				assert.NoError(t, err)
				assert.Equal(t, "whole", string(text))
			}
		})
	}
	require.Eventually(t, func() bool { return f.builds() == 2 }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, os.WriteFile(f.goOn, nil, 0o600))
	runs.Wait()
	assert.Equal(t, 2, f.builds())
	left, err := filepath.Glob(filepath.Join(f.cache, pluginName, "*.building"))
	assert.NoError(t, err)
	assert.Empty(t, left)
}

func TestBuildVaultFails(t *testing.T) {
	f := newFakeGo(t, `
list) echo true ;;
build) echo "# example.com/package" >&2; echo "a.go:1:1: wrong" >&2; exit 1 ;;`)
	_, err := buildVault(context.Background(), f.module)
	assert.ErrorContains(t, err, "a.go:1:1: wrong")

	_, err = buildVault(context.Background(), t.TempDir())
	assert.ErrorContains(t, err, "go.mod")
}

// fakeGo is a go command, and a module to build with it.
type fakeGo struct {
	module, cache, log string
	goOn               string // a file that a build waits for
}

func newFakeGo(t *testing.T, cases string) fakeGo {
	t.Helper()
	dir := t.TempDir()
	f := fakeGo{
		module: filepath.Join(dir, "module"), cache: filepath.Join(dir, "cache"),
		log: filepath.Join(dir, "log"), goOn: filepath.Join(dir, "go-on"),
	}
	require.NoError(t, os.Mkdir(f.module, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(f.module, "go.mod"), []byte("module m\n\nrequire "+vaultPackage+" v1.2.3\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(f.module, "go.sum"), nil, 0o600))
	writeProgram(t, filepath.Join(dir, "go"), "case $1 in "+cases+"\nesac")
	t.Setenv("XDG_CACHE_HOME", f.cache)
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("LOG", f.log)
	t.Setenv("GO_ON", f.goOn)
	return f
}

// builds is how many have begun.
func (f fakeGo) builds() int {
	text, _ := os.ReadFile(f.log)
	return strings.Count(string(text), "built")
}

func writeProgram(t *testing.T, file, script string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\n"+script+"\n"), 0o700))
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTestsAreCountedByTheirParts(t *testing.T) {
	var printed strings.Builder
	c, err := count(strings.NewReader(`{"Action":"start"}
{"Action":"run","Test":"TestScripts"}
{"Action":"run","Test":"TestScripts/operator"}
{"Action":"output","Test":"TestScripts/operator","Output":"all is well\n"}
{"Action":"pass","Test":"TestScripts/operator"}
{"Action":"run","Test":"TestScripts/access"}
{"Action":"output","Test":"TestScripts/access","Output":"this isn't how Vault forbids\n"}
{"Action":"fail","Test":"TestScripts/access"}
{"Action":"skip","Test":"TestScripts/client_node"}
{"Action":"fail","Test":"TestScripts"}
{"Action":"pass","Test":"TestUpgrade"}
{"Action":"output","Output":"FAIL\n"}
{"Action":"fail"}
`), &printed)
	require.NoError(t, err)
	assert.Equal(t, counts{passed: 2, failed: 1, skipped: 1, failures: []string{"TestScripts/access"}}, c)
	assert.Contains(t, printed.String(), "this isn't how Vault forbids", "what failed says why")
	assert.NotContains(t, printed.String(), "all is well")
}

// The tests run in directories of their own, where a name from here would mean nothing.
func TestVaultBinIsFoundFromElsewhere(t *testing.T) {
	dir := t.TempDir()
	bao := filepath.Join(dir, "bao")
	require.NoError(t, os.WriteFile(bao, []byte("#!/bin/sh\n"), 0o700))
	t.Setenv("PATH", dir)
	t.Chdir(dir)
	for _, name := range []string{"bao", "./bao", bao} {
		found, err := locate(name)
		if assert.NoError(t, err, name) {
			assert.Equal(t, bao, found, name)
		}
	}
	_, err := locate("./none")
	assert.Error(t, err)
}

func TestWhatTheCompilerSaysIsShown(t *testing.T) {
	var printed strings.Builder
	c, err := count(strings.NewReader("# test/acceptance\n./x.go:1:1: expected 'package'\n"), &printed)
	require.NoError(t, err)
	assert.Equal(t, counts{}, c)
	assert.Contains(t, printed.String(), "expected 'package'")
}

func TestVersionOf(t *testing.T) {
	for printed, want := range map[string]string{
		"Vault v1.21.0 ('abc+CHANGES'), built 2025-10-21\n": "Vault v1.21.0",
		"Vault v1.19.0, built 2025-03-04T12:36:40Z\n":       "Vault v1.19.0",
		"OpenBao v2.6.2 (abc), built 2026\n":                "OpenBao v2.6.2",
		"vault":                                             "vault",
	} {
		assert.Equal(t, want, versionOf(printed))
	}
}

func TestAResultTakesThePlaceOfThatServersLast(t *testing.T) {
	text := "before\n" + markerBegin + "\nNot run yet.\n" + markerEnd + "\nafter\n"
	for _, r := range []result{
		{server: server{version: "Vault v1.21.0"}, counts: counts{passed: 49, failed: 1, failures: []string{"TestUpgrade"}}, plugin: "v0.1.0"},
		{server: server{version: "Vault v1.19.0"}, counts: counts{passed: 50, skipped: 1}, plugin: "v0.1.0"},
		{server: server{version: "Vault v1.21.0"}, counts: counts{passed: 48, failed: 2, failures: []string{"TestUpgrade", "TestScripts/help"}}, plugin: "v0.2.0"},
	} {
		var err error
		text, err = withRow(text, r.row("linux/amd64"))
		require.NoError(t, err)
	}
	assert.Equal(t, `before
<!-- make compatibility writes from here -->
| server | begun | passed | failed | skipped | plugin | machine |
|---|---|---|---|---|---|---|
| Vault v1.19.0 | 0001-01-01 00:00 UTC | 50 | 0 | 1 | v0.1.0 | linux/amd64 |
| Vault v1.21.0 | 0001-01-01 00:00 UTC | 48 | **2**: TestUpgrade, TestScripts/help | 0 | v0.2.0 | linux/amd64 |
<!-- to here -->
after
`, text)
	_, err := withRow("no markers", "| Vault v1.19.0 |\n")
	assert.Error(t, err)
}

func TestTheDocumentHasAPlaceForTheTable(t *testing.T) {
	text, err := os.ReadFile("../../" + document)
	require.NoError(t, err)
	_, err = withRow(string(text), "| Vault v1.19.0 |\n")
	assert.NoError(t, err)
}

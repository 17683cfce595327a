package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Which sum goes where is what operators get wrong.
func TestRegisterNamesTheRightSums(t *testing.T) {
	text, err := register(about, []file{
		{os: "linux", arch: "amd64", binary: "dist/vault-plugin-secrets-kraken_v1.2.3_linux_amd64", sum: "b1", imageID: "c1", imageDigest: "d1", goVersion: "go1.99"},
		{os: "windows", arch: "arm64", binary: "dist/vault-plugin-secrets-kraken_v1.2.3_windows_arm64.exe", sum: "b2", goVersion: "go1.99"},
	})
	require.NoError(t, err)
	linux := section(t, string(text), "### linux amd64")
	assert.Contains(t, linux, `install -m 0755 vault-plugin-secrets-kraken_v1.2.3_linux_amd64 "$PLUGIN_DIRECTORY/vault-plugin-secrets-kraken_v1.2.3"`)
	assert.Contains(t, linux, "vault plugin register -sha256=b1 -version=v1.2.3 -command=vault-plugin-secrets-kraken_v1.2.3 secret vault-plugin-secrets-kraken")
	windows := section(t, string(text), "### windows arm64")
	assert.Contains(t, windows, "-sha256=b2 -version=v1.2.3 -command=vault-plugin-secrets-kraken_v1.2.3.exe ")
	assert.NotContains(t, windows, "install")
	container := section(t, string(text), "### linux amd64, as a container")
	assert.Contains(t, container, "-sha256=c1 ", "Vault compares the image's ID")
	assert.Contains(t, container, "ghcr.io/krakensecrets/vault-plugin-secrets-kraken:1.2.3", "Vault looks for the tag without the v")
	openBao := section(t, string(text), "## On OpenBao")
	assert.Equal(t, 2, strings.Count(openBao, `sha256sum   = "b1"`), "OpenBao compares the binary's sum, in an image too")
	assert.Contains(t, string(text), "| linux amd64 | `b1` | `c1` | `d1` |")
	assert.Contains(t, string(text), "where `go version` says go1.99.")
	assert.NotContains(t, string(text), "windows arm64, as a container")
	assert.NotContains(t, string(text), "\n\n\n")
}

// section returns what stands between a heading and the next one of its level.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, after, found := strings.Cut(text, "\n"+heading+"\n")
	require.True(t, found, heading)
	level, _, _ := strings.Cut(heading, " ")
	section, _, _ := strings.Cut(after, "\n"+level+" ")
	return section
}

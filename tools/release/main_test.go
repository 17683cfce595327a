package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

func TestOnlySomeTargets(t *testing.T) {
	config, err := os.ReadFile("../../.goreleaser.yaml")
	require.NoError(t, err)
	whole, err := only(config, nil)
	require.NoError(t, err)
	assert.Equal(t, config, whole)

	some, err := only(config, []string{"linux_386", "darwin_arm64"})
	require.NoError(t, err)
	var before, after map[string]any
	require.NoError(t, yaml.Unmarshal(config, &before))
	require.NoError(t, yaml.Unmarshal(some, &after))
	build := after["builds"].([]any)[0].(map[string]any)
	assert.Equal(t, []any{"linux_386", "darwin_arm64"}, build["targets"])
	build["targets"] = before["builds"].([]any)[0].(map[string]any)["targets"]
	assert.Equal(t, before, after, "the rest is as it was")

	_, err = only(config, []string{"plan9_mips"})
	assert.ErrorContains(t, err, `there is no target "plan9_mips" in .goreleaser.yaml`)
}

func TestSumsAreOfAllFiles(t *testing.T) {
	dist := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dist, "b"), []byte("beta"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dist, "a"), []byte("alpha"), 0o600))
	require.NoError(t, writeSums(dist))
	require.NoError(t, writeSums(dist)) // doesn't list itself
	sums, err := os.ReadFile(filepath.Join(dist, "SHA256SUMS"))
	require.NoError(t, err)
	assert.Equal(t, sumOf([]byte("alpha"))+"  a\n"+sumOf([]byte("beta"))+"  b\n", string(sums))
}

func TestATagOfAnotherVersionIsRefused(t *testing.T) {
	t.Setenv("VERSION", "v0.1.0")
	t.Setenv("TAG", "v0.2.0")
	assert.ErrorContains(t, run("../..", nil), "the tag is v0.2.0, but version.go says v0.1.0")
}

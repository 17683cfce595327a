package acceptance

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A published release is downloaded, verified, registered and read from by the README's commands as they stand, those
// included that need the published release, and are therefore left out everywhere else.
//
// make release-install runs this, in an empty directory PUBLISHED. It needs GitHub, cosign and curl.
func TestPublishedRelease(t *testing.T) {
	dir := os.Getenv("PUBLISHED")
	if dir == "" {
		t.Skip("make release-install tries the release when it is published")
	}
	version := os.Getenv("VERSION")
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	var commands strings.Builder
	for _, b := range blocksOf(string(readme)) {
		isWanted := b.notRun == "" || b.notRun == "needs the published release"
		if isWanted && (b.isUnder("Install/Download and verify") || b.isUnder("Install/Register and enable")) {
			commands.WriteString(b.commands())
		}
	}
	require.Contains(t, commands.String(), "cosign verify-blob")
	plugins := t.TempDir()
	c := startCluster(t, setup{storage: inMemory, plugins: plugins})
	s := c.servers[0]
	bin := t.TempDir()
	require.NoError(t, os.Symlink(vaultBin, filepath.Join(bin, "vault")))
	follow := exec.Command("bash", "-euxo", "pipefail", "-c", commands.String())
	follow.Dir = dir
	follow.Env = append(os.Environ(), "PATH="+bin+":"+realPath, "VAULT_ADDR="+s.address, "VAULT_TOKEN="+s.client.Token(),
		"VERSION="+version, "PLATFORM="+runtime.GOOS+"_"+runtime.GOARCH, "PLUGIN_DIRECTORY="+plugins)
	printed, err := follow.CombinedOutput()
	require.NoError(t, err, "%s", printed)

	s.run(t, "secrets", "tune", allowedURLs, "kraken/")
	s.run(t, "write", "sys/plugins/reload/backend", "mounts=kraken/")
	c.configure(t, "", nil)
	token, err := s.client.Logical().Read("kraken/ws-token")
	require.NoError(t, err)
	require.NoError(t, c.evidence.addSecret(token.Data["token"].(string)))
	assert.Equal(t, version, c.runningVersion(t))
}

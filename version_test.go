package krakensecrets

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What else names the version must follow version.go: the README's commands download that release.
func TestVersionIsTheSameEverywhere(t *testing.T) {
	assert.Regexp(t, `^v\d+\.\d+\.\d+(-dev)?$`, Version)
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	if !strings.HasSuffix(Version, "-dev") { // until the next release, the README stays with the last one
		assert.Contains(t, string(readme), "\nVERSION="+Version+"\n")
	}
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("no make")
	}
	printed, err := exec.Command("make", "-s", "version").Output()
	require.NoError(t, err)
	assert.Equal(t, Version, strings.TrimSpace(string(printed)))
}

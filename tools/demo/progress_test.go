//go:build unix

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestProgress(t *testing.T) {
	var printed strings.Builder
	p := newProgress(&printed, true, "Vault v1.2.3")
	assert.Equal(t, "Vault v1.2.3: looking at its packages, 0s", p.String())
	p.downloaded()
	assert.Equal(t, "Vault v1.2.3: 1 modules downloaded, 0s", p.String())
	p.begin(7, 9)
	p.built()
	assert.Equal(t, "Vault v1.2.3: 8 of 9 packages compiled, 0s", p.String())
	p.built()
	assert.Equal(t, "Vault v1.2.3: all 9 packages compiled, linking, 0s", p.String())
	p.end()
	assert.True(t, strings.HasSuffix(printed.String(), "\rVault v1.2.3: all 9 packages compiled, linking, 0s\x1b[K\n"), "%q", &printed)
	assert.Equal(t, 1, strings.Count(printed.String(), "\n"), "one line that is rewritten")
}

// In a log there is a line for each state, and nothing that only a terminal understands.
func TestProgressInALog(t *testing.T) {
	var printed strings.Builder
	p := newProgress(&printed, false, "Vault v1.2.3")
	p.begin(0, 9)
	p.end()
	assert.NotContains(t, printed.String(), "\r")
	assert.True(t, strings.HasSuffix(printed.String(), "Vault v1.2.3: 0 of 9 packages compiled, 0s\n"), "%q", &printed)
}

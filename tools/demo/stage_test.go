//go:build unix

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Vault would only say that the plugin doesn't start.
func TestATemporaryDirectoryTooLongForASocket(t *testing.T) {
	parent := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	require.NoError(t, os.Mkdir(parent, 0o700))
	t.Setenv("TMPDIR", parent)
	err := onStage(context.Background(), newConsole(io.Discard, false), func(*stage) error { return errors.New("played") })
	assert.ErrorContains(t, err, "set TMPDIR=/tmp")
	left, err := os.ReadDir(parent)
	assert.NoError(t, err)
	assert.Empty(t, left)
}

//go:build unix

package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestShell(t *testing.T) {
	t.Setenv("VAULT_NAMESPACE", "the user's")
	t.Setenv("BAO_ADDR", "https://the-users-own.example.com")
	s := newShell(t.TempDir(), map[string]string{"VAULT_TOKEN": "first"})
	for _, command := range []struct{ text, printed, err string }{
		{`echo "$VAULT_TOKEN ${VAULT_NAMESPACE-}${BAO_ADDR-}"`, "first \n", ""},
		{`export VAULT_TOKEN=$(echo second)`, "", ""},
		{`echo $VAULT_TOKEN >file; cat file`, "second\n", ""},
		{`echo out; echo err >&2; false | cat`, "out\nerr\n", "exit status 1"},
		{`echo $VAULT_TOKEN`, "second\n", ""},
	} {
		printed, err := s.output(context.Background(), command.text)
		assert.Equal(t, command.printed, printed, command.text)
		if command.err == "" {
			assert.NoError(t, err, command.text)
		} else {
			assert.ErrorContains(t, err, command.err, command.text)
		}
	}
}

func TestShellIsInterrupted(t *testing.T) {
	s := newShell(t.TempDir(), nil)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := s.output(ctx, "sleep 100 | sleep 100")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(began), 5*time.Second)
}

func TestQuoted(t *testing.T) {
	s := newShell(t.TempDir(), nil)
	for _, text := range []string{"/tmp/kraken-demo.1", "/tmp/a b", "it's", "$HOME `id` \"x\" \\", ""} {
		printed, err := s.output(context.Background(), "printf %s "+quoted(text))
		assert.NoError(t, err, text)
		assert.Equal(t, text, printed)
	}
	assert.Equal(t, "/tmp/kraken-demo.1", quoted("/tmp/kraken-demo.1"), "no more than is needed")
}

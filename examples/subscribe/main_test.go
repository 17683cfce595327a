package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
)

func TestSubscribeUntilTheConnectionEnds(t *testing.T) {
	server, err := krakensim.Start(krakensim.Options{Keys: []krakensim.Key{{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret}}})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	secret := fmt.Sprintf(`{"data":{"token":%q,"websocket_url":%q}}`, server.NewToken(krakensim.ExampleAPIKey), server.WebSocketV2URL())
	printed, stdout := io.Pipe()
	ended := make(chan error)
	go func() { ended <- run(t.Context(), []string{"-count", "-1"}, strings.NewReader(secret), stdout) }()
	lines := bufio.NewScanner(printed)
	for _, want := range []string{`"success":true`, `"snapshot"`} {
		require.True(t, lines.Scan())
		assert.Contains(t, lines.Text(), want)
	}
	server.DropSockets()
	assert.Error(t, <-ended)
}

func TestSubscribe(t *testing.T) {
	key := krakensim.Key{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret}
	server, err := krakensim.Start(krakensim.Options{TLS: true, Keys: []krakensim.Key{key}})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(caFile, []byte(server.CACertPEM()), 0o600))
	notPEM := filepath.Join(t.TempDir(), "not.pem")
	require.NoError(t, os.WriteFile(notPEM, []byte("hello"), 0o600))

	token := server.NewToken(key.APIKey)
	secret := fmt.Sprintf(`{"data":{"token":%q,"websocket_url":%q}}`, token, server.WebSocketV2URL())
	tests := map[string]struct {
		args  []string
		stdin string
		lines []string // of the output, what each contains
		want  string   // of the error
	}{
		"acknowledged":             {args: []string{"-ca-cert", caFile}, lines: []string{`"success":true`}},
		"with its message":         {args: []string{"-ca-cert", caFile, "-channel", "balances", "-count", "1"}, lines: []string{`"success":true`, `"snapshot"`}},
		"another URL":              {args: []string{"-ca-cert", caFile, "-url", "wss://127.0.0.1:1/v2"}, want: "127.0.0.1:1"},
		"no such channel":          {args: []string{"-ca-cert", caFile, "-channel", "x"}, want: "refused by Kraken"},
		"a dead token":             {args: []string{"-ca-cert", caFile, "-url", server.WebSocketV2URL()}, stdin: `{"data":{"token":"x"}}`, want: "ESession:Invalid session"},
		"no token":                 {stdin: `{"data":{}}`, want: "vault read -format=json"},
		"no JSON":                  {stdin: "No value found", want: "vault read -format=json"},
		"an untrusted CA":          {want: "certificate"},
		"no CA file":               {args: []string{"-ca-cert", "missing.pem"}, want: "missing.pem"},
		"a CA file that isn't PEM": {args: []string{"-ca-cert", notPEM}, want: "no CA certificates"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.stdin == "" {
				test.stdin = secret
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var stdout bytes.Buffer
			err := run(ctx, test.args, strings.NewReader(test.stdin), &stdout)
			assert.NotContains(t, stdout.String(), token)
			if test.want != "" {
				require.ErrorContains(t, err, test.want)
				assert.NotContains(t, err.Error(), token)
				return
			}
			require.NoError(t, err)
			lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
			require.Len(t, lines, len(test.lines))
			for i, want := range test.lines {
				assert.Contains(t, lines[i], want)
			}
		})
	}
}

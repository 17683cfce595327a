package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAnAnswerThatNobodyAskedForIsNotLogged: net/http tells of one in the process's log, word for word, tokens and all, and Vault
// copies that into its own.
func TestAnAnswerThatNobodyAskedForIsNotLogged(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				request, err := http.ReadRequest(bufio.NewReader(connection))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, request.Body)
				const body = `{"error":[],"result":{"token":"open-sesame","expires":900}}`
				answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
				_, _ = io.WriteString(connection, answer+answer)
				_, _ = io.Copy(io.Discard, connection) // until the client has seen it and closed
			}()
		}
	}()
	storage := &logical.InmemStorage{}
	backend, log := startPlugin(t, storage)
	_, err = handle(t, backend, storage, logical.CreateOperation, "config", map[string]any{
		"api_key": krakensim.ExampleAPIKey, "api_secret": krakensim.ExampleAPISecret, "verify": false, "tier": "none",
		"api_url": "http://" + listener.Addr().String(),
	})
	require.NoError(t, err)
	for range 20 {
		response, err := handle(t, backend, storage, logical.ReadOperation, "ws-token", nil)
		require.NoError(t, err)
		require.Equal(t, "open-sesame", response.Data["token"])
	}
	// What the process writes arrives here a little later.
	assert.Never(t, func() bool { return strings.Contains(log(), "open-sesame") }, time.Second, 20*time.Millisecond)
	assert.NotContains(t, log(), "open-sesame")
}

// TestProxiesSeeNothingOfALoopbackKraken: with HTTP_PROXY set for the Vault server, a request in the clear must not go there.
func TestProxiesSeeNothingOfALoopbackKraken(t *testing.T) {
	var proxied atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied.Add(1) }))
	defer proxy.Close()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	t.Setenv("NO_PROXY", "")
	sim, storage := startSimulator(t), &logical.InmemStorage{}
	backend, _ := startPlugin(t, storage)
	_, err := handle(t, backend, storage, logical.CreateOperation, "config", map[string]any{
		"api_key": krakensim.ExampleAPIKey, "api_secret": krakensim.ExampleAPISecret, "api_url": sim.RESTURL(),
	})
	require.NoError(t, err)
	assert.Zero(t, proxied.Load())
}

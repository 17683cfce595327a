package kraken

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
)

// BenchmarkCall is a token over loopback and a connection that is kept alive. Its yardstick is BenchmarkBareCall.
func BenchmarkCall(b *testing.B) {
	overBoth(b, func(b *testing.B, client *Client) {
		for b.Loop() {
			ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
			_, err := client.GetWebSocketsToken(ctx, uint64(time.Now().UnixNano()))
			cancel()
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkBareCall is the same request by net/http alone, its answer read and not looked at.
func BenchmarkBareCall(b *testing.B) {
	overBoth(b, func(b *testing.B, client *Client) {
		config := client.Transport.(*Transport).http1.TLSClientConfig
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: config.RootCAs}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		bare := &http.Client{Transport: transport, Timeout: 10 * time.Second}
		for b.Loop() {
			nonce := strconv.FormatInt(time.Now().UnixNano(), 10)
			body := "nonce=" + nonce
			request, err := http.NewRequest(http.MethodPost, client.BaseURL+benchmarkPath, strings.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			request.Header.Set("User-Agent", client.UserAgent)
			request.Header.Set("API-Key", client.APIKey)
			request.Header.Set("API-Sign", client.PrivateKey.Sign(benchmarkPath, nonce, []byte(body)))
			response, err := bare.Do(request)
			if err != nil {
				b.Fatal(err)
			}
			if _, err = io.ReadAll(response.Body); err != nil {
				b.Fatal(err)
			}
			_ = response.Body.Close()
		}
	})
}

// overBoth measures over HTTP/2 and TLS, as Kraken speaks it, and over plain HTTP/1.1. The server's work counts as well.
func overBoth(b *testing.B, measure func(*testing.B, *Client)) {
	for name, options := range map[string]krakensim.Options{"HTTP2": {TLS: true}, "HTTP1": {}} {
		b.Run(name, func(b *testing.B) {
			options.Keys = []krakensim.Key{{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret}}
			sim, err := krakensim.Start(options)
			require.NoError(b, err)
			defer sim.Close()
			roots, _ := ParseCertificates(sim.CACertPEM())
			client := testClient(b, sim.RESTURL(), NewTransport(roots))
			client.APIKey = krakensim.ExampleAPIKey
			client.PrivateKey, err = ParsePrivateKey(krakensim.ExampleAPISecret)
			require.NoError(b, err)
			b.ReportAllocs()
			measure(b, client)
		})
	}
}

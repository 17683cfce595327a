package kraken

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestStatusesFromInFrontOfKraken(t *testing.T) {
	for status, test := range map[int]struct {
		kind Kind
		want string
	}{
		204: {KindNonsense, "HTTP 204 without an error of Kraken's"},
		299: {KindNonsense, "HTTP 299 without an error of Kraken's"},
		300: {KindNonsense, "it redirects (HTTP 300), and a signed request is never sent elsewhere"},
		399: {KindNonsense, "it redirects (HTTP 399)"},
		400: {KindNonsense, "HTTP 400 without an error of Kraken's"},
		403: {KindBlocked, "HTTP 403 came from in front of Kraken: this host's address is refused there"},
		404: {KindNonsense, "HTTP 404 without an error of Kraken's"},
		408: {KindUnavailable, "HTTP 408 came from in front of Kraken"},
		429: {KindRateLimited, "HTTP 429 (too many requests) came from in front of Kraken"},
		451: {KindBlocked, "HTTP 451 came from in front of Kraken"},
		499: {KindNonsense, "HTTP 499"},
		500: {KindUnavailable, "HTTP 500 came from in front of Kraken"},
		503: {KindUnavailable, "HTTP 503"},
		520: {KindUnavailable, "HTTP 520"},
		530: {KindUnavailable, "HTTP 530"},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			server := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, "<html>sesame</html>")
			})
			_, err := plainClient(t, server.URL).GetWebSocketsToken(t.Context(), testNonce)
			failed := requireError(t, err, test.kind, true)
			assert.Contains(t, err.Error(), test.want)
			assert.NotContains(t, err.Error(), "sesame")
			assert.Empty(t, failed.Messages, "Kraken itself didn't speak")
			assert.Equal(t, test.kind == KindNonsense, strings.HasPrefix(err.Error(), "what answered doesn't speak Kraken's API"))
			want := time.Duration(0)
			if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
				want = 7 * time.Second
			}
			assert.Equal(t, want, failed.RetryAfter, "with others it means nothing")
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"":                              0,
		"7":                             7 * time.Second,
		"-7":                            0,
		"7.5":                           0,
		"soon":                          0,
		"3599":                          3599 * time.Second,
		"99999999":                      time.Hour,
		"999999999999999999999999":      0,
		"Thu, 01 Jan 2026 00:00:42 GMT": 42 * time.Second,
		"Mon, 01 Jan 2001 00:00:00 GMT": 0,
		"Fri, 01 Jan 2200 00:00:00 GMT": time.Hour,
	} {
		response := &http.Response{Header: http.Header{"Retry-After": {header}}}
		assert.Equal(t, want, retryAfter(response, now), header)
	}
}

func TestServersWhoseTLSIsBad(t *testing.T) {
	for name, test := range map[string]struct {
		certificate func(*x509.Certificate)
		config      *tls.Config
		kind        Kind
		sent        bool
		want        string
	}{
		"expired":       {certificate: func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(time.Hour) }, kind: KindUntrusted, want: "so nothing was sent: its certificate has expired or is not valid yet"},
		"not valid yet": {certificate: func(c *x509.Certificate) { c.NotBefore = c.NotAfter.Add(-time.Hour) }, kind: KindUntrusted, want: "so nothing was sent: its certificate has expired or is not valid yet"},
		"not for servers": {certificate: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} },
			kind: KindUntrusted, want: "so nothing was sent: its certificate doesn't verify"},
		"another host":    {certificate: func(c *x509.Certificate) { c.DNSNames = []string{"other.test"} }, kind: KindUntrusted, want: "so nothing was sent: its certificate is for another host"},
		"TLS 1.1 at most": {config: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, kind: KindUntrusted, want: "so nothing was sent: it refuses the TLS connection"},
		"wants a certificate, TLS 1.2": {config: &tls.Config{MaxVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert},
			kind: KindUntrusted, want: "so nothing was sent: it refuses the TLS connection"},
		"wants a certificate, TLS 1.3": {config: &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAnyClientCert},
			kind: KindUntrusted, sent: true, want: "the server isn't trusted: it refuses the TLS connection"},
		"restarts": {config: &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, errors.New("restarting") }},
			kind: KindUnavailable, want: "the connection broke"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, client, _ := newNetwork(t)
				certificate, roots := newCertificate(t, test.certificate)
				client.Transport.(*Transport).http1.TLSClientConfig.RootCAs = roots
				if test.config == nil {
					test.config = &tls.Config{}
				}
				test.config.Certificates = []tls.Certificate{certificate}
				var requests atomic.Int64
				server := &http.Server{TLSConfig: test.config, ErrorLog: log.New(io.Discard, "", 0), TLSNextProto: noHTTP2,
					Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) })}
				go func() { _ = server.ServeTLS(n, "", "") }()
				t.Cleanup(func() { _ = server.Close() })
				_, err := client.GetWebSocketsToken(t.Context(), testNonce)
				requireError(t, err, test.kind, test.sent)
				assert.Contains(t, err.Error(), test.want)
				assert.Zero(t, requests.Load(), "a signed request was taken")
			})
		})
	}
}

func TestServersThatAreNotTrustedAtAll(t *testing.T) {
	plain := answering(t, http.NotFound)
	for server, want := range map[string]string{
		distrustedServer(t).URL:                          "its certificate is signed by an unknown authority",
		strings.Replace(plain.URL, "http:", "https:", 1): "it doesn't speak TLS",
	} {
		_, err := plainClient(t, server).GetWebSocketsToken(t.Context(), testNonce)
		requireError(t, err, KindUntrusted, false)
		assert.EqualError(t, err, "the server isn't trusted, so nothing was sent: "+want)
	}
}

func TestConnectionTrouble(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"a dial without a number": {&net.OpError{Op: "dial", Err: errors.New("sesame")}, "no connection to the server"},
		"a dial with one":         {&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}, "no connection to the server: no route to host"},
		"a number elsewhere":      {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, "the connection broke before the answer was whole"},
		"a name":                  {&net.OpError{Op: "dial", Err: &net.DNSError{Name: "kraken\n.test", Err: "sesame"}}, `no connection to the server: the host "kraken .test" can't be resolved`},
		"SOCKS":                   {&net.OpError{Op: "socks connect", Err: errors.New("sesame")}, "no connection to the proxy on the way to Kraken"},
		"a connection found dead": {errSilent, "the connection broke: nothing came over the connection any more"},
		"anything":                {errors.New("sesame"), "the connection broke before the answer was whole"},
	} {
		t.Run(name, func(t *testing.T) {
			failed := transportError(t.Context(), test.err, false)
			requireError(t, failed, KindUnavailable, false)
			assert.EqualError(t, failed, test.want)
			assert.ErrorIs(t, failed, test.err)
		})
	}
}

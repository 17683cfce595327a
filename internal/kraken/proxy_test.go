package kraken

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listening is the address of a server that does one thing with each connection.
func listening(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for connection, err := listener.Accept(); err == nil; connection, err = listener.Accept() {
			running.Go(func() {
				defer connection.Close()
				running.Go(func() { // the end of the test ends whatever it waits for
					<-ended
					_ = connection.Close()
				})
				serve(connection)
			})
		}
	})
	t.Cleanup(func() {
		close(ended)
		_ = listener.Close()
		running.Wait()
	})
	return listener.Addr().String()
}

// says is a connection's end that reads one request, or a part of it, and answers.
func says(answer string) func(net.Conn) {
	return func(connection net.Conn) {
		_, _ = connection.Read(make([]byte, 4096))
		say(connection, answer)
	}
}

// through is a client whose requests go through a proxy.
func through(t *testing.T, proxy string) *Client {
	t.Helper()
	client := plainClient(t, "https://kraken.test")
	at, err := url.Parse(proxy)
	require.NoError(t, err)
	client.Transport.(*Transport).http1.Proxy = http.ProxyURL(at)
	return client
}

// TestProxies: what a proxy on the way does is told as the proxy's, without its address and login, and nothing was sent to Kraken.
func TestProxies(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	closedAt := closed.Listener.Addr().String()
	distrusted := distrustedServer(t)
	plain := listening(t, says("HTTP/1.1 400 Bad Request\r\n\r\n"))
	refusing := func(status int) string { return answering(t, saying(status, "sesame")).Listener.Addr().String() }
	for name, test := range map[string]struct {
		scheme, at string
		kind       Kind
		want       string
	}{
		"nobody listens":           {"http", closedAt, KindUnavailable, "no connection to the proxy on the way to Kraken: connection refused"},
		"it has no address":        {"http", "proxy.invalid:3128", KindUnavailable, `no connection to the proxy on the way to Kraken: the host "proxy.invalid" can't be resolved`},
		"it wants a login":         {"http", refusing(407), KindNonsense, "the proxy on the way to Kraken wants a login, or another one: HTTP 407"},
		"it forbids Kraken":        {"http", refusing(403), KindNonsense, "the proxy on the way to Kraken refuses to connect: HTTP 403"},
		"it is no proxy":           {"http", refusing(404), KindNonsense, "the proxy on the way to Kraken refuses to connect: HTTP 404"},
		"it is in trouble":         {"http", refusing(502), KindUnavailable, "the proxy on the way to Kraken refuses to connect: HTTP 502"},
		"it has too much to do":    {"http", refusing(429), KindUnavailable, "the proxy on the way to Kraken refuses to connect: HTTP 429"},
		"its TLS is distrusted":    {"https", distrusted.Listener.Addr().String(), KindUntrusted, "the proxy on the way to Kraken isn't trusted, so nothing was sent: its certificate is signed by an unknown authority"},
		"it has no TLS":            {"https", plain, KindUntrusted, "the proxy on the way to Kraken isn't trusted, so nothing was sent: it doesn't speak TLS"},
		"it hangs up":              {"http", listening(t, says("")), KindUnavailable, "the proxy on the way to Kraken broke the connection"},
		"it hangs up half-way":     {"http", listening(t, says("HTTP/1.1 200 Conn")), KindUnavailable, "the proxy on the way to Kraken broke the connection"},
		"it speaks something else": {"http", listening(t, says("220 sesame ESMTP\r\n\r\n")), KindNonsense, "the proxy on the way to Kraken doesn't speak HTTP"},
		"its answer never ends": {"http", listening(t, func(c net.Conn) {
			(&rawServer{}).drip(c, "HTTP/1.1 200 OK\r\n", "A: "+string(make([]byte, 1<<12))+"\r\n")
		}), KindNonsense, "the proxy on the way to Kraken doesn't speak HTTP"},
		"it isn't SOCKS":      {"socks5", listening(t, says("HTTP/1.1 400 Bad Request\r\n\r\n")), KindUnavailable, "no connection to the proxy on the way to Kraken"},
		"SOCKS wants a login": {"socks5", listening(t, says("\x05\xff")), KindUnavailable, "no connection to the proxy on the way to Kraken"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := through(t, test.scheme+"://robot:open-sesame@"+test.at).GetWebSocketsToken(t.Context(), testNonce)
			failed := requireError(t, err, test.kind, false)
			assert.EqualError(t, err, test.want)
			assert.True(t, failed.Proxy)
		})
	}
}

// TestAProxyThatHangs costs the time of one call, and is told as the proxy's.
func TestAProxyThatHangs(t *testing.T) {
	for _, scheme := range []string{"http", "https", "socks5"} {
		t.Run(scheme, func(t *testing.T) {
			client := through(t, scheme+"://"+listening(t, func(connection net.Conn) { _, _ = io.Copy(io.Discard, connection) }))
			took, err := callWithin(t, client, 300*time.Millisecond)
			failed := requireError(t, err, KindTimeout, false)
			assert.EqualError(t, err, "no answer in time: the proxy on the way to Kraken has made no connection yet")
			assert.True(t, failed.Proxy)
			assert.Less(t, took, 2*time.Second)
		})
	}
}

// TestWhatComesBehindAProxyIsNotTheProxys: once the connection is made, what goes wrong is the server's.
func TestWhatComesBehindAProxyIsNotTheProxys(t *testing.T) {
	made := "HTTP/1.1 200 Connection established\r\n\r\n"
	for name, test := range map[string]struct {
		behind func(net.Conn)
		kind   Kind
		want   string
	}{
		"no TLS":      {says("HTTP/1.1 400 Bad Request\r\n\r\n"), KindUntrusted, "the server isn't trusted, so nothing was sent: it doesn't speak TLS"},
		"it hangs up": {func(net.Conn) {}, KindUnavailable, "the connection broke before the answer was whole"},
		"it hangs":    {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, KindTimeout, "no answer in time: there was no connection yet"},
	} {
		t.Run(name, func(t *testing.T) {
			client := through(t, "http://"+listening(t, func(connection net.Conn) {
				says(made)(connection)
				test.behind(connection)
			}))
			_, err := callWithin(t, client, 300*time.Millisecond)
			failed := requireError(t, err, test.kind, false)
			assert.EqualError(t, err, test.want)
			assert.False(t, failed.Proxy)
		})
	}
}

// connectProxy is a proxy as HTTPS_PROXY names it. It notes where to it was asked to connect, and with which login.
type connectProxy struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []string
	logins []string
}

func startConnectProxy(t *testing.T) *connectProxy {
	t.Helper()
	p := &connectProxy{}
	var running sync.WaitGroup
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked, p.logins = append(p.asked, r.Method+" "+r.Host), append(p.logins, r.Header.Get("Proxy-Authorization"))
		p.mu.Unlock()
		far, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			_ = far.Close()
			return
		}
		say(near, "HTTP/1.1 200 Connection established\r\n\r\n")
		for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
			running.Go(func() {
				_, _ = io.Copy(way[0], way[1])
				_ = way[0].Close()
			})
		}
	}))
	t.Cleanup(func() { p.Close(); running.Wait() })
	return p
}

// TestTheEnvironmentNamesTheProxy asks in a process of its own, for Go reads these once. The server listens on all addresses, and is asked by one that isn't a
// loopback one by name, because Go never asks a proxy for those.
func TestTheEnvironmentNamesTheProxy(t *testing.T) {
	if at := os.Getenv("ASK_KRAKEN_AT"); at != "" {
		_, err := plainClient(t, at).GetWebSocketsToken(t.Context(), testNonce)
		require.NoError(t, err)
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("needs SSL_CERT_FILE, and 0.0.0.0 to be this host")
	}
	certificate, _ := newCertificate(t, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4zero} })
	trusted := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}), 0o600))
	server := httptest.NewUnstartedServer(saying(200, goodAnswer))
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	host := "0.0.0.0:" + port
	for name, test := range map[string]struct {
		login, exceptions string
		asked, logins     []string
	}{
		"a proxy":             {"", "example.com,127.0.0.1", []string{"CONNECT " + host}, []string{""}},
		"a proxy with login":  {"robot:open-sesame@", "", []string{"CONNECT " + host}, []string{"Basic cm9ib3Q6b3Blbi1zZXNhbWU="}},
		"not for this server": {"", "example.com,0.0.0.0", nil, nil},
		"not for this port":   {"", host, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := startConnectProxy(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			command := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestTheEnvironmentNamesTheProxy$")
			command.Env = append(os.Environ(), "ASK_KRAKEN_AT=https://"+host, "SSL_CERT_FILE="+trusted,
				"HTTPS_PROXY=http://"+test.login+proxy.Listener.Addr().String(), "NO_PROXY="+test.exceptions, "https_proxy=", "no_proxy=")
			out, err := command.CombinedOutput()
			require.NoError(t, err, string(out))
			assert.Equal(t, test.asked, proxy.asked)
			assert.Equal(t, test.logins, proxy.logins)
		})
	}
}

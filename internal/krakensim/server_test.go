package krakensim

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/ca"
)

func TestTLSServesWithItsOwnCA(t *testing.T) {
	server := startServer(t, Options{TLS: true})
	assert.True(t, strings.HasPrefix(server.RESTURL(), "https://127.0.0.1:"))
	assert.True(t, strings.HasPrefix(server.WebSocketURL(), "wss://127.0.0.1:"))
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM([]byte(server.CACertPEM())))

	q := newRequest(tokenPath, 1)
	q.base = server.RESTURL()
	_, err := q.try(t.Context(), newTransport(t))
	assert.ErrorContains(t, err, "certificate")
	old := newTransport(t)
	old.TLSClientConfig = &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11}
	_, err = q.try(t.Context(), old)
	assert.Error(t, err, "TLS 1.1")
	assert.Empty(t, q.do(t, trusting(t, server)).Error)
}

func TestAServersCAIsTheOneGiven(t *testing.T) {
	given, err := ca.New()
	require.NoError(t, err)
	again, err := ca.Parse(given.CertificatePEM(), given.KeyPEM())
	require.NoError(t, err)
	first := startServer(t, Options{TLS: true, CA: given})
	transport := trusting(t, first)
	for _, server := range []*Server{first, startServer(t, Options{TLS: true, CA: again})} {
		assert.Equal(t, given.CertificatePEM(), server.CACertPEM())
		q := newRequest(tokenPath, 1)
		q.base = server.RESTURL()
		assert.Empty(t, q.do(t, transport).Error, "who trusts the one trusts the other")
	}
	assert.NotEqual(t, given.CertificatePEM(), startServer(t, Options{TLS: true}).CACertPEM())
}

// protocols are what a client speaks.
func protocols(set ...func(p *http.Protocols, on bool)) *http.Protocols {
	p := new(http.Protocols)
	for _, set := range set {
		set(p, true)
	}
	return p
}

var (
	http1      = (*http.Protocols).SetHTTP1
	http2      = (*http.Protocols).SetHTTP2
	clearHTTP2 = (*http.Protocols).SetUnencryptedHTTP2
)

func TestTheClientChoosesTheProtocol(t *testing.T) {
	for _, test := range []struct {
		options Options
		client  *http.Protocols
		want    string
	}{
		{Options{TLS: true}, protocols(http1, http2), "HTTP/2.0"},
		{Options{TLS: true}, protocols(http1), "HTTP/1.1"},
		{Options{TLS: true}, protocols(http2), "HTTP/2.0"},
		{Options{}, protocols(http1), "HTTP/1.1"},
		{Options{}, protocols(clearHTTP2), "HTTP/2.0"},
	} {
		c := newCaller(t, test.options)
		c.transport.Protocols = test.client
		q := newRequest(tokenPath, 1)
		q.base = c.server.RESTURL()
		response, err := c.transport.RoundTrip(q.build(t.Context()))
		require.NoError(t, err)
		_ = response.Body.Close()
		assert.Equal(t, test.want, response.Proto)

		other := newCaller(t, Options{}).transport
		other.TLSClientConfig = c.transport.TLSClientConfig
		conn, _, err := websocket.Dial(t.Context(), c.server.WebSocketV2URL(),
			&websocket.DialOptions{HTTPClient: &http.Client{Transport: other}})
		require.NoError(t, err, "WebSockets stay on HTTP/1.1")
		_ = conn.CloseNow()
	}
}

func TestTheCertificateMayBeForAnotherName(t *testing.T) {
	server := startServer(t, Options{TLS: true, ServerName: "api.kraken.test"})
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM([]byte(server.CACertPEM())))
	transport := newTransport(t)
	transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	q := newRequest(tokenPath, 1)
	q.base = server.RESTURL()
	_, err := q.try(t.Context(), transport)
	assert.ErrorContains(t, err, "certificate")
}

// caller makes calls to a server over one transport.
type caller struct {
	t         *testing.T
	server    *Server
	transport *http.Transport
}

func newCaller(t *testing.T, options Options) caller {
	server := startServer(t, options)
	if options.TLS {
		return caller{t, server, trusting(t, server)}
	}
	return caller{t, server, newTransport(t)}
}

// callers make their calls over HTTP/1.1 and HTTP/2, in the clear and over TLS.
func callers(t *testing.T) map[string]caller {
	c := map[string]caller{
		"HTTP/1.1":          newCaller(t, Options{}),
		"HTTP/2":            newCaller(t, Options{}),
		"HTTP/1.1 over TLS": newCaller(t, Options{TLS: true}),
		"HTTP/2 over TLS":   newCaller(t, Options{TLS: true}),
	}
	c["HTTP/1.1 over TLS"].transport.Protocols = protocols(http1)
	c["HTTP/2"].transport.Protocols = protocols(clearHTTP2)
	return c
}

// call makes a call and returns the client's address on the connection that it went over.
func (c caller) call() (from string, err error) {
	ctx := httptrace.WithClientTrace(c.t.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { from = info.Conn.LocalAddr().String() },
	})
	q := newRequest(tokenPath, c.server.LastNonce(ExampleAPIKey)+1)
	q.base = c.server.RESTURL()
	_, err = q.try(ctx, c.transport)
	return from, err
}

// keptAlive makes calls until two go over the same connection, and returns the client's address on it. A client under
// load may give up a connection that is good.
func (c caller) keptAlive() (from string) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		first, err := c.call()
		if err != nil {
			return false
		}
		from, err = c.call()
		return err == nil && from == first
	}, 5*time.Second, time.Millisecond)
	return from
}

func TestIdleConnectionsCanBeClosed(t *testing.T) {
	for _, c := range callers(t) {
		kept := c.keptAlive()
		require.Eventually(t, func() bool { // the server may learn of the end of a request after the client
			c.server.CloseConnections()
			c.server.mu.Lock()
			defer c.server.mu.Unlock()
			return len(c.server.conns) == 0
		}, 5*time.Second, time.Millisecond)
		c.transport.CloseIdleConnections()
		another, err := c.call()
		require.NoError(t, err)
		assert.NotEqual(t, kept, another)
	}
}

func TestCloseEndsRequestsUnderWay(t *testing.T) {
	for _, fault := range []Fault{{Hang: true}, {Swallow: true}} {
		for _, c := range callers(t) {
			c.server.Misbehave(fault)
			ended := make(chan error, 1)
			go func() {
				_, err := c.call()
				ended <- err
			}()
			require.Eventually(t, func() bool { return len(c.server.Calls()) == 1 }, 5*time.Second, time.Millisecond)
			c.server.Close()
			assert.Error(t, <-ended)
		}
	}
}

func TestCloseEndsWhatHangsAndWhatIsSubscribed(t *testing.T) {
	server, err := Start(Options{Keys: []Key{exampleKey}})
	require.NoError(t, err)
	ws := wiretest.Dial(t, server.WebSocketV2URL())
	ws.Next()
	ws.Send(`{"method":"subscribe","params":{"channel":"executions","token":"` + mintToken(t, server.Exchange) + `"}}`)
	ws.Next()
	server.Misbehave(Fault{Hang: true})
	failed := make(chan error)
	go func() {
		q := newRequest("/0/private/Balance", 1)
		q.base = server.RESTURL()
		_, err := q.try(t.Context(), newTransport(t))
		failed <- err
	}()
	require.Eventually(t, func() bool { return len(server.Calls()) == 2 }, 5*time.Second, time.Millisecond)
	server.Close()
	assert.Error(t, <-failed)
	_, _, err = ws.Conn.Read(t.Context())
	for err == nil { // the snapshot may still be on its way
		_, _, err = ws.Conn.Read(t.Context())
	}
	server.Close() // twice does no harm
}

func TestStartRefusesWhatItCannotServe(t *testing.T) {
	_, err := Start(Options{Keys: []Key{{APIKey: "k", APISecret: "?"}}})
	assert.ErrorContains(t, err, "base64")
	_, err = Start(Options{Addr: "no port"})
	assert.Error(t, err)
}

func TestAnUnspecifiedAddressIsReachedByLoopback(t *testing.T) {
	assert.True(t, strings.HasPrefix(startServer(t, Options{Addr: ":0"}).RESTURL(), "http://127.0.0.1:"))
}

func TestControlHasItsPathAndNothingElse(t *testing.T) {
	server := startServer(t, Options{Control: func(s *Server) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ForgetCalls(); w.WriteHeader(http.StatusTeapot) })
	}})
	assert.Equal(t, server.RESTURL()+"/sim/", server.ControlURL())
	q := newRequest(tokenPath, 1)
	q.base = server.RESTURL()
	require.Empty(t, q.do(t, newTransport(t)).Error)
	require.Len(t, server.Calls(), 1)
	q.path = "/sim/anything"
	assert.Equal(t, http.StatusTeapot, q.do(t, newTransport(t)).status)
	assert.Empty(t, server.Calls(), "it commands this server")
}

func TestWithoutControlNobodyControls(t *testing.T) {
	server := startServer(t, Options{})
	q := newRequest("/sim/behave", 1)
	q.base = server.RESTURL()
	assert.Equal(t, http.StatusNotFound, q.do(t, newTransport(t)).status)
}

package krakensim

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTLSServesWithItsOwnCA(t *testing.T) {
	server := startServer(t, Options{TLS: true})
	assert.True(t, strings.HasPrefix(server.RESTURL(), "https://127.0.0.1:"))
	assert.True(t, strings.HasPrefix(server.WebSocketURL(), "wss://127.0.0.1:"))
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM([]byte(server.CACertPEM())))

	trusting := newTransport(t)
	trusting.TLSClientConfig = &tls.Config{RootCAs: pool}
	q := newRequest(tokenPath, 1)
	q.base = server.RESTURL()
	assert.Empty(t, q.do(t, trusting).Error)

	conn, _, err := websocket.Dial(t.Context(), server.WebSocketV2URL(),
		&websocket.DialOptions{HTTPClient: &http.Client{Transport: trusting}})
	require.NoError(t, err)
	_ = conn.CloseNow()

	_, err = q.try(t.Context(), newTransport(t))
	assert.ErrorContains(t, err, "certificate")
	trusting.TLSClientConfig = &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11}
	trusting.CloseIdleConnections()
	_, err = q.try(t.Context(), trusting)
	assert.Error(t, err, "TLS 1.1")
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

func TestIdleConnectionsCanBeClosed(t *testing.T) {
	server := startServer(t, Options{})
	transport := newTransport(t)
	reused := false
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
	})
	call := func() {
		q := newRequest(tokenPath, server.LastNonce(ExampleAPIKey)+1)
		q.base = server.RESTURL()
		got, err := q.try(ctx, transport)
		require.NoError(t, err)
		require.Empty(t, got.Error)
	}
	call()
	call()
	assert.True(t, reused)
	require.Eventually(t, func() bool { // the server may learn of the end of a request after the client
		server.CloseConnections()
		server.mu.Lock()
		defer server.mu.Unlock()
		return len(server.conns) == 0
	}, 5*time.Second, time.Millisecond)
	transport.CloseIdleConnections()
	call()
	assert.False(t, reused)
}

func TestCloseEndsWhatHangsAndWhatIsSubscribed(t *testing.T) {
	server, err := Start(Options{Keys: []Key{exampleKey}})
	require.NoError(t, err)
	ws := dial(t, server.WebSocketV2URL())
	ws.next()
	ws.send(`{"method":"subscribe","params":{"channel":"executions","token":"` + mintToken(t, server.Exchange) + `"}}`)
	ws.next()
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
	_, _, err = ws.conn.Read(t.Context())
	for err == nil { // the snapshot may still be on its way
		_, _, err = ws.conn.Read(t.Context())
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

func TestControl(t *testing.T) {
	server := startServer(t, Options{Control: true})
	client := &http.Client{Transport: newTransport(t)}
	control := func(method, path, body string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, server.ControlURL()+path, strings.NewReader(body))
		require.NoError(t, err)
		response, err := client.Do(r)
		require.NoError(t, err)
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(text)
	}
	call := func() reply {
		return newRequest(tokenPath, server.LastNonce(ExampleAPIKey)+1).do(t, server.Transport())
	}
	done := func(method, path, body string) {
		t.Helper()
		status, text := control(method, path, body)
		require.Equal(t, http.StatusNoContent, status, text)
	}

	done("POST", "misbehave", `{"path":"GetWebSocketsToken","errors":["EService:Busy"],"latency":"1ms","header":{"Retry-After":["1"]}}`)
	assert.Equal(t, []string{"EService:Busy"}, call().Error)
	done("POST", "behave", "")
	assert.Empty(t, call().Error)

	_, text := control("GET", "calls", "")
	var calls []Call
	require.NoError(t, json.Unmarshal([]byte(text), &calls))
	assert.Len(t, calls, 2)
	done("DELETE", "calls", "")
	assert.Empty(t, server.Calls())

	done("PUT", "nonce", `{"api_key":"`+ExampleAPIKey+`","nonce":18446744073709551614}`)
	assert.EqualValues(t, uint64(18446744073709551614), server.LastNonce(ExampleAPIKey))
	done("DELETE", "key", `{"api_key":"`+ExampleAPIKey+`"}`)
	assert.Equal(t, []string{"EAPI:Invalid key"}, call().Error)
	done("PUT", "key", `{"api_key":"`+ExampleAPIKey+`","api_secret":"`+ExampleAPISecret+`","tier":"pro"}`)
	assert.Empty(t, call().Error)
	done("POST", "expire-tokens", "")
	done("POST", "close-connections", "")

	for _, test := range []struct{ method, path, body, want string }{
		{"POST", "misbehave", ``, "JSON object"},
		{"POST", "misbehave", `{"Status":`, "unexpected"},
		{"POST", "misbehave", `{"eror":["x"]}`, "eror"},
		{"POST", "misbehave", `{"latency":"soon"}`, "latency"},
		{"POST", "misbehave", `{"status":42}`, "status"},
		{"POST", "misbehave", `{"times":-1}`, "times"},
		{"PUT", "nonce", `{"api_key":"k"}`, "required"},
		{"PUT", "nonce", `{"api_key":"k","nonce":"x"}`, "nonce"},
		{"PUT", "key", `{"api_key":"k","api_secret":"?"}`, "base64"},
		{"DELETE", "key", `{}`, "required"},
	} {
		status, text := control(test.method, test.path, test.body)
		assert.Equal(t, http.StatusBadRequest, status, test.body)
		assert.Contains(t, text, test.want)
	}
	status, _ := control("GET", "nothing", "")
	assert.Equal(t, http.StatusNotFound, status)
}

func TestWithoutControlNobodyControls(t *testing.T) {
	server := startServer(t, Options{})
	q := newRequest("/sim/behave", 1)
	q.base = server.RESTURL()
	assert.Equal(t, http.StatusNotFound, q.do(t, newTransport(t)).status)
}

package kraken

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testNonce = 1616492376594000000
	testToken = "WW91ciBhdXRoZW50aWNhdGlvbiB0b2tlbiBnb2VzIGhlcmUu"
	// goodAnswer is a whole answer as Kraken gives it.
	goodAnswer = `{"error":[],"result":{"token":"` + testToken + `","expires":900}}`
)

// testClient is a client of the server at a URL.
func testClient(t testing.TB, baseURL string, transport *Transport) *Client {
	t.Helper()
	key, err := ParsePrivateKey(exampleSecret)
	require.NoError(t, err)
	t.Cleanup(transport.CloseIdleConnections)
	return &Client{
		BaseURL: baseURL, APIKey: "example-api-key", PrivateKey: key,
		Transport: transport, UserAgent: "vault-plugin-secrets-kraken/test", Now: time.Now,
	}
}

// plainClient is a client of a server that needs no certificate.
func plainClient(t testing.TB, baseURL string) *Client {
	t.Helper()
	return testClient(t, baseURL, NewTransport(nil))
}

// requireError asserts the kind of a call's error, and whether the request may have been sent.
func requireError(t testing.TB, err error, kind Kind, sent bool) *Error {
	t.Helper()
	var failed *Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, kind.String(), failed.Kind.String(), err.Error())
	require.Equal(t, sent, failed.Sent, "sent: %v", err)
	return failed
}

// answering is a server that answers every request alike.
func answering(t testing.TB, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// distrustedServer is one whose certificate nobody has signed.
func distrustedServer(t testing.TB) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// saying is a handler that gives one answer.
func saying(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// krakenSays is a body with an error list.
func krakenSays(messages ...string) string {
	list, _ := json.Marshal(messages)
	return fmt.Sprintf(`{"error":%s}`, list)
}

// roundTrip is a transport that traces nothing.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// newCertificate is a certificate that signs itself, for 127.0.0.1 and kraken.test, also in a bubble's year 2000, with what
// change makes worse.
func newCertificate(t testing.TB, change func(*x509.Certificate)) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	certificate := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"kraken.test"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(certificate)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, &key.PublicKey, key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// rawServer speaks HTTP/1.1 by hand, as no library lets it: answer has the connection after each request.
type rawServer struct {
	url      string
	requests atomic.Int64
	ended    chan struct{} // closed with the test
}

func startRawServer(t testing.TB, answer func(s *rawServer, connection net.Conn)) *rawServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &rawServer{url: "http://" + listener.Addr().String(), ended: make(chan struct{})}
	var running sync.WaitGroup
	serve := func(connection net.Conn) {
		defer connection.Close()
		running.Go(func() { // the end of the test ends whatever reads and writes wait for
			<-s.ended
			_ = connection.Close()
		})
		for reader := bufio.NewReader(connection); ; {
			request, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, request.Body)
			s.requests.Add(1)
			answer(s, connection)
		}
	}
	running.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { serve(connection) })
		}
	})
	t.Cleanup(func() {
		close(s.ended)
		_ = listener.Close()
		running.Wait()
	})
	return s
}

// say writes, and reports whether the client is still there.
func say(connection net.Conn, text string) bool {
	_, err := io.WriteString(connection, text)
	return err == nil
}

// drip writes a text and then, bit by bit, another one for as long as anybody reads.
func (s *rawServer) drip(connection net.Conn, text, each string) {
	for goOn := say(connection, text); goOn; goOn = say(connection, each) {
		select {
		case <-s.ended:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func always(text string) func(*rawServer, net.Conn) {
	return func(_ *rawServer, connection net.Conn) { say(connection, text) }
}

func httpAnswer(status, header, body string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s", status, len(body), header, body)
}

package krakensim

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var exampleKey = Key{APIKey: ExampleAPIKey, APISecret: ExampleAPISecret, Name: "example"}

const tokenPath = "/0/private/GetWebSocketsToken"

// request is a private request as a good client makes it; a test changes what it is about.
type request struct {
	base, method, path, signedPath string
	apiKey, apiSecret              string
	nonce, body, signedBody        string
	header                         http.Header
}

func newRequest(path string, nonce uint64) *request {
	n := strconv.FormatUint(nonce, 10)
	return &request{
		base: "http://api.kraken.test", method: http.MethodPost, path: path,
		apiKey: ExampleAPIKey, apiSecret: ExampleAPISecret,
		nonce: n, body: "nonce=" + n,
		header: http.Header{"User-Agent": {"test"}, "Content-Type": {formType}},
	}
}

func (q *request) build(ctx context.Context) *http.Request {
	signedPath, signedBody := q.signedPath, q.signedBody
	if signedPath == "" {
		signedPath = q.path
	}
	if signedBody == "" {
		signedBody = q.body
	}
	r, err := http.NewRequestWithContext(ctx, q.method, q.base+q.path, strings.NewReader(q.body))
	if err != nil {
		panic(err)
	}
	r.Header = q.header.Clone()
	r.Header.Set("API-Key", q.apiKey)
	r.Header.Set("API-Sign", wiretest.Sign(q.apiSecret, signedPath, q.nonce, signedBody))
	return r
}

// reply is an answer as a client sees it.
type reply struct {
	status int
	header http.Header
	body   string
	Error  []string
	Result json.RawMessage
}

// do sends a request and reads the answer.
func (q *request) do(t *testing.T, transport http.RoundTripper) reply {
	t.Helper()
	got, err := q.try(t.Context(), transport)
	require.NoError(t, err)
	return got
}

func (q *request) try(ctx context.Context, transport http.RoundTripper) (got reply, err error) {
	client := &http.Client{Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(q.build(ctx))
	if err != nil {
		return got, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	got.status, got.header, got.body = response.StatusCode, response.Header, string(body)
	_ = json.Unmarshal(body, &got)
	return got, err
}

// mintToken gets a token over REST.
func mintToken(t *testing.T, x *Exchange) string {
	t.Helper()
	got := newRequest(tokenPath, x.LastNonce(ExampleAPIKey)+1).do(t, x.Transport())
	require.Empty(t, got.Error)
	var token struct{ Token string }
	require.NoError(t, json.Unmarshal(got.Result, &token))
	return token.Token
}

func startServer(t *testing.T, options Options) *Server {
	t.Helper()
	if options.Keys == nil {
		options.Keys = []Key{exampleKey}
	}
	server, err := Start(options)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	return server
}

// newTransport is a transport of real sockets, closed with the test.
func newTransport(t *testing.T) *http.Transport {
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// trusting is newTransport for a server with TLS. It speaks HTTP/2 where the server does.
func trusting(t *testing.T, server *Server) *http.Transport {
	t.Helper()
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM([]byte(server.CACertPEM())))
	transport := newTransport(t)
	transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	transport.ForceAttemptHTTP2 = true
	return transport
}

func form(values ...string) string {
	fields := url.Values{}
	for i := 0; i < len(values); i += 2 {
		fields.Set(values[i], values[i+1])
	}
	return fields.Encode()
}

// ask calls a private method with the next nonce, and fields in a form: names and values in turn.
func ask(t *testing.T, x *Exchange, method string, fields ...string) reply {
	t.Helper()
	q := newRequest(privatePrefix+method, x.LastNonce(ExampleAPIKey)+1)
	q.body += "&" + form(fields...)
	return q.do(t, x.Transport())
}

// place places an order to buy 0.01 BTC at 20,000 dollars, with what the fields given add or change, and returns its id.
func place(t *testing.T, x *Exchange, fields ...string) string {
	t.Helper()
	got := ask(t, x, "AddOrder", append([]string{
		"pair", "XBTUSD", "type", "buy", "ordertype", "limit", "volume", "0.01", "price", "20000"}, fields...)...)
	require.Empty(t, got.Error)
	var added struct{ Txid []string }
	require.NoError(t, json.Unmarshal(got.Result, &added))
	require.Len(t, added.Txid, 1)
	return added.Txid[0]
}

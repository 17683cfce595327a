package kraken

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRequestIsSignedAsKrakenDocumentsIt(t *testing.T) {
	for name, test := range map[string]struct {
		factor SecondFactor
		prefix string
		otp    string
	}{
		"without a second factor":       {},
		"with a password to be escaped": {factor: Password("p&ss w=rd+ü"), otp: "p&ss w=rd+ü"},
		"behind a gateway's prefix":     {prefix: "/gateway/kraken"},
	} {
		t.Run(name, func(t *testing.T) {
			var client *Client
			server := answering(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				form, err := url.ParseQuery(string(body))
				assert.NoError(t, err)
				assert.Equal(t, http.MethodPost, r.Method)
				assert.Equal(t, test.prefix+"/0/private/GetWebSocketsToken", r.URL.Path)
				assert.Equal(t, "application/x-www-form-urlencoded", r.Header.Get("Content-Type"))
				assert.Equal(t, "vault-plugin-secrets-kraken/test", r.Header.Get("User-Agent"))
				assert.Equal(t, "example-api-key", r.Header.Get("API-Key"))
				assert.Equal(t, client.PrivateKey.Sign("/0/private/GetWebSocketsToken", "18446744073709551615", body), r.Header.Get("API-Sign"), "the prefix isn't signed")
				assert.Equal(t, "18446744073709551615", form.Get("nonce"))
				assert.Equal(t, test.otp, form.Get("otp"))
				assert.Equal(t, test.factor != nil, form.Has("otp"))
				_, _ = io.WriteString(w, goodAnswer)
			})
			client = plainClient(t, server.URL+test.prefix)
			client.SecondFactor = test.factor
			before := time.Now()
			token, err := client.GetWebSocketsToken(t.Context(), 1<<64-1)
			require.NoError(t, err)
			assert.Equal(t, testToken, token.Token)
			assert.Equal(t, 900*time.Second, token.Expires)
			assert.WithinRange(t, token.RequestedAt, before, time.Now())
		})
	}
}

func TestTokens(t *testing.T) {
	for name, test := range map[string]struct {
		result string
		want   string // in the error; empty: a good token
	}{
		"as Kraken makes them":    {`{"token":"` + testToken + `","expires":900}`, ""},
		"every graphic character": {`{"token":"!~","expires":1}`, ""},
		"the longest":             {`{"token":"` + strings.Repeat("a", 4096) + `","expires":900}`, ""},
		"a byte longer":           {`{"token":"` + strings.Repeat("a", 4097) + `","expires":900}`, "not one that Kraken makes"},
		"a space":                 {`{"token":"a b","expires":900}`, "not one that Kraken makes"},
		"a newline":               {`{"token":"a\nb","expires":900}`, "not one that Kraken makes"},
		"a delete":                {`{"token":"a\u007fb","expires":900}`, "not one that Kraken makes"},
		"beyond ASCII":            {`{"token":"ä","expires":900}`, "not one that Kraken makes"},
		"empty":                   {`{"token":"","expires":900}`, "no token"},
		"null":                    {`null`, "no token"},
		"a number":                {`{"token":12,"expires":900}`, "its result is not a token"},
		"a list":                  {`[]`, "its result is not a token"},
		"a day":                   {`{"token":"t","expires":86400}`, ""},
		"a second more":           {`{"token":"t","expires":86401}`, "expiry"},
		"beyond all time":         {`{"token":"t","expires":9223372036854775807}`, "expiry"},
		"no expiry":               {`{"token":"t"}`, "expiry"},
		"no time at all":          {`{"token":"t","expires":0}`, "expiry"},
		"an expiry in the past":   {`{"token":"t","expires":-1}`, "expiry"},
		"an expiry that's text":   {`{"token":"t","expires":"900"}`, "its result is not a token"},
	} {
		t.Run(name, func(t *testing.T) {
			server := answering(t, saying(200, `{"error":[],"result":`+test.result+`}`))
			token, err := plainClient(t, server.URL).GetWebSocketsToken(t.Context(), testNonce)
			if test.want != "" {
				requireError(t, err, KindNonsense, true)
				assert.Contains(t, err.Error(), "doesn't speak Kraken's API")
				assert.Contains(t, err.Error(), test.want)
				assert.Less(t, len(err.Error()), 200)
				return
			}
			require.NoError(t, err)
			assert.Contains(t, test.result, token.Token)
			assert.Positive(t, token.Expires)
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := startRawServer(t, always(httpAnswer("200 OK", "", goodAnswer)))
	for _, status := range []string{"300 Multiple Choices", "301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"} {
		for name, target := range map[string]string{
			"elsewhere": elsewhere.url + "/0/private/GetWebSocketsToken",
			"to itself": "/0/private/GetWebSocketsToken",
			"nowhere":   "sesame://",
		} {
			t.Run(status+" "+name, func(t *testing.T) {
				server := startRawServer(t, always(httpAnswer(status, "Location: "+target+"\r\nRefresh: 0; url="+target+"\r\n", "")))
				_, err := plainClient(t, server.url).GetWebSocketsToken(t.Context(), testNonce)
				requireError(t, err, KindNonsense, true)
				assert.Contains(t, err.Error(), "redirects (HTTP "+status[:3]+")")
				assert.NotContains(t, err.Error(), target, "nothing of the answer")
				assert.EqualValues(t, 1, server.requests.Load())
			})
		}
	}
	assert.Zero(t, elsewhere.requests.Load(), "a signed request went elsewhere")
}

// TestWhetherARequestMayHaveBeenSent: a nonce is used up, and a call counted, only where Kraken may have seen it.
func TestWhetherARequestMayHaveBeenSent(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	distrusted := distrustedServer(t)
	dropping := startRawServer(t, func(_ *rawServer, c net.Conn) { _ = c.Close() })
	cutting := startRawServer(t, func(_ *rawServer, c net.Conn) {
		say(c, httpAnswer("200 OK", "", goodAnswer)[:100])
		_ = c.Close()
	})
	failing := func(err error) http.RoundTripper {
		return roundTrip(func(*http.Request) (*http.Response, error) { return nil, err })
	}
	for name, test := range map[string]struct {
		url       string
		transport http.RoundTripper // nil: a real one
		change    func(*Client)
		kind      Kind
		sent      bool
		want      string
	}{
		"nobody listens":                     {url: closed.URL, kind: KindUnavailable, want: "no connection to the server: connection refused"},
		"TLS fails":                          {url: distrusted.URL, kind: KindUntrusted, want: "nothing was sent"},
		"the connection drops":               {url: dropping.url, kind: KindUnavailable, sent: true, want: "the connection broke"},
		"the answer is cut off":              {url: cutting.url, kind: KindUnavailable, sent: true, want: "the connection broke"},
		"no URL":                             {url: "https://kraken test", kind: KindUnavailable, want: "not one that a request can be sent to"},
		"no second factor":                   {change: func(c *Client) { c.SecondFactor = func(time.Time) (string, error) { return "", io.EOF } }, kind: KindInvalidSignature, want: "second factor's seed"},
		"an untraced transport that breaks":  {transport: failing(io.EOF), kind: KindUnavailable, sent: true},
		"an untraced transport, no dial":     {transport: failing(&net.OpError{Op: "dial", Err: io.EOF}), kind: KindUnavailable, want: "no connection to the server"},
		"an untraced transport, no name":     {transport: failing(&net.DNSError{Name: "kraken.test"}), kind: KindUnavailable, want: `"kraken.test" can't be resolved`},
		"an untraced transport, no proxy":    {transport: failing(&net.OpError{Op: "proxyconnect", Err: io.EOF}), kind: KindUnavailable, want: "no connection to the proxy"},
		"an untraced transport, no SOCKS":    {transport: failing(&net.OpError{Op: "socks connect", Err: io.EOF}), kind: KindUnavailable, want: "no connection to the proxy"},
		"an untraced transport, a dead line": {transport: failing(&net.OpError{Op: "read", Err: io.EOF}), kind: KindUnavailable, sent: true, want: "the connection broke"},
	} {
		t.Run(name, func(t *testing.T) {
			client := plainClient(t, test.url)
			if test.transport != nil {
				client.BaseURL, client.Transport = "https://kraken.test", test.transport
			}
			if test.change != nil {
				test.change(client)
			}
			_, err := client.GetWebSocketsToken(t.Context(), testNonce)
			requireError(t, err, test.kind, test.sent)
			assert.Contains(t, err.Error(), test.want)
		})
	}
}

func TestDeadlinesAndCancelledCalls(t *testing.T) {
	deadline := func(wait time.Duration) func(context.Context) (context.Context, context.CancelFunc) {
		return func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, wait) }
	}
	leave := func(wait time.Duration) func(context.Context) (context.Context, context.CancelFunc) {
		return func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			if wait == 0 {
				cancel()
			}
			time.AfterFunc(wait, cancel)
			return ctx, cancel
		}
	}
	for name, test := range map[string]struct {
		ends   func(context.Context) (context.Context, context.CancelFunc)
		noDial bool
		kind   Kind
		sent   bool
		cause  error
		want   string
	}{
		"a deadline":                      {deadline(time.Second), false, KindTimeout, true, context.DeadlineExceeded, "no answer in time: Kraken was asked but hasn't answered"},
		"a deadline without a connection": {deadline(time.Second), true, KindTimeout, false, context.DeadlineExceeded, "no answer in time: there was no connection yet"},
		"a deadline that has passed":      {deadline(0), false, KindTimeout, false, context.DeadlineExceeded, "no answer in time: there was no connection yet"},
		"cancelled":                       {leave(time.Second), false, KindAborted, true, context.Canceled, "the call was aborted before an answer came"},
		"cancelled without a connection":  {leave(time.Second), true, KindAborted, false, context.Canceled, "the call was aborted before an answer came"},
		"cancelled before it was made":    {leave(0), false, KindAborted, false, context.Canceled, "the call was aborted before an answer came"},
	} {
		for protocol, isHTTP2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
			t.Run(name+" "+protocol, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n, client := startNetwork(t, isHTTP2, func(_ http.ResponseWriter, r *http.Request) {
						_, _ = io.Copy(io.Discard, r.Body)
						<-r.Context().Done()
						panic(http.ErrAbortHandler) // without an answer
					})
					n.hang.Store(test.noDial)
					ctx, cancel := test.ends(t.Context())
					defer cancel()
					began := time.Now()
					_, err := client.GetWebSocketsToken(ctx, testNonce)
					requireError(t, err, test.kind, test.sent)
					assert.EqualError(t, err, test.want)
					assert.ErrorIs(t, err, test.cause)
					assert.LessOrEqual(t, time.Since(began), time.Second)
				})
			})
		}
	}
}

// TestARefusedDialAfterAnUnsentTry: the transport dials anew where nothing went out over a connection that was kept.
func TestARefusedDialAfterAnUnsentTry(t *testing.T) {
	server := answering(t, saying(200, goodAnswer))
	client := plainClient(t, server.URL)
	var down atomic.Bool
	client.Transport.(*Transport).http1.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if down.Load() {
			return nil, io.EOF // no error of dialling by its type
		}
		connection, err := new(net.Dialer).DialContext(ctx, network, address)
		return unwritable{connection, &down}, err
	}
	_, err := client.GetWebSocketsToken(t.Context(), testNonce)
	require.NoError(t, err)
	down.Store(true)
	_, err = client.GetWebSocketsToken(t.Context(), testNonce)
	requireError(t, err, KindUnavailable, false)
}

// unwritable is a connection that takes nothing once it is down.
type unwritable struct {
	net.Conn
	down *atomic.Bool
}

func (u unwritable) Write(p []byte) (int, error) {
	if u.down.Load() {
		return 0, io.ErrClosedPipe
	}
	return u.Conn.Write(p)
}

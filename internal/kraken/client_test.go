package kraken

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const testNonce = 1616492376594000000

const goodAnswer = `{"error":[],"result":{"token":"WW91ciBhdXRoZW50aWNhdGlvbiB0b2tlbiBnb2VzIGhlcmUu","expires":900}}`

// testClient is a client of a server with its own nonce.
func testClient(t *testing.T, baseURL string) *Client {
	t.Helper()
	key, err := ParsePrivateKey(exampleSecret)
	require.NoError(t, err)
	transport := NewTransport(nil)
	t.Cleanup(transport.CloseIdleConnections)
	return &Client{
		BaseURL: baseURL, APIKey: "example-api-key", PrivateKey: key,
		Transport: transport, UserAgent: "vault-plugin-secrets-kraken/test", Now: time.Now,
	}
}

// answering is a server that answers every request alike.
func answering(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

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
				assert.Equal(t, client.PrivateKey.Sign("/0/private/GetWebSocketsToken", form.Get("nonce"), body), r.Header.Get("API-Sign"), "the prefix isn't signed")
				assert.Equal(t, test.otp, form.Get("otp"))
				assert.Equal(t, test.factor != nil, form.Has("otp"))
				_, _ = io.WriteString(w, goodAnswer)
			})
			client = testClient(t, server.URL+test.prefix)
			client.SecondFactor = test.factor
			before := time.Now()
			token, err := client.GetWebSocketsToken(t.Context(), testNonce)
			require.NoError(t, err)
			assert.Equal(t, "WW91ciBhdXRoZW50aWNhdGlvbiB0b2tlbiBnb2VzIGhlcmUu", token.Token)
			assert.Equal(t, 900*time.Second, token.Expires)
			assert.WithinRange(t, token.RequestedAt, before, time.Now())
		})
	}
}

func TestAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		header map[string]string
		body   string
		kind   Kind
		want   string // in the message
	}{
		"invalid key":              {body: `{"error":["EAPI:Invalid key"]}`, kind: KindInvalidKey, want: "Kraken answered EAPI:Invalid key"},
		"invalid signature":        {body: `{"error":["EAPI:Invalid signature"]}`, kind: KindInvalidSignature, want: "EAPI:Invalid signature"},
		"no permission":            {body: `{"error":["EGeneral:Permission denied"]}`, kind: KindPermissionDenied, want: "EGeneral:Permission denied"},
		"invalid nonce":            {body: `{"error":["EAPI:Invalid nonce"]}`, kind: KindInvalidNonce, want: "EAPI:Invalid nonce"},
		"rate limit":               {body: `{"error":["EAPI:Rate limit exceeded"]}`, kind: KindRateLimited, want: "EAPI:Rate limit exceeded"},
		"rate limit of the login":  {body: `{"error":["EAuth:Rate limit exceeded"]}`, kind: KindRateLimited},
		"too many requests":        {body: `{"error":["EAuth:Too many requests"]}`, kind: KindRateLimited},
		"too many, in general":     {body: `{"error":["EGeneral:Too many requests"]}`, kind: KindRateLimited},
		"lockout":                  {body: `{"error":["EGeneral:Temporary lockout"]}`, kind: KindLockout},
		"unavailable":              {body: `{"error":["EService:Unavailable"]}`, kind: KindUnavailable},
		"busy":                     {body: `{"error":["EService:Busy"]}`, kind: KindUnavailable},
		"deadline elapsed":         {body: `{"error":["EService:Deadline elapsed"]}`, kind: KindUnavailable},
		"internal error":           {body: `{"error":["EGeneral:Internal error"]}`, kind: KindUnavailable},
		"database error":           {body: `{"error":["EDatabase:Internal error"]}`, kind: KindUnavailable},
		"an unknown error":         {body: `{"error":["EFuture:Something new"]}`, kind: KindUnexpected, want: "EFuture:Something new"},
		"an error without its E":   {body: `{"error":["something"]}`, kind: KindNonsense, want: "its errors are not Kraken's"},
		"two errors":               {body: `{"error":["EAPI:Invalid key","EGeneral:Temporary lockout"]}`, kind: KindLockout, want: "EAPI:Invalid key, EGeneral:Temporary lockout"},
		"an error beside a result": {body: `{"error":["EAPI:Invalid nonce"],"result":{"token":"t","expires":900}}`, kind: KindInvalidNonce},
		"an error with HTTP 500":   {status: 500, body: `{"error":["EAPI:Invalid key"]}`, kind: KindInvalidKey},
		"unknown with HTTP 500":    {status: 500, body: `{"error":["EFuture:Down"]}`, kind: KindUnavailable, want: "EFuture:Down"},
		"HTML with HTTP 520":       {status: 520, body: "<html>origin error</html>", kind: KindUnavailable, want: "HTTP 520"},
		"HTML with HTTP 503":       {status: 503, body: "<html>maintenance</html>", kind: KindUnavailable, want: "HTTP 503"},
		"HTTP 429":                 {status: 429, body: "slow down", kind: KindRateLimited, want: "HTTP 429"},
		"HTML with HTTP 403":       {status: 403, body: "<html>blocked</html>", kind: KindBlocked, want: "HTTP 403"},
		"HTTP 404":                 {status: 404, body: "nothing here", kind: KindNonsense, want: "HTTP 404"},
		"HTTP 204":                 {status: 204, kind: KindNonsense, want: "HTTP 204"},
		"a good answer with 404":   {status: 404, body: goodAnswer, kind: KindNonsense, want: "HTTP 404"},
		"a redirect":               {status: 307, header: map[string]string{"Location": "https://evil.example/"}, kind: KindNonsense, want: "redirects (HTTP 307)"},
		"HTML":                     {body: "<html>welcome</html>", kind: KindNonsense, want: "not Kraken's JSON"},
		"nothing":                  {body: "", kind: KindNonsense},
		"half an answer":           {body: goodAnswer[:40], kind: KindNonsense},
		"two answers":              {body: goodAnswer + goodAnswer, kind: KindNonsense},
		"an error that's no list":  {body: `{"error":"EAPI:Invalid key"}`, kind: KindNonsense},
		"an error of numbers":      {body: `{"error":[1]}`, kind: KindNonsense},
		"a list":                   {body: `[]`, kind: KindNonsense},
		"no result":                {body: `{"error":[]}`, kind: KindNonsense},
		"a null result":            {body: `{"error":[],"result":null}`, kind: KindNonsense, want: "no token"},
		"a result that's a list":   {body: `{"error":[],"result":[]}`, kind: KindNonsense},
		"an empty token":           {body: `{"error":[],"result":{"token":"","expires":900}}`, kind: KindNonsense, want: "no token"},
		"a token that's a number":  {body: `{"error":[],"result":{"token":12,"expires":900}}`, kind: KindNonsense},
		"a token with a newline":   {body: `{"error":[],"result":{"token":"a\nb","expires":900}}`, kind: KindNonsense},
		"a token of 5 kB":          {body: `{"error":[],"result":{"token":"` + strings.Repeat("a", 5000) + `","expires":900}}`, kind: KindNonsense},
		"no expiry":                {body: `{"error":[],"result":{"token":"t"}}`, kind: KindNonsense, want: "expiry"},
		"an expiry in the past":    {body: `{"error":[],"result":{"token":"t","expires":-1}}`, kind: KindNonsense, want: "expiry"},
		"an expiry far off":        {body: `{"error":[],"result":{"token":"t","expires":9223372036854775807}}`, kind: KindNonsense, want: "expiry"},
		"an expiry that's text":    {body: `{"error":[],"result":{"token":"t","expires":"900"}}`, kind: KindNonsense},
		"2 MB":                     {body: `{"error":[],"result":{"token":"` + strings.Repeat("a", 2<<20) + `","expires":900}}`, kind: KindNonsense},
	} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int64
			server := answering(t, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				for field, value := range test.header {
					w.Header().Set(field, value)
				}
				if test.status != 0 {
					w.WriteHeader(test.status)
				}
				_, _ = io.WriteString(w, test.body)
			})
			_, err := testClient(t, server.URL).GetWebSocketsToken(t.Context(), testNonce)
			var failed *Error
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, test.kind.String(), failed.Kind.String())
			assert.Contains(t, err.Error(), test.want)
			assert.Less(t, len(err.Error()), 2000)
			assert.NotContains(t, err.Error(), "html", "nothing of the body but Kraken's errors")
			assert.EqualValues(t, 1, requests.Load())
		})
	}
}

func TestWarningsBesideAGoodResultAreNoError(t *testing.T) {
	server := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Replace(goodAnswer, "[]", `["WGeneral:Deprecated"]`, 1))
	})
	_, err := testClient(t, server.URL).GetWebSocketsToken(t.Context(), testNonce)
	require.NoError(t, err)
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"":                              0,
		"7":                             7 * time.Second,
		"-7":                            0,
		"7.5":                           0,
		"soon":                          0,
		"99999999":                      time.Hour,
		"999999999999999999999999":      0,
		"Mon, 01 Jan 2001 00:00:00 GMT": 0,
		"Fri, 01 Jan 2200 00:00:00 GMT": time.Hour,
	} {
		t.Run(header, func(t *testing.T) {
			server := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", header)
				w.WriteHeader(http.StatusTooManyRequests)
			})
			_, err := testClient(t, server.URL).GetWebSocketsToken(t.Context(), testNonce)
			var failed *Error
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, want, failed.RetryAfter)
		})
	}
}

func TestErrorStringsCannotForgeLogLines(t *testing.T) {
	server := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		messages := []string{"EFake:one\n2026-01-01 [ERROR] forged\r\x1b[2J\u202e\x00", strings.Repeat("€", 1000)}
		for range 100 {
			messages = append(messages, "EFake:more")
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"error": messages})
	})
	_, err := testClient(t, server.URL).GetWebSocketsToken(t.Context(), testNonce)
	require.Error(t, err)
	assert.NotRegexp(t, `[\x00-\x1f\x{202e}]`, err.Error())
	assert.Contains(t, err.Error(), "EFake:one 2026-01-01 [ERROR] forged")
	assert.Less(t, len(err.Error()), maxMessages*(maxMessageLength+10))
}

func TestConnectionTrouble(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	dropping := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		connection, _, _ := w.(http.Hijacker).Hijack()
		_ = connection.Close()
	})
	truncating := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, goodAnswer)
	})
	garbling := garbage(t)
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tls.Close)
	tls.Config.ErrorLog = nil
	plain := answering(t, http.NotFound)
	for name, test := range map[string]struct {
		url  string
		kind Kind
		want string
	}{
		"nobody listens":          {closed.URL, KindUnavailable, "connection refused"},
		"the connection drops":    {dropping.URL, KindUnavailable, "the connection broke"},
		"the answer is cut off":   {truncating.URL, KindUnavailable, "the connection broke"},
		"the answer isn't HTTP":   {garbling, KindUnavailable, "the connection broke"},
		"an unknown authority":    {tls.URL, KindUntrusted, "unknown authority"},
		"plain HTTP behind https": {strings.Replace(plain.URL, "http:", "https:", 1), KindUntrusted, "doesn't speak TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := testClient(t, test.url).GetWebSocketsToken(t.Context(), testNonce)
			var failed *Error
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, test.kind.String(), failed.Kind.String())
			assert.Contains(t, err.Error(), test.want)
			assert.NotContains(t, err.Error(), "SECRET OF THE BODY")
		})
	}
}

// garbage is a server that answers something that isn't HTTP.
func garbage(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(connection, "SECRET OF THE BODY\r\n\r\n")
			_ = connection.Close()
		}
	}()
	return "http://" + listener.Addr().String()
}

func TestDeadlineAndLeaving(t *testing.T) {
	server := answering(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	client := testClient(t, server.URL)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := client.GetWebSocketsToken(ctx, testNonce)
	var failed *Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, KindTimeout, failed.Kind)

	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err = client.GetWebSocketsToken(ctx, testNonce)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestConnectionsAreKeptAlive(t *testing.T) {
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, goodAnswer)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	client := testClient(t, server.URL)
	for range 10 {
		_, err := client.GetWebSocketsToken(t.Context(), testNonce)
		require.NoError(t, err)
	}
	assert.EqualValues(t, 1, connections.Load())
}

func TestGetAPIKeyInfoHandsFieldsOnAsTheyCome(t *testing.T) {
	server := answering(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/0/private/GetApiKeyInfo", r.URL.Path)
		_, _ = io.WriteString(w, `{"error":[],"result":{"apiKeyName":"desk","nonce":"1616492376594123456","permissions":["query-funds"],"nonceWindow":12345678901234567890,"new":{"a":1}}}`)
	})
	info, err := testClient(t, server.URL).GetAPIKeyInfo(t.Context(), testNonce)
	require.NoError(t, err)
	assert.Equal(t, map[string]any{
		"apiKeyName": "desk", "nonce": "1616492376594123456", "permissions": []any{"query-funds"},
		"nonceWindow": json.Number("12345678901234567890"), "new": map[string]any{"a": json.Number("1")},
	}, info)
}

func TestGetAPIKeyInfoOfNonsense(t *testing.T) {
	for _, result := range []string{`null`, `[]`, `{}`, `"x"`, `1`} {
		server := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"error":[],"result":`+result+`}`)
		})
		_, err := testClient(t, server.URL).GetAPIKeyInfo(t.Context(), testNonce)
		var failed *Error
		require.ErrorAs(t, err, &failed, result)
		assert.Equal(t, KindNonsense, failed.Kind, result)
	}
}

// FuzzAnswer: whatever answers, the outcome is a token that can be used or an error that can be shown.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "", []byte(goodAnswer))
	f.Add(200, "", []byte(`{"error":["EAPI:Invalid key"]}`))
	f.Add(429, "5", []byte("slow down"))
	f.Add(520, "", []byte("<html>"))
	key, err := ParsePrivateKey(exampleSecret)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, status int, retryAfter string, body []byte) {
		client := &Client{BaseURL: "https://kraken.test", PrivateKey: key, Now: time.Now,
			Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {retryAfter}}, Body: io.NopCloser(strings.NewReader(string(body)))}, nil
			})}
		token, err := client.GetWebSocketsToken(t.Context(), testNonce)
		if err == nil {
			assert.Equal(t, http.StatusOK, status)
			assert.NotEmpty(t, token.Token)
			assert.Positive(t, token.Expires)
			return
		}
		var failed *Error
		require.ErrorAs(t, err, &failed)
		assert.NotRegexp(t, `[[:cntrl:]]`, err.Error())
		assert.LessOrEqual(t, len(err.Error()), 2000)
		assert.True(t, failed.RetryAfter >= 0 && failed.RetryAfter <= time.Hour)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

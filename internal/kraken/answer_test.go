package kraken

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEnvelopes(t *testing.T) {
	for name, test := range map[string]struct {
		status int // 0: 200
		body   string
		kind   Kind
		want   string // in the message
	}{
		"an error beside a result":   {body: `{"error":["EAPI:Invalid nonce"],"result":{"token":"t","expires":900}}`, kind: KindInvalidNonce},
		"HTML":                       {body: "<html>welcome</html>", kind: KindNonsense, want: "not Kraken's JSON"},
		"nothing":                    {body: "", kind: KindNonsense, want: "not Kraken's JSON"},
		"half an answer":             {body: goodAnswer[:40], kind: KindNonsense, want: "not Kraken's JSON"},
		"two answers":                {body: goodAnswer + goodAnswer, kind: KindNonsense, want: "not Kraken's JSON"},
		"an error that's no list":    {body: `{"error":"EAPI:Invalid key"}`, kind: KindNonsense, want: "not Kraken's JSON"},
		"an error of numbers":        {body: `{"error":[1]}`, kind: KindNonsense, want: "not Kraken's JSON"},
		"a list":                     {body: `[]`, kind: KindNonsense, want: "not Kraken's JSON"},
		"an error, and then nothing": {body: krakenSays("EAPI:Invalid key") + "<html>", kind: KindNonsense, want: "not Kraken's JSON"},
		"an error of somebody else":  {body: krakenSays("sesame"), kind: KindNonsense, want: "its errors are not Kraken's"},
		"somebody else's and one":    {body: krakenSays("sesame", "EAPI:Invalid key"), kind: KindInvalidKey, want: "Kraken answered EAPI:Invalid key"},
		"somebody else's, HTTP 500":  {status: 500, body: krakenSays("sesame"), kind: KindUnavailable, want: "HTTP 500"},
		"no result":                  {body: `{"error":[]}`, kind: KindNonsense, want: "its result is not a token"},
		"a good answer with 404":     {status: 404, body: goodAnswer, kind: KindNonsense, want: "HTTP 404"},
		"a good answer with 500":     {status: 500, body: goodAnswer, kind: KindUnavailable, want: "HTTP 500"},
		"just too long":              {body: goodAnswer + strings.Repeat(" ", 1<<20-len(goodAnswer)+1), kind: KindNonsense, want: "not Kraken's JSON"},
		"just too long, an error":    {body: krakenSays("EAPI:Invalid key") + strings.Repeat(" ", 1<<20), kind: KindNonsense, want: "not Kraken's JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			server := answering(t, saying(cmp.Or(test.status, 200), test.body))
			_, err := plainClient(t, server.URL).GetWebSocketsToken(t.Context(), testNonce)
			requireError(t, err, test.kind, true)
			assert.Contains(t, err.Error(), test.want)
			assert.NotContains(t, err.Error(), "html", "nothing of the body but Kraken's errors")
			assert.NotContains(t, err.Error(), "sesame")
			assert.Less(t, len(err.Error()), 200)
		})
	}
}

func TestAnswersThatAreGood(t *testing.T) {
	for name, body := range map[string]string{
		"as Kraken gives it":        goodAnswer,
		"a warning beside it":       strings.Replace(goodAnswer, "[]", `["WGeneral:Deprecated"]`, 1),
		"without an error list":     strings.Replace(goodAnswer, `"error":[],`, "", 1),
		"with a field more":         strings.Replace(goodAnswer, `{"error"`, `{"new":1,"error"`, 1),
		"as long as one may be":     goodAnswer + strings.Repeat(" ", 1<<20-len(goodAnswer)),
		"with white space in front": "\r\n\t " + goodAnswer,
	} {
		t.Run(name, func(t *testing.T) {
			server := answering(t, saying(200, body))
			token, err := plainClient(t, server.URL).GetWebSocketsToken(t.Context(), testNonce)
			require.NoError(t, err)
			assert.Equal(t, testToken, token.Token)
		})
	}
}

// TestHostileKrakens has the client talk, over real sockets, to servers that mean it no good. Each call ends, says nothing
// that the server said, and costs no more than its time.
func TestHostileKrakens(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(*rawServer, net.Conn)
		kind   Kind
		want   string
	}{
		"drips the header": {func(s *rawServer, c net.Conn) { s.drip(c, "HTTP/1.1 200 OK\r\nX-Slow: ", "a") }, KindTimeout, "no answer in time"},
		"drips headers":    {func(s *rawServer, c net.Conn) { s.drip(c, "HTTP/1.1 200 OK\r\n", "X: y\r\n") }, KindTimeout, "no answer in time"},
		"drips the body":   {func(s *rawServer, c net.Conn) { s.drip(c, "HTTP/1.1 200 OK\r\n\r\n{", " ") }, KindTimeout, "no answer in time"},
		"drips chunks": {func(s *rawServer, c net.Conn) {
			s.drip(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n")
		}, KindTimeout, "no answer in time"},
		"drips interim answers": {func(s *rawServer, c net.Conn) { s.drip(c, "", "HTTP/1.1 100 Continue\r\n\r\n") }, KindTimeout, "no answer in time"},
		"interim answers, no end": {func(_ *rawServer, c net.Conn) {
			for say(c, strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100)) {
			}
		}, KindUnavailable, "connection broke"},
		"silent after the header": {func(_ *rawServer, c net.Conn) {
			say(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
			_, _ = io.Copy(io.Discard, c)
		}, KindTimeout, "no answer in time"},
		"switches protocols": {func(_ *rawServer, c net.Conn) {
			say(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_, _ = io.Copy(io.Discard, c)
		}, KindNonsense, "HTTP 101"},
		"switches and drips": {func(s *rawServer, c net.Conn) {
			s.drip(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", " ")
		}, KindNonsense, "HTTP 101"},
		"a body without end": {func(_ *rawServer, c net.Conn) {
			for goOn := say(c, "HTTP/1.1 200 OK\r\n\r\n{"); goOn; goOn = say(c, strings.Repeat(" ", 1<<16)) {
			}
		}, KindNonsense, "not Kraken's JSON"},
		"chunks without end": {func(_ *rawServer, c net.Conn) {
			for goOn := say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"); goOn; goOn = say(c, "10000\r\n"+strings.Repeat("a", 1<<16)+"\r\n") {
			}
		}, KindNonsense, "not Kraken's JSON"},
		"a gzip bomb":                {always(httpAnswer("200 OK", "Content-Encoding: gzip\r\n", gzipBomb(t))), KindNonsense, "not Kraken's JSON"},
		"gzip that is none":          {always(httpAnswer("200 OK", "Content-Encoding: gzip\r\n", "<html>")), KindUnavailable, "connection broke"},
		"a header of 20 MB":          {always("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 20<<20) + "\r\n\r\n"), KindUnavailable, "connection broke"},
		"a million headers":          {always("HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 1_000_000) + "\r\n"), KindUnavailable, "connection broke"},
		"a header that is none":      {always("HTTP/1.1 200 OK\r\nsesame without a colon\r\n\r\n"), KindUnavailable, "connection broke"},
		"a status that is none":      {always("HTTP/1.1 sesame sesame\r\n\r\n"), KindUnavailable, "connection broke"},
		"two lengths":                {always("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nsesame"), KindUnavailable, "connection broke"},
		"a length that is none":      {always("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nsesame"), KindUnavailable, "connection broke"},
		"too short a length":         {always("HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n" + goodAnswer), KindNonsense, "not Kraken's JSON"},
		"chunks that are none":       {always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsesame\r\nsesame\r\n"), KindUnavailable, "connection broke"},
		"a chunk of 2^64 bytes":      {always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n{"), KindUnavailable, "connection broke"},
		"an unknown encoding":        {always("HTTP/1.1 200 OK\r\nTransfer-Encoding: sesame\r\n\r\n{}"), KindUnavailable, "connection broke"},
		"another encoding":           {always(httpAnswer("200 OK", "Content-Encoding: br\r\n", "sesame")), KindNonsense, "not Kraken's JSON"},
		"HTML behind a good status":  {always(httpAnswer("200 OK", "Content-Type: text/html\r\n", "<html>sesame</html>")), KindNonsense, "not Kraken's JSON"},
		"JSON without end in itself": {always(httpAnswer("200 OK", "", strings.Repeat("[", 1<<19))), KindNonsense, "not Kraken's JSON"},
		"HTTP/2 unasked":             {always("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), KindUnavailable, "connection broke"},
		"no HTTP at all":             {always("sesame\r\n\r\n"), KindUnavailable, "connection broke"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // some take all of their time
			client := plainClient(t, startRawServer(t, test.answer).url)
			patience := 20 * time.Second
			if test.kind == KindTimeout {
				patience = time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err := client.GetWebSocketsToken(ctx, testNonce)
			requireError(t, err, test.kind, true)
			assert.Contains(t, err.Error(), test.want)
			assert.NotContains(t, err.Error(), "sesame")
			assert.Less(t, len(err.Error()), 200)
		})
	}
}

// TestAnAnswerCostsBoundedMemory counts all that is allocated for one call, so a limit that comes too late shows.
func TestAnAnswerCostsBoundedMemory(t *testing.T) {
	for name, answer := range map[string]string{
		"a gzip bomb":       httpAnswer("200 OK", "Content-Encoding: gzip\r\n", gzipBomb(t)),
		"a long body":       httpAnswer("200 OK", "", strings.Repeat(" ", 64<<20)),
		"a long header":     "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 64<<20) + "\r\n\r\n",
		"a million headers": "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 1_000_000) + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			whole := []byte(answer)
			server := startRawServer(t, func(_ *rawServer, connection net.Conn) { _, _ = connection.Write(whole) })
			client := plainClient(t, server.url)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := client.GetWebSocketsToken(t.Context(), testNonce)
			runtime.ReadMemStats(&after)
			require.Error(t, err)
			assert.Less(t, (after.TotalAlloc-before.TotalAlloc)>>20, uint64(10), "MiB")
		})
	}
}

// gzipBomb is a few megabytes that expand to a gigabyte.
func gzipBomb(t *testing.T) string {
	t.Helper()
	var inner bytes.Buffer
	writer, err := gzip.NewWriterLevel(&inner, gzip.BestSpeed)
	require.NoError(t, err)
	_, _ = writer.Write(bytes.Repeat([]byte(" "), 1<<20))
	require.NoError(t, writer.Close())
	return strings.Repeat(inner.String(), 1<<10) // members of a gzip file expand one after the other
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
				return &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {retryAfter}}, Body: io.NopCloser(bytes.NewReader(body))}, nil
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
		assert.True(t, failed.Sent)
		assert.NotRegexp(t, `[[:cntrl:]]`, err.Error())
		assert.NotEmpty(t, err.Error())
		assert.LessOrEqual(t, len(err.Error()), 2000)
		assert.True(t, failed.RetryAfter >= 0 && failed.RetryAfter <= time.Hour)
	})
}

// TestAnErrorListWithoutEnd: an answer of the greatest size that is read, full of error strings, isn't Kraken's.
func TestAnErrorListWithoutEnd(t *testing.T) {
	list := strings.Repeat(`"EAPI:Invalid key",`, maxBody/20)
	server := answering(t, saying(200, `{"error":[`+strings.TrimSuffix(list, ",")+`]}`))
	_, err := plainClient(t, server.URL).GetWebSocketsToken(t.Context(), testNonce)
	requireError(t, err, KindNonsense, true)
	assert.Contains(t, err.Error(), "its errors are not Kraken's")
	assert.Len(t, saidBy(t, 200, slices.Repeat([]string{"EGeneral:" + strings.Repeat("a ", 1000)}, mostMessages)...).Messages, maxMessages)
}

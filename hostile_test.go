package krakensecrets

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// This file has the engine talk, over real sockets, to servers that mean it no good. What a Kraken in trouble says is in
// errors_test.go.

// goodAnswer is a whole answer as Kraken gives it.
var goodAnswer = httpAnswer("200 OK", "", `{"error":[],"result":{"token":"a-token-of-the-hostile-Kraken","expires":900}}`)

func httpAnswer(status, header, body string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s", status, len(body), header, body)
}

// rawServer speaks HTTP by hand, as no library lets it: answer has the connection after each request.
type rawServer struct {
	url      string
	requests atomic.Int64
	ended    chan struct{} // closed with the test
}

func startRawServer(t *testing.T, answer func(s *rawServer, connection net.Conn)) *rawServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &rawServer{url: "http://" + listener.Addr().String(), ended: make(chan struct{})}
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Go(func() {
				defer connection.Close()
				go func() { // the end of the test ends whatever reads and writes wait for
					<-s.ended
					_ = connection.Close()
				}()
				for reader := bufio.NewReader(connection); ; {
					request, err := http.ReadRequest(reader)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, request.Body)
					s.requests.Add(1)
					answer(s, connection)
				}
			})
		}
	})
	t.Cleanup(func() {
		close(s.ended)
		_ = listener.Close()
		connections.Wait()
	})
	return s
}

// say writes until the client has gone, and reports whether it hasn't.
func say(connection net.Conn, text string) bool {
	_, err := io.WriteString(connection, text)
	return err == nil
}

// silence keeps the connection open until the client has gone, or the test is over.
func (s *rawServer) silence(connection net.Conn) { _, _ = io.Copy(io.Discard, connection) }

// drip writes a text and then one byte after the other, for as long as anybody reads.
func (s *rawServer) drip(connection net.Conn, text, each string) {
	for goOn := say(connection, text); goOn; goOn = say(connection, each) {
		select {
		case <-s.ended:
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func always(text string) func(*rawServer, net.Conn) {
	return func(_ *rawServer, connection net.Conn) { say(connection, text) }
}

// readsHostile starts an engine with an account at the URL, and fails the test if a read doesn't end: a read that hangs
// would keep the account's turn, and with it all others.
func readsHostile(t *testing.T, url string, fields map[string]any) func(requestPath string) error {
	t.Helper()
	e := newEngine(t)
	e.configure("", map[string]any{fieldAPIURL: url, fieldVerify: false, fieldRequestTimeout: 1})
	if fields != nil {
		e.configure("", fields)
	}
	return func(requestPath string) error {
		t.Helper()
		outcome := make(chan error, 1)
		go func() {
			_, err := e.read(requestPath)
			outcome <- err
		}()
		select {
		case err := <-outcome:
			return err
		case <-time.After(20 * time.Second): // request_timeout is 1 s
			require.FailNow(t, requestPath+" doesn't end")
			return nil
		}
	}
}

func TestHostileKrakens(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(*rawServer, net.Conn)
		code   int
		want   string
	}{
		"drips the header": {func(s *rawServer, c net.Conn) { s.drip(c, "HTTP/1.1 200 OK\r\nX-Slow: ", "a") }, 504, "No answer within request_timeout"},
		"drips headers":    {func(s *rawServer, c net.Conn) { s.drip(c, "HTTP/1.1 200 OK\r\n", "X: y\r\n") }, 504, "No answer within request_timeout"},
		"drips the body":   {func(s *rawServer, c net.Conn) { s.drip(c, "HTTP/1.1 200 OK\r\n\r\n{", " ") }, 504, "No answer within request_timeout"},
		"drips chunks": {func(s *rawServer, c net.Conn) {
			s.drip(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n")
		}, 504, "No answer within request_timeout"},
		"drips interim answers": {func(s *rawServer, c net.Conn) { s.drip(c, "", "HTTP/1.1 100 Continue\r\n\r\n") }, 504, "No answer within request_timeout"},
		"interim answers, no end": {func(_ *rawServer, c net.Conn) {
			for say(c, strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100)) {
			}
		}, 503, "connection broke"},
		"silent after the header": {func(s *rawServer, c net.Conn) { say(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"); s.silence(c) }, 504, "No answer within request_timeout"},
		"switches protocols": {func(s *rawServer, c net.Conn) {
			say(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			s.silence(c)
		}, 502, "HTTP 101"},
		"switches and drips": {func(s *rawServer, c net.Conn) {
			s.drip(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", " ")
		}, 502, "HTTP 101"},
		"a body without end": {func(_ *rawServer, c net.Conn) {
			for goOn := say(c, "HTTP/1.1 200 OK\r\n\r\n{"); goOn; goOn = say(c, strings.Repeat(" ", 1<<16)) {
			}
		}, 502, "not Kraken's JSON"},
		"chunks without end": {func(_ *rawServer, c net.Conn) {
			for goOn := say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"); goOn; goOn = say(c, "10000\r\n"+strings.Repeat("a", 1<<16)+"\r\n") {
			}
		}, 502, "not Kraken's JSON"},
		"a gzip bomb":                {always(httpAnswer("200 OK", "Content-Encoding: gzip\r\n", gzipBomb(t))), 502, "not Kraken's JSON"},
		"gzip that is none":          {always(httpAnswer("200 OK", "Content-Encoding: gzip\r\n", "<html>")), 503, "connection broke"},
		"a header of 20 MB":          {always("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 20<<20) + "\r\n\r\n"), 503, "connection broke"},
		"a million headers":          {always("HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 2_000_000) + "\r\n"), 503, "connection broke"},
		"a header that is none":      {always("HTTP/1.1 200 OK\r\nsesame without a colon\r\n\r\n"), 503, "connection broke"},
		"a status that is none":      {always("HTTP/1.1 sesame sesame\r\n\r\n"), 503, "connection broke"},
		"two lengths":                {always("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nsesame"), 503, "connection broke"},
		"a length that is none":      {always("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nsesame"), 503, "connection broke"},
		"too short a length":         {always("HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n" + goodAnswer[len(goodAnswer)-77:]), 502, "not Kraken's JSON"},
		"chunks that are none":       {always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsesame\r\nsesame\r\n"), 503, "connection broke"},
		"a chunk of 2^64 bytes":      {always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n{"), 503, "connection broke"},
		"an unknown encoding":        {always("HTTP/1.1 200 OK\r\nTransfer-Encoding: sesame\r\n\r\n{}"), 503, "connection broke"},
		"another encoding":           {always(httpAnswer("200 OK", "Content-Encoding: br\r\n", "sesame")), 502, "not Kraken's JSON"},
		"HTML behind a good status":  {always(httpAnswer("200 OK", "Content-Type: text/html\r\n", "<html>sesame</html>")), 502, "not Kraken's JSON"},
		"JSON without end in itself": {always(httpAnswer("200 OK", "", strings.Repeat("[", 1<<19))), 502, "not Kraken's JSON"},
		"HTTP/2 unasked":             {always("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 503, "connection broke"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of them take the whole request_timeout
			server := startRawServer(t, test.answer)
			read := readsHostile(t, server.url, nil)
			paths := []string{"ws-token"}
			if test.code == http.StatusBadGateway { // quick enough to see that the second finds the turn free
				paths = append(paths, "key-info")
			}
			for _, requestPath := range paths {
				err := read(requestPath)
				requireCode(t, test.code, err)
				assert.Contains(t, err.Error(), test.want)
				assert.NotContains(t, err.Error(), "sesame")
				assert.Less(t, len(err.Error()), 1000)
			}
		})
	}
}

// TestAnAnswerCostsBoundedMemory counts all that is allocated for one read, so a limit that comes too late shows.
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
			read := readsHostile(t, server.url, nil)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			require.Error(t, read("ws-token"))
			runtime.ReadMemStats(&after)
			attempts := uint64(server.requests.Load())
			taken := (after.TotalAlloc - before.TotalAlloc) >> 10 / attempts
			t.Logf("%d KiB each of %d attempts", taken, attempts)
			assert.Less(t, taken, uint64(16<<10), "KiB each attempt")
		})
	}
}

// gzipBomb is a few kilobytes that expand to a gigabyte.
func gzipBomb(t *testing.T) string {
	t.Helper()
	var inner bytes.Buffer
	writer, err := gzip.NewWriterLevel(&inner, gzip.BestSpeed)
	require.NoError(t, err)
	spaces := bytes.Repeat([]byte(" "), 1<<20)
	_, _ = writer.Write(spaces)
	require.NoError(t, writer.Close())
	// Members of a gzip file expand one after the other.
	return strings.Repeat(inner.String(), 1<<10)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := startRawServer(t, always(goodAnswer))
	for _, status := range []string{"300 Multiple Choices", "301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"} {
		for name, target := range map[string]string{
			"elsewhere": elsewhere.url + "/0/private/GetWebSocketsToken",
			"to itself": "/0/private/GetWebSocketsToken",
			"nowhere":   "sesame://",
		} {
			t.Run(status+" "+name, func(t *testing.T) {
				server := startRawServer(t, always(httpAnswer(status, "Location: "+target+"\r\nRefresh: 0; url="+target+"\r\n", "")))
				err := readsHostile(t, server.url, nil)("ws-token")
				requireCode(t, http.StatusBadGateway, err)
				assert.Contains(t, err.Error(), "redirects (HTTP "+status[:3]+")")
				assert.NotContains(t, err.Error(), target, "nothing of the answer")
				assert.EqualValues(t, 1, server.requests.Load())
			})
		}
	}
	assert.Zero(t, elsewhere.requests.Load(), "a signed request went elsewhere")
}

// TestAHostileAnswerHarmsNoLaterOne: after each way to break a connection, the next read gets a good answer.
func TestAHostileAnswerHarmsNoLaterOne(t *testing.T) {
	for name, bad := range map[string]string{
		"garbage":        "sesame\r\n\r\n",
		"a good one cut": goodAnswer[:len(goodAnswer)-10],
		"bad chunks":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsesame",
		"too much":       httpAnswer("200 OK", "", strings.Repeat(" ", 2<<20)),
		"two at once":    httpAnswer("500 Internal Server Error", "", "") + httpAnswer("418 I'm a teapot", "", ""),
	} {
		t.Run(name, func(t *testing.T) {
			server := startRawServer(t, func(s *rawServer, connection net.Conn) {
				if s.requests.Load() == 1 {
					say(connection, bad)
					_ = connection.Close()
					return
				}
				say(connection, goodAnswer)
			})
			read := readsHostile(t, server.url, nil)
			if err := read("ws-token"); err != nil { // some heal within the read
				require.NoError(t, read("ws-token"))
			}
			require.NoError(t, read("ws-token"))
		})
	}
}

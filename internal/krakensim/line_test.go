package krakensim

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newLine(t *testing.T, serverURL string) *Line {
	t.Helper()
	line, err := NewLine(serverURL)
	require.NoError(t, err)
	t.Cleanup(line.Close)
	return line
}

// askTime makes a small request by way of a line.
func askTime(ctx context.Context, line *Line, transport http.RoundTripper) error {
	q := newRequest("/0/public/Time", 1)
	q.base = line.URL()
	_, err := q.try(ctx, transport)
	return err
}

// briefly is a context for a request that is to stay without an answer.
func briefly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestACutLineRefusesUntilItIsMended(t *testing.T) {
	server := startServer(t, Options{})
	line, transport := newLine(t, server.RESTURL()), newTransport(t)
	url := line.URL()
	require.NoError(t, askTime(t.Context(), line, transport))

	server.Misbehave(Fault{Hang: true, Times: 1})
	failed := make(chan error)
	go func() { failed <- askTime(t.Context(), line, newTransport(t)) }()
	require.Eventually(t, func() bool { return line.Traffic().Up.Pieces == 2 }, 5*time.Second, time.Millisecond)
	line.Cut()
	line.Cut()
	require.Error(t, <-failed, "a request under way is broken off")
	require.Eventually(t, func() bool { // what is kept alive may be found closed first
		return strings.Contains(askTime(t.Context(), line, transport).Error(), syscall.ECONNREFUSED.Error())
	}, 5*time.Second, time.Millisecond)

	require.NoError(t, line.Mend())
	require.NoError(t, line.Mend())
	assert.Equal(t, url, line.URL())
	assert.NoError(t, askTime(t.Context(), line, transport))
}

func TestASwallowedConnectionStaysOpenAndSilent(t *testing.T) {
	server := startServer(t, Options{})
	line, transport := newLine(t, server.RESTURL()), newTransport(t)
	require.NoError(t, askTime(t.Context(), line, transport))
	line.Swallow()
	assert.NoError(t, askTime(t.Context(), line, newTransport(t)), "a new connection works")

	before := line.Traffic()
	assert.ErrorIs(t, askTime(briefly(t), line, transport), context.DeadlineExceeded)
	assert.Zero(t, line.Traffic().Since(before), "nothing passes, and the transport took the old connection")
	assert.NoError(t, askTime(t.Context(), line, transport), "a new connection, for the client gave the old one up")
}

func TestAnAnswerIsSwallowedToo(t *testing.T) {
	server := startServer(t, Options{})
	line, transport := newLine(t, server.RESTURL()), newTransport(t)
	server.Misbehave(Fault{Hang: true})
	failed := make(chan error)
	go func() { failed <- askTime(briefly(t), line, transport) }()
	require.Eventually(t, func() bool { return line.Traffic().Up.Pieces == 1 }, 5*time.Second, time.Millisecond)
	line.Swallow()
	server.Behave()
	assert.ErrorIs(t, <-failed, context.DeadlineExceeded)
	assert.Zero(t, line.Traffic().Down)
}

func TestTheEndOfASwallowedConnectionIsSwallowedToo(t *testing.T) {
	server := startServer(t, Options{})
	line := newLine(t, server.RESTURL())
	conn := dialLine(t, line)
	askOver(t, conn)
	line.Swallow()
	server.Close()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := conn.Read(make([]byte, 1))
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestALineCanSwallowNewConnectionsToo(t *testing.T) {
	server := startServer(t, Options{})
	line, transport := newLine(t, server.RESTURL()), newTransport(t)
	old := dialLine(t, line)
	askOver(t, old)
	line.SwallowAll()
	assert.ErrorIs(t, askTime(briefly(t), line, transport), context.DeadlineExceeded)
	require.NoError(t, line.Mend())
	assert.NoError(t, askTime(t.Context(), line, transport))

	_, err := io.WriteString(old, "GET")
	require.NoError(t, err)
	require.NoError(t, old.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = old.Read(make([]byte, 1))
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "what was swallowed stays so")
	line.Cut()
	require.NoError(t, old.SetReadDeadline(time.Now().Add(5*time.Second)))
	_, err = old.Read(make([]byte, 1))
	assert.ErrorIs(t, err, syscall.ECONNRESET, "until the line is cut")
}

// dialLine is a connection by way of a line, with nothing above TCP.
func dialLine(t *testing.T, line *Line) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(line.URL(), "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// askOver makes a request over a connection.
func askOver(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := io.WriteString(conn, "GET /0/public/Time HTTP/1.1\r\nHost: kraken\r\n\r\n")
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, answer.Body)
	require.NoError(t, err)
}

func TestALineCountsWhatPasses(t *testing.T) {
	server := startServer(t, Options{})
	line, transport := newLine(t, server.RESTURL()), newTransport(t)
	require.NoError(t, askTime(t.Context(), line, transport))
	first := line.Traffic()
	assert.EqualValues(t, 1, first.Connections)
	require.NoError(t, askTime(t.Context(), line, transport))
	second := line.Traffic().Since(first)
	assert.Zero(t, second.Connections)
	assert.Equal(t, Flow{Bytes: first.Up.Bytes, Pieces: 1}, second.Up)
	assert.EqualValues(t, 1, second.Down.Pieces)
	assert.Positive(t, second.Down.Bytes)

	server.Misbehave(Fault{Oversize: 1 << 20})
	require.NoError(t, askTime(t.Context(), line, transport))
	assert.Greater(t, line.Traffic().Since(first).Down.Bytes, int64(1<<20))
}

func TestALineMayBeSlow(t *testing.T) {
	server := startServer(t, Options{})
	line, transport := newLine(t, server.RESTURL()), newTransport(t)
	require.NoError(t, askTime(t.Context(), line, transport))
	line.SetLatency(30 * time.Millisecond)
	start := time.Now()
	require.NoError(t, askTime(t.Context(), line, transport))
	assert.GreaterOrEqual(t, time.Since(start), 60*time.Millisecond, "each way")

	start = time.Now()
	require.NoError(t, askTime(t.Context(), line, newTransport(t)))
	assert.GreaterOrEqual(t, time.Since(start), 120*time.Millisecond, "a new connection takes a round trip more")

	line.SetLatency(time.Hour)
	assert.ErrorIs(t, askTime(briefly(t), line, transport), context.DeadlineExceeded)
	line.SetLatency(0)
	assert.NoError(t, askTime(t.Context(), line, transport))
	// Close doesn't wait for what is under way for an hour.
}

func TestAClosedLineIsGone(t *testing.T) {
	server := startServer(t, Options{})
	line := newLine(t, server.RESTURL())
	transport := newTransport(t)
	require.NoError(t, askTime(t.Context(), line, transport))
	line.Swallow()
	line.Close()
	line.Close()
	assert.ErrorIs(t, line.Mend(), net.ErrClosed)
	assert.ErrorIs(t, askTime(t.Context(), line, newTransport(t)), syscall.ECONNREFUSED)
}

func TestALineWhoseServerIsGoneBreaksConnections(t *testing.T) {
	server := startServer(t, Options{})
	line := newLine(t, server.RESTURL())
	server.Close()
	assert.Error(t, askTime(t.Context(), line, newTransport(t)))
}

func TestALineNeedsAPort(t *testing.T) {
	for _, bad := range []string{"https://api.kraken.com", "", "127.0.0.1:8080", "http://127.0.0.1:http"} {
		_, err := NewLine(bad)
		assert.Error(t, err, bad)
	}
}

func TestALineCarriesTLS(t *testing.T) {
	server := startServer(t, Options{TLS: true})
	line := newLine(t, server.RESTURL())
	assert.True(t, strings.HasPrefix(line.URL(), "https://127.0.0.1:"))
	assert.NoError(t, askTime(t.Context(), line, trusting(t, server)))
}

package line

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// far is a server at the end of a line, and a client that knows the line only.
type far struct {
	server  *httptest.Server
	line    *Line
	client  *http.Client
	release func() // lets requests for /hanging go on
}

const large = 1 << 20

func newFar(t *testing.T, start func(*httptest.Server)) far {
	t.Helper()
	released := make(chan struct{})
	f := far{release: sync.OnceFunc(func() { close(released) })}
	f.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hanging":
			<-released
		case "/large":
			_, _ = w.Write(make([]byte, large))
			return
		}
		_, _ = io.WriteString(w, "answer")
	}))
	start(f.server)
	t.Cleanup(f.server.Close)
	t.Cleanup(f.release)
	line, err := New(f.server.URL)
	require.NoError(t, err)
	t.Cleanup(line.Close)
	f.line, f.client = line, f.server.Client()
	t.Cleanup(f.client.CloseIdleConnections)
	return f
}

// ask makes a request by way of the line.
func (f far) ask(ctx context.Context, path string) error {
	return ask(ctx, f.client, f.line.URL()+path)
}

// askAnew is ask over a connection of its own.
func (f far) askAnew(ctx context.Context, path string) error {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	return ask(ctx, &http.Client{Transport: transport}, f.line.URL()+path)
}

func ask(ctx context.Context, client *http.Client, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// briefly is a context for a request that is to stay without an answer.
func briefly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestACutLineRefusesUntilItIsMended(t *testing.T) {
	far := newFar(t, (*httptest.Server).Start)
	url := far.line.URL()
	require.NoError(t, far.ask(t.Context(), "/"))

	failed := make(chan error)
	go func() { failed <- far.askAnew(t.Context(), "/hanging") }()
	require.Eventually(t, func() bool { return far.line.Traffic().Up.Pieces == 2 }, 5*time.Second, time.Millisecond)
	far.line.Cut()
	far.line.Cut()
	require.Error(t, <-failed, "a request under way is broken off")
	require.Eventually(t, func() bool { // what is kept alive may be found closed first
		return strings.Contains(far.ask(t.Context(), "/").Error(), syscall.ECONNREFUSED.Error())
	}, 5*time.Second, time.Millisecond)

	require.NoError(t, far.line.Mend())
	require.NoError(t, far.line.Mend())
	assert.Equal(t, url, far.line.URL())
	assert.NoError(t, far.ask(t.Context(), "/"))
}

func TestASwallowedConnectionStaysOpenAndSilent(t *testing.T) {
	far := newFar(t, (*httptest.Server).Start)
	require.NoError(t, far.ask(t.Context(), "/"))
	far.line.Swallow()
	assert.NoError(t, far.askAnew(t.Context(), "/"), "a new connection works")

	before := far.line.Traffic()
	assert.ErrorIs(t, far.ask(briefly(t), "/"), context.DeadlineExceeded)
	assert.Zero(t, far.line.Traffic().Since(before), "nothing passes, and the transport took the old connection")
	assert.NoError(t, far.ask(t.Context(), "/"), "a new connection, for the client gave the old one up")
}

func TestAnAnswerIsSwallowedToo(t *testing.T) {
	far := newFar(t, (*httptest.Server).Start)
	failed := make(chan error)
	go func() { failed <- far.ask(briefly(t), "/hanging") }()
	require.Eventually(t, func() bool { return far.line.Traffic().Up.Pieces == 1 }, 5*time.Second, time.Millisecond)
	far.line.Swallow()
	far.release()
	assert.ErrorIs(t, <-failed, context.DeadlineExceeded)
	assert.Zero(t, far.line.Traffic().Down)
}

func TestTheEndOfASwallowedConnectionIsSwallowedToo(t *testing.T) {
	far := newFar(t, (*httptest.Server).Start)
	conn := dialLine(t, far.line)
	askOver(t, conn)
	far.line.Swallow()
	far.server.Close()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := conn.Read(make([]byte, 1))
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestASwallowedConnectionIsResetWhenTheLineIsCut(t *testing.T) {
	far := newFar(t, (*httptest.Server).Start)
	conn := dialLine(t, far.line)
	askOver(t, conn)
	far.line.Swallow()
	require.NoError(t, far.line.Mend(), "which does nothing")

	_, err := io.WriteString(conn, "GET")
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	far.line.Cut()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	_, err = conn.Read(make([]byte, 1))
	assert.ErrorIs(t, err, syscall.ECONNRESET)
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
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: far\r\n\r\n")
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, answer.Body)
	require.NoError(t, err)
}

func TestALineCountsWhatPasses(t *testing.T) {
	far := newFar(t, (*httptest.Server).Start)
	require.NoError(t, far.ask(t.Context(), "/"))
	first := far.line.Traffic()
	assert.EqualValues(t, 1, first.Connections)
	require.NoError(t, far.ask(t.Context(), "/"))
	second := far.line.Traffic().Since(first)
	assert.Zero(t, second.Connections)
	assert.Equal(t, Flow{Bytes: first.Up.Bytes, Pieces: 1}, second.Up)
	assert.EqualValues(t, 1, second.Down.Pieces)
	assert.Positive(t, second.Down.Bytes)

	require.NoError(t, far.ask(t.Context(), "/large"))
	assert.Greater(t, far.line.Traffic().Since(first).Down.Bytes, int64(large))
}

func TestALineMayBeSlow(t *testing.T) {
	far := newFar(t, (*httptest.Server).Start)
	require.NoError(t, far.ask(t.Context(), "/"))
	far.line.SetLatency(30 * time.Millisecond)
	start := time.Now()
	require.NoError(t, far.ask(t.Context(), "/"))
	assert.GreaterOrEqual(t, time.Since(start), 60*time.Millisecond, "each way")

	start = time.Now()
	require.NoError(t, far.askAnew(t.Context(), "/"))
	assert.GreaterOrEqual(t, time.Since(start), 120*time.Millisecond, "a new connection takes a round trip more")

	far.line.SetLatency(time.Hour)
	assert.ErrorIs(t, far.ask(briefly(t), "/"), context.DeadlineExceeded)
	far.line.SetLatency(0)
	assert.NoError(t, far.ask(t.Context(), "/"))
	// Close doesn't wait for what is under way for an hour.
}

func TestAClosedLineIsGone(t *testing.T) {
	far := newFar(t, (*httptest.Server).Start)
	require.NoError(t, far.ask(t.Context(), "/"))
	far.line.Swallow()
	far.line.Close()
	far.line.Close()
	assert.ErrorIs(t, far.line.Mend(), net.ErrClosed)
	assert.ErrorIs(t, far.askAnew(t.Context(), "/"), syscall.ECONNREFUSED)
}

func TestALineWhoseServerIsGoneBreaksConnections(t *testing.T) {
	far := newFar(t, (*httptest.Server).Start)
	far.server.Close()
	assert.Error(t, far.askAnew(t.Context(), "/"))
}

func TestALineNeedsAPort(t *testing.T) {
	for _, bad := range []string{"https://api.kraken.com", "", "127.0.0.1:8080", "http://127.0.0.1:http"} {
		_, err := New(bad)
		assert.Error(t, err, bad)
	}
}

func TestALineCarriesTLS(t *testing.T) {
	far := newFar(t, (*httptest.Server).StartTLS)
	assert.True(t, strings.HasPrefix(far.line.URL(), "https://127.0.0.1:"))
	assert.NoError(t, far.ask(t.Context(), "/"))
}

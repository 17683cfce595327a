package fault

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const truth = `{"error":[],"result":{"token":"example"}}`

// service is a service that misbehaves.
type service struct {
	Queue
	taken, processed, done atomic.Int32 // requests
}

func (s *service) serve(r *http.Request, turn *Turn) (Answer, error) {
	return turn.Answer(r.Context(), func() Answer {
		s.processed.Add(1)
		return NewAnswer(http.StatusOK, "application/json", []byte(truth))
	})
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	turn := s.Take(r.URL.Path)
	s.taken.Add(1)
	defer s.done.Add(1)
	a, err := s.serve(r, turn)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	a.Write(w, r)
}

// RoundTrip serves a request in process.
func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	turn := s.Take(r.URL.Path)
	s.taken.Add(1)
	defer s.done.Add(1)
	if err := turn.Dial(r.Context()); err != nil {
		return nil, err
	}
	a, err := s.serve(r, turn)
	if err != nil {
		return nil, err
	}
	return a.Response(r)
}

// client is the only client of a service of its own.
type client struct {
	t         *testing.T
	service   *service
	transport http.RoundTripper
	url       string
}

// overs are the ways in which a client can reach a service.
var overs = map[string]func(t *testing.T) client{
	"HTTP/1.1":          overHTTP1,
	"HTTP/1.1 over TLS": overHTTP1TLS,
	"HTTP/2":            overHTTP2,
	"HTTP/2 over TLS":   overHTTP2TLS,
	"process":           inProcess,
}

func overHTTP1(t *testing.T) client    { return connected(t, (*httptest.Server).Start) }
func overHTTP1TLS(t *testing.T) client { return connected(t, (*httptest.Server).StartTLS) }

func overHTTP2TLS(t *testing.T) client {
	return connected(t, func(server *httptest.Server) {
		server.EnableHTTP2 = true
		server.StartTLS()
	})
}

// overHTTP2 is HTTP/2 in the clear, with prior knowledge.
func overHTTP2(t *testing.T) client {
	c := connected(t, func(server *httptest.Server) {
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetHTTP1(true)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		server.Start()
	})
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	c.transport.(*http.Transport).Protocols = protocols
	return c
}

func connected(t *testing.T, start func(*httptest.Server)) client {
	s := new(service)
	server := httptest.NewUnstartedServer(s)
	server.Listener = Listen(server.Listener)
	server.Config.ConnContext = WithConn
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	start(server)
	t.Cleanup(server.Close)
	t.Cleanup(s.Behave) // which Close waits for
	transport := server.Client().Transport.(*http.Transport)
	transport.DisableCompression = true
	t.Cleanup(transport.CloseIdleConnections)
	return client{t, s, transport, server.URL}
}

func inProcess(t *testing.T) client {
	s := new(service)
	return client{t, s, s, "https://api.kraken.test:8443"}
}

// reply is an answer as a client sees it.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask makes a request.
func (c client) ask(ctx context.Context, path string) (got reply, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+path, http.NoBody)
	if err != nil {
		return got, err
	}
	response, err := c.transport.RoundTrip(r)
	if err != nil {
		return got, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(body)}, err
}

// call makes a request and returns the client's address on the connection that it went over.
func (c client) call() (from string, err error) {
	ctx := httptrace.WithClientTrace(c.t.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { from = info.Conn.LocalAddr().String() },
	})
	_, err = c.ask(ctx, "/")
	return from, err
}

// begin makes a call that hangs until Behave; end returns how it ended.
func (c client) begin() (end func() (from string, err error)) {
	c.service.Misbehave(Fault{Hang: true, Times: 1})
	before := c.service.taken.Load()
	var from string
	ended := make(chan error, 1)
	go func() {
		var err error
		from, err = c.call()
		ended <- err
	}()
	require.Eventually(c.t, func() bool { return c.service.taken.Load() > before }, 5*time.Second, time.Millisecond)
	return func() (string, error) {
		err := <-ended
		return from, err
	}
}

// behaves checks that the next request gets the true answer.
func (c client) behaves() {
	c.t.Helper()
	got, err := c.ask(c.t.Context(), "/")
	require.NoError(c.t, err)
	assert.Equal(c.t, truth, got.body)
}

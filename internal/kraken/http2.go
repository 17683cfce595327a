package kraken

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// http2Conn is an HTTP/2 connection that pings while a request waits for its answer. Go's own transport can ping as well,
// but it goes on while nothing is awaited.
type http2Conn struct {
	*tls.Conn // what client reads from and writes to
	client    *http2.ClientConn
	address   string // the server's, host:port
	made      time.Time

	heard    atomic.Int64 // when something came last, in nanoseconds since made
	broken   atomic.Bool  // nothing will come any more
	pinging  atomic.Bool  // a ping is under way
	requests atomic.Int64 // under way
	taken    atomic.Bool  // has had a request
	retired  atomic.Bool  // takes no more requests, and is closed after the last
}

// shareable is how lately a connection must have shown that it lives for a newer one not to be needed.
const shareable = time.Second

// adopt is what http.Transport calls when the server has agreed to HTTP/2 on a connection that was just made. Where many
// requests at once have each made one, all but the first are closed again.
func (t *Transport) adopt(address string, conn *tls.Conn) http.RoundTripper {
	if c := t.share(address); c != nil {
		go conn.Close()
		return c
	}
	c := &http2Conn{Conn: conn, address: address, made: time.Now()}
	var err error
	if c.client, err = t.http2.NewClientConn(c); err != nil {
		return unusable{err}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conns = slices.DeleteFunc(t.conns, func(c *http2Conn) bool { return c.broken.Load() })
	t.conns = append(t.conns, c)
	return c
}

func (t *Transport) share(address string) *http2Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.conns {
		silent := time.Since(c.made) - time.Duration(c.heard.Load())
		if c.address == address && silent < shareable && !c.broken.Load() && c.client.CanTakeNewRequest() {
			return c
		}
	}
	return nil
}

// take finds a connection for a request, which must be sent over it. nil: there is none.
func (t *Transport) take(target *url.URL) *http2Conn {
	address := net.JoinHostPort(target.Hostname(), target.Port())
	if target.Port() == "" {
		address += "443"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range slices.Backward(t.conns) { // the newest is the likeliest to live
		if c.address == address && target.Scheme == "https" && c.take() {
			return c
		}
	}
	return nil
}

// take reserves room for a request, which must be sent; leave gives it up again.
func (c *http2Conn) take() bool {
	c.requests.Add(1)
	if c.retired.Load() || c.broken.Load() || !c.client.ReserveNewRequest() {
		c.leave()
		return false
	}
	c.taken.Store(true)
	return true
}

func (c *http2Conn) leave() {
	if c.requests.Add(-1) == 0 && c.retired.Load() {
		c.cut()
	}
}

func (c *http2Conn) retire() {
	c.retired.Store(true)
	if c.requests.Load() == 0 {
		c.cut()
	}
}

// cut closes the connection without a word, which can't block as saying goodbye over a dead one can.
func (c *http2Conn) cut() { _ = c.NetConn().Close() }

// RoundTrip is what http.Transport calls with a request for which it has found or made this connection.
func (c *http2Conn) RoundTrip(request *http.Request) (*http.Response, error) {
	if c.take() {
		httptrace.ContextClientTrace(request.Context()).GotConn(httptrace.GotConnInfo{Conn: c})
		return c.client.RoundTrip(request)
	}
	if !c.taken.Load() && time.Since(c.made) < shareable {
		return nil, errors.New("the server makes HTTP/2 connections and takes no request") // nor would it over the next one
	}
	return nil, elsewhere{}
}

// hungUp tells whether a request has failed because the server closes the connection.
func (c *http2Conn) hungUp(err error) bool {
	var farewell http2.GoAwayError
	if errors.As(err, &farewell) && farewell.ErrCode != http2.ErrCodeNo || errors.As(err, new(http2.StreamError)) {
		return false // the server is in trouble, or asks for calm
	}
	state := c.client.State()
	return state.Closed || state.Closing
}

// Read reads from the server.
func (c *http2Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.heard.Store(int64(time.Since(c.made)))
	if err != nil {
		c.broken.Store(true)
	}
	return n, err
}

// elsewhere has http.Transport try another connection, by the method that it looks for.
type elsewhere struct{}

func (elsewhere) Error() string             { return "the HTTP/2 connection takes no more requests" }
func (elsewhere) IsHTTP2NoCachedConnError() {}

// unusable is a connection that failed at once. http.Transport looks for RoundTripErr.
type unusable struct{ error }

func (u unusable) RoundTrip(*http.Request) (*http.Response, error) { return nil, u.error }
func (u unusable) RoundTripErr() error                             { return u.error }

package kraken

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-cleanhttp"
	"golang.org/x/net/http2"
)

// maxHeader bounds an answer's header in bytes. Kraken's are a few kilobytes; Go's default is 10 MB.
const maxHeader = 64 << 10

// The bounds of connections that are kept though no request needs them. Requests of one API key go out one at a time, so that more than one to a host come of many accounts
// at once; and a mount has few hosts.
const (
	maxIdlePerHost = 16
	maxIdle        = 64
)

// errSilent is the error of a request whose connection has died without a word.
var errSilent = errors.New("nothing came over the connection any more")

// Transport carries requests to Kraken over HTTP/2 or HTTP/1.1, by connections that it keeps alive, and it follows no
// redirect. It is safe for concurrent use.
//
// A connection may die without a word: a middlebox has forgotten it, and swallows what is sent. The Transport finds that
// out early enough that a second try, over a new connection, fits into the time until the deadline of the request's
// context: over HTTP/2 by pings while an answer is awaited, over HTTP/1.1 by waiting only half of the time for the first
// byte of an answer over a connection that was used before. On Linux, TCP tells as well. An idle connection is silent.
//
// A request that was sent is never sent again by the Transport itself.
type Transport struct {
	http1 *http.Transport // makes all connections, and carries requests over those that aren't HTTP/2
	http2 *http2.Transport

	mu    sync.Mutex   // guards conns
	conns []*http2Conn // the newest last
}

// NewTransport returns a Transport that verifies certificates against roots (nil: the system's) and speaks TLS 1.2 or
// later. It goes through the proxy that the environment names (HTTPS_PROXY, NO_PROXY). Share one among all clients with the same
// roots. Its CloseIdleConnections is the caller's to call in the end.
func NewTransport(roots *x509.CertPool) *Transport {
	transport := cleanhttp.DefaultPooledTransport()
	t := &Transport{http1: transport, http2: &http2.Transport{MaxHeaderListSize: maxHeader, IdleConnTimeout: transport.IdleConnTimeout}}
	// A dial goes on without its request, so it needs a bound of its own.
	dialer := &net.Dialer{Timeout: transport.TLSHandshakeTimeout, Control: setUserTimeout}
	transport.DialContext = dialer.DialContext
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{"h2": t.adopt}
	transport.OnProxyConnectResponse = refusedByProxy
	transport.MaxResponseHeaderBytes = maxHeader
	transport.MaxIdleConnsPerHost = maxIdlePerHost
	transport.MaxIdleConns = maxIdle
	return t
}

// userTimeout is how long the system lets sent data go unacknowledged before it breaks the connection, where it can.
const userTimeout = 2 * time.Second

// maxTries bounds how often another connection is tried where one turns out to be no good before the request is written.
const maxTries = 3

// RoundTrip is http.RoundTripper's.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	for tries := 1; ; tries++ {
		response, unsent, err := t.try(request)
		if !unsent || tries == maxTries || request.GetBody == nil {
			return response, err
		}
		again := *request
		if again.Body, err = request.GetBody(); err != nil {
			return nil, err
		}
		request = &again
	}
}

// try sends a request over one connection. unsent says that it failed, and that another connection may do better.
func (t *Transport) try(request *http.Request) (response *http.Response, unsent bool, err error) {
	a := &attempt{transport: t}
	a.ctx, a.end = context.WithCancelCause(request.Context())
	trace := &httptrace.ClientTrace{WroteHeaders: a.wroteHeaders}
	if c := t.take(request.URL); c != nil {
		a.uses(c)
		a.kept.Store(true)
		response, err = c.client.RoundTrip(a.traced(request, trace))
	} else {
		trace.GetConn, trace.GotConn, trace.TLSHandshakeStart, trace.GotFirstResponseByte = a.getConn, a.gotConn, a.tlsHandshakeStart, a.gotFirstResponseByte
		response, err = t.http1.RoundTrip(a.traced(request, trace))
	}
	if err != nil {
		defer a.finish()
		return nil, a.unsent(), a.cause(request, err)
	}
	response.Body = &body{response.Body, a}
	return response, false, nil
}

// attempt is a request over one connection.
type attempt struct {
	transport *Transport
	ctx       context.Context // the request's, until the attempt is over
	end       context.CancelCauseFunc

	carrier    *http2Conn   // nil: HTTP/1.1, or none yet
	handshakes atomic.Int32 // begun, where it takes another connection
	connected  atomic.Bool  // a connection was had
	kept       atomic.Bool  // it had been there before, and nothing of an answer has come over it
	written    atomic.Bool  // the header was sent, at least in part
	patience   timer        // runs out over a connection where nothing comes
	isOver     atomic.Bool
}

func (a *attempt) traced(request *http.Request, trace *httptrace.ClientTrace) *http.Request {
	return request.WithContext(httptrace.WithClientTrace(a.ctx, trace))
}

// The methods that follow are those of an httptrace.ClientTrace. That a connection is handed the request stands for that the request is
// written: net/http writes in a goroutine of its own, which a cancelled request doesn't wait for.

// getConn is called for another connection only where nothing of the request went out over the one before.
func (a *attempt) getConn(string) {
	a.handshakes.Store(0)
	a.connected.Store(false)
	a.patience.set(nil)
}

func (a *attempt) gotConn(got httptrace.GotConnInfo) {
	if carrier, isHTTP2 := got.Conn.(*http2Conn); isHTTP2 {
		a.uses(carrier)
		return
	}
	a.connected.Store(true)
	a.kept.Store(got.Reused)
	if got.Reused {
		a.patience.set(time.AfterFunc(timeLeft(a.ctx)/2, a.lost))
	}
}

func (a *attempt) tlsHandshakeStart() { a.handshakes.Add(1) }
func (a *attempt) wroteHeaders()      { a.written.Store(true) }

func (a *attempt) gotFirstResponseByte() {
	if a.carrier == nil {
		a.patience.set(nil)
		a.kept.Store(false)
	}
}

// uses notes that the request goes over an HTTP/2 connection.
func (a *attempt) uses(carrier *http2Conn) {
	a.carrier = carrier
	a.connected.Store(true)
	heard, left := carrier.heard.Load(), timeLeft(a.ctx)
	a.patience.set(time.AfterFunc(firstPing(left), func() { carrier.watch(a.ctx, heard, left, a.lost) }))
}

// lost gives the connection up. The order matters: whoever tries again must not find another dead connection.
func (a *attempt) lost() {
	a.transport.CloseIdleConnections()
	a.end(errSilent)
}

// unsent tells of a failed attempt whether another connection may do better. An HTTP/2 connection that is closing, or full, says so only now. While
// ctx lasts, the request isn't being written any more.
func (a *attempt) unsent() bool {
	return a.carrier != nil && !a.written.Load() && a.ctx.Err() == nil
}

// cause is the error of a failed attempt, given the one below.
func (a *attempt) cause(request *http.Request, err error) error {
	if errors.Is(context.Cause(a.ctx), errSilent) {
		err = errSilent
	}
	if !a.connected.Load() {
		return unsentError{a.transport.blameProxy(request, int(a.handshakes.Load()), err)}
	}
	if !a.kept.Load() || a.ctx.Err() != nil {
		return err
	}
	if a.carrier == nil {
		a.transport.http1.CloseIdleConnections() // else the next try is over one that is likely to have ended as well
		return hungUpError{err}
	}
	if a.carrier.hungUp(err) {
		return hungUpError{err}
	}
	return err
}

// hungUpError is the error of a request over a connection that had been kept, and that the server closed without an answer.
type hungUpError struct{ error }

func (h hungUpError) Unwrap() error { return h.error }

// finish ends the attempt, also if it has ended before.
func (a *attempt) finish() {
	if !a.isOver.CompareAndSwap(false, true) {
		return
	}
	a.patience.set(nil)
	a.end(nil)
	if a.carrier != nil {
		a.carrier.leave()
	}
}

// CloseIdleConnections closes the connections that carry no request, HTTP/2 ones included. Those that carry one take no
// other if they are HTTP/2, and are closed in the end.
func (t *Transport) CloseIdleConnections() {
	t.http1.CloseIdleConnections()
	t.mu.Lock()
	conns := t.conns
	t.conns = nil
	t.mu.Unlock()
	for _, c := range conns {
		c.retire()
	}
}

// body is a response's body that tells when it is closed.
type body struct {
	io.ReadCloser
	attempt *attempt
}

func (b *body) Close() error {
	defer b.attempt.finish()
	return b.ReadCloser.Close()
}

// timer is a *time.Timer that is set, or stopped by nil, from several goroutines.
type timer struct{ atomic.Pointer[time.Timer] }

func (t *timer) set(next *time.Timer) {
	if last := t.Swap(next); last != nil {
		last.Stop()
	}
}

// timeLeft is the time until the context's deadline, or an hour where it has none.
func timeLeft(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline)
	}
	return time.Hour
}

package krakensim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"syscall"
)

// Transport returns a transport that takes every REST request, whatever its host, to the exchange without a socket.
// It has no goroutines and no state of its own. A request ends with its context, also while a [Fault] holds it up; a
// dropped connection shows as [io.EOF], a reset one as [syscall.ECONNRESET], a truncated body as
// [io.ErrUnexpectedEOF]. There is no connection that a [Fault.GoAway] could end.
//
// Of a request's [httptrace.ClientTrace] it calls GotConn (with no Conn), WroteHeaders and WroteRequest, at the times
// when net/http does: none of them if the connection is refused, all of them before any other fault begins.
func (x *Exchange) Transport() http.RoundTripper { return transport{x} }

type transport struct{ exchange *Exchange }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if r.Body != nil {
		defer r.Body.Close()
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if isUpgrade(r) {
		return nil, errors.New("krakensim: WebSockets need a server, not the in-process transport")
	}
	fault, released := t.exchange.fault(r.URL.EscapedPath())
	if fault.Refuse {
		switch behaves, err := fault.wait(ctx, released); {
		case err != nil:
			return nil, err
		case !behaves:
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		}
		fault = Fault{}
	}
	body, err := send(r)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return response(r, bodyRefusal(err)), nil
	} else if err != nil {
		return nil, err
	}
	if _, named := r.Header["User-Agent"]; !named { // net/http's transport puts its own name in
		r = r.Clone(ctx)
		r.Header.Set("User-Agent", "Go-http-client/1.1")
	}
	a, err := t.exchange.serve(r, body, fault, released)
	switch {
	case err != nil:
		return nil, err
	case a.ending == reset:
		return nil, errReset
	case a.ending != answered:
		return nil, io.EOF
	}
	return response(r, a), nil
}

// send reads the request's body, which is sending it, and tells the request's trace.
func send(r *http.Request) (body []byte, err error) {
	trace := httptrace.ContextClientTrace(r.Context())
	if trace == nil {
		trace = &httptrace.ClientTrace{}
	}
	if trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	if r.Body != nil {
		body, err = io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	}
	if trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
	return body, err
}

func response(r *http.Request, a answer) *http.Response {
	body, length := a.content()
	if a.truncate {
		body = io.MultiReader(body, broken{})
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)),
		StatusCode:    a.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        a.header,
		Body:          io.NopCloser(whileWanted{r.Context(), body}),
		ContentLength: length,
		Request:       r,
	}
}

// whileWanted is an answer's body, which ends with the request's context.
type whileWanted struct {
	ctx  context.Context
	body io.Reader
}

func (w whileWanted) Read(p []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	return w.body.Read(p)
}

// broken is a connection that closed too early.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

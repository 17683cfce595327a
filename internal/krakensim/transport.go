package krakensim

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
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
	turn := t.exchange.faults.Take(r.URL.EscapedPath())
	if err := turn.Dial(ctx); err != nil {
		return nil, err
	}
	body, err := send(r)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return bodyRefusal(err).Response(r)
	} else if err != nil {
		return nil, err
	}
	r = r.Clone(ctx)
	for name, value := range map[string]string{"User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip"} {
		if _, given := r.Header[name]; !given { // net/http's transport puts it in
			r.Header.Set(name, value)
		}
	}
	a, err := t.exchange.serve(r, body, turn)
	if err != nil {
		return nil, err
	}
	return a.Response(r)
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

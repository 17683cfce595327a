package krakensim

import (
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Transport returns a transport that takes every REST request, whatever its host, to the exchange without a socket.
// It has no goroutines and no state of its own. A request ends with its context, also while a [Fault] holds it up; a
// dropped connection shows as [io.EOF], a truncated body as [io.ErrUnexpectedEOF].
func (x *Exchange) Transport() http.RoundTripper { return transport{x} }

type transport struct{ exchange *Exchange }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if isUpgrade(r) {
		return nil, errors.New("krakensim: WebSockets need a server, not the in-process transport")
	}
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
		_ = r.Body.Close()
		if err != nil {
			return t.response(r, bodyRefusal(err)), nil
		}
	}
	if _, named := r.Header["User-Agent"]; !named { // net/http's transport puts its own name in
		r = r.Clone(ctx)
		r.Header.Set("User-Agent", "Go-http-client/1.1")
	}
	a, err := t.exchange.serve(ctx, r, body)
	switch {
	case err != nil:
		return nil, err
	case a.drop:
		return nil, io.EOF
	}
	return t.response(r, a), nil
}

func (transport) response(r *http.Request, a answer) *http.Response {
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
		Body:          io.NopCloser(body),
		ContentLength: length,
		Request:       r,
	}
}

// broken is a connection that closed too early.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

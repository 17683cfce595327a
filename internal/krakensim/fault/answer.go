package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
)

// An Answer is what a request gets, before it is known whether over a connection or in process. The zero Answer is none:
// the connection ends.
type Answer struct {
	Status int // 0 if there is no answer at all
	Header http.Header
	Body   []byte
	Errors []string // Kraken's error strings in Body, for a record

	cloudflare *cloudflareError // instead of Body

	oversize int64 // instead of Body, so many bytes
	truncate bool  // end in the middle
	goAway   bool  // end the connection afterwards

	ending   ending          // if there is no answer
	released <-chan struct{} // if swallowed: closed when the connection is to be closed
}

// NewAnswer is an answer with nothing wrong.
func NewAnswer(status int, contentType string, body []byte) Answer {
	return Answer{Status: status, Header: http.Header{"Content-Type": {contentType}}, Body: body}
}

// KrakenErrors is an answer with Kraken's error strings. It comes with HTTP 200, as Kraken's do.
func KrakenErrors(errors ...string) Answer {
	body, _ := json.Marshal(map[string][]string{"error": errors}) // strings can't fail
	a := NewAnswer(http.StatusOK, "application/json", body)
	a.Errors = errors
	return a
}

// content is the body to send and the length to declare.
func (a Answer) content() (io.Reader, int64) {
	switch {
	case a.bodiless():
		return bytes.NewReader(nil), 0
	case a.oversize > 0:
		sent := a.oversize
		if a.truncate {
			sent /= 2
		}
		return io.LimitReader(&endless{start: []byte(`{"error":[],"result":{"token":"`)}, sent), a.oversize
	case a.truncate:
		return bytes.NewReader(a.Body[:len(a.Body)/2]), int64(len(a.Body)) + 1
	}
	return bytes.NewReader(a.Body), int64(len(a.Body))
}

// bodiless reports whether HTTP has no body for the answer's status. Over HTTP/2, one would be an error of the protocol.
func (a Answer) bodiless() bool {
	return a.Status == http.StatusNoContent || a.Status == http.StatusNotModified
}

// endless is a JSON text that doesn't end.
type endless struct{ start []byte }

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.start)
	e.start = e.start[n:]
	for i := n; i < len(p); i++ {
		p[i] = 'A'
	}
	return len(p), nil
}

// Write answers a request over a connection. It panics with [http.ErrAbortHandler] where there is no answer, or where it
// ends early.
func (a Answer) Write(w http.ResponseWriter, r *http.Request) {
	if a.Status == 0 {
		a.abort(r)
	}
	a = a.throughCloudflare(r)
	maps.Copy(w.Header(), a.Header)
	body, length := a.content()
	if !a.bodiless() {
		w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	}
	if a.goAway {
		w.Header().Set("Connection", "close") // over HTTP/2, net/http sends GOAWAY for it
	}
	w.WriteHeader(a.Status)
	_, err := io.Copy(w, body)
	if a.truncate || err != nil {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// Response is the answer for a request in process. Where there is no answer, the error is what a client gets to see of a
// connection that ends so, or the context's.
func (a Answer) Response(r *http.Request) (*http.Response, error) {
	if a.Status == 0 {
		return nil, a.failure(r.Context())
	}
	a = a.throughCloudflare(r)
	body, length := a.content()
	if a.truncate {
		body = io.MultiReader(body, broken{})
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status)),
		StatusCode:    a.Status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        a.Header,
		Body:          io.NopCloser(whileWanted{r.Context(), body}),
		ContentLength: length,
		Request:       r,
	}, nil
}

// failure is what a client in process gets to see of a request without an answer.
func (a Answer) failure(ctx context.Context) error {
	switch a.ending {
	case reset:
		return errReset
	case swallowed:
		if err := a.waitRelease(ctx); err != nil {
			return err
		}
	}
	return io.EOF
}

// waitRelease waits for the end of a swallowed request. The error is the context's.
func (a Answer) waitRelease(ctx context.Context) error {
	select {
	case <-a.released:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
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

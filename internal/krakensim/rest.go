package krakensim

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/fault"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// maxBody is how much of a request's body is read. The largest true request is a few hundred bytes.
const maxBody = 1 << 20

const privatePrefix = "/0/private/"

// serveREST answers a REST request over a connection.
func (x *Exchange) serveREST(w http.ResponseWriter, r *http.Request) {
	// The deadlines are for slow clients. Between them, a Fault may take as long as it likes.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(answerTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		bodyRefusal(err).Write(w, r)
		return
	}
	_ = control.SetReadDeadline(time.Time{})

	a, err := x.serve(r, body, x.faults.Take(r.URL.EscapedPath()))
	if err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
	_ = control.SetWriteDeadline(time.Now().Add(answerTimeout))
	defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
	a.Write(w, r)
}

func bodyRefusal(err error) answer {
	status := http.StatusBadRequest
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		status = http.StatusRequestEntityTooLarge
	}
	return fault.Cloudflare(status)
}

// serve answers a REST request as its turn has it. An error means that the request's context ended first.
func (x *Exchange) serve(r *http.Request, body []byte, turn *fault.Turn) (a answer, err error) {
	ctx, path := r.Context(), r.URL.EscapedPath() // the path is as the client signed it
	if !strings.HasPrefix(path, privatePrefix) {
		return turn.Answer(ctx, func() answer { return public(path, r, body) })
	}
	p := parsePrivate(r, path, body)
	call := x.arrive(path, p.apiKey, p.nonce)
	defer func() { x.leave(call, a) }()
	return turn.Answer(ctx, func() answer { return x.private(p) })
}

// private answers a request under /0/private/.
func (x *Exchange) private(p privateRequest) answer {
	method, ok := privateMethods[strings.TrimPrefix(p.path, privatePrefix)]
	if !ok {
		return unknownMethod()
	}
	if a, ok := p.acceptable(); !ok {
		return a
	}
	now := time.Now()
	key, refusal := x.admit(p, method, now)
	if refusal != "" {
		return refuse(refusal)
	}
	value, err := method.answer(x, query{key: key, fields: p.fields, now: now})
	if err != nil {
		return refuse(err)
	}
	return result(value)
}

// admit authenticates who calls. The key is a copy, as it was when the call came.
func (x *Exchange) admit(p privateRequest, method privateMethod, now time.Time) (_ keyState, refusal paper.Refusal) {
	x.mu.Lock()
	defer x.mu.Unlock()
	key, refusal := x.authenticate(p, method, now)
	if refusal != "" {
		return keyState{}, refusal
	}
	return *key, ""
}

// unknownMethod is how Kraken answers a path that isn't there.
func unknownMethod() answer {
	a := refuse(paper.Refusal("EGeneral:Unknown method"))
	a.Status = http.StatusNotFound
	return a
}

// noUserAgent is what Cloudflare makes of a request without a User-Agent.
func noUserAgent() answer { return fault.Cloudflare(1010) }

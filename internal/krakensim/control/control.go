// Package control gives the simulator's tester a way to command it over HTTP, for tests that aren't written in Go. What it
// can do, package krakensim does; here is only the form.
//
// Its paths speak JSON. What succeeds without a result is answered with HTTP 204, what fails with {"error": "…"}.
//
//	POST   /sim/misbehave          a Fault: {"path": "GetWebSocketsToken", "errors": ["EService:Busy"], "times": 3};
//	                               latency is a string such as "2s"
//	POST   /sim/behave             forget all faults
//	GET    /sim/calls              every private REST request so far
//	DELETE /sim/calls              forget them
//	PUT    /sim/nonce              {"api_key": "…", "nonce": 123}: the highest that the key has used
//	PUT    /sim/key                {"api_key": "…", "api_secret": "…", "tier": "pro", …}: add or replace a Key;
//	                               decay_step is a string such as "2s"
//	DELETE /sim/key                {"api_key": "…"}: revoke it
//	POST   /sim/fill               {"order_id": "…", "quantity": 0.1, "price": 20000}: execute an order, or so much of it;
//	                               without a quantity all that is left, without a price at its own
//	POST   /sim/expire-tokens      all WebSocket tokens made so far are worthless
//	POST   /sim/close-connections  close idle connections
//	POST   /sim/drop-sockets       cut all WebSocket connections off
package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
)

// maxBody is how much of a command's body is read. A fault can have a whole page in it.
const maxBody = 1 << 20

// Handler serves the paths of this package. It needs no credentials: whoever reaches it commands the simulator.
func Handler(s *krakensim.Server) http.Handler {
	mux := http.NewServeMux()
	for pattern, do := range map[string]command{
		"POST /sim/misbehave":         with(s, misbehave),
		"POST /sim/behave":            without(s.Behave),
		"GET /sim/calls":              func(*http.Request) (any, error) { return s.Calls(), nil },
		"DELETE /sim/calls":           without(s.ForgetCalls),
		"PUT /sim/nonce":              with(s, setNonce),
		"PUT /sim/key":                with(s, setKey),
		"DELETE /sim/key":             with(s, removeKey),
		"POST /sim/fill":              with(s, fill),
		"POST /sim/expire-tokens":     without(s.ExpireTokens),
		"POST /sim/close-connections": without(s.CloseConnections),
		"POST /sim/drop-sockets":      without(s.DropSockets),
	} {
		mux.Handle(pattern, do)
	}
	return mux
}

// command does what a request asks for. A nil result is answered with HTTP 204, an error with HTTP 400.
type command func(r *http.Request) (any, error)

// with is a command that takes a JSON object.
func with[T any](s *krakensim.Server, do func(*krakensim.Server, T) error) command {
	return func(r *http.Request) (any, error) {
		var request T
		if err := decode(r, &request); err != nil {
			return nil, err
		}
		return nil, do(s, request)
	}
}

// without is a command that takes nothing and can't fail.
func without(do func()) command {
	return func(*http.Request) (any, error) { do(); return nil, nil }
}

func (do command) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	value, err := do(r)
	status := http.StatusOK
	switch {
	case err != nil:
		value, status = map[string]string{"error": err.Error()}, http.StatusBadRequest
	case value == nil:
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // it fails only where nobody is left to be told
}

// decode reads a request's JSON object. A field that isn't known is an error: it is a typing mistake.
func decode(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	var object json.RawMessage
	switch err := decoder.Decode(&object); {
	case errors.Is(err, io.EOF), err == nil && object[0] != '{':
		return errors.New("want a JSON object")
	case err != nil:
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the JSON object")
	}
	decoder = json.NewDecoder(bytes.NewReader(object))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// duration reads a duration, which may be missing, but not negative.
func duration(name, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf(`%s: want a duration such as "1.5s"`, name)
	}
	return d, nil
}

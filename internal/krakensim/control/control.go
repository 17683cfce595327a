// Package control gives the simulator's tester a way to command it over HTTP, for tests that aren't written in Go. What it
// can do, package krakensim does; here is only the form.
//
// Its paths are below the server's ControlURL, and speak JSON: [Usage] shows them. What succeeds without a result is
// answered with HTTP 204, what fails with {"error": "…"}.
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

// Handler serves the commands. It needs no credentials: whoever reaches it commands the simulator.
func Handler(s *krakensim.Server) http.Handler {
	mux := http.NewServeMux()
	for pattern, do := range commands {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { do.serve(s, w, r) })
	}
	return mux
}

// commands are all that there are, by method and path.
var commands = map[string]command{
	"POST /misbehave":         with(misbehave),
	"POST /behave":            without((*krakensim.Server).Behave),
	"GET /calls":              func(s *krakensim.Server, _ *http.Request) (any, error) { return s.Calls(), nil },
	"DELETE /calls":           without((*krakensim.Server).ForgetCalls),
	"PUT /nonce":              with(setNonce),
	"PUT /key":                with(setKey),
	"DELETE /key":             with(removeKey),
	"POST /fill":              with(fill),
	"POST /expire-tokens":     without((*krakensim.Server).ExpireTokens),
	"POST /close-connections": without((*krakensim.Server).CloseConnections),
	"POST /drop-sockets":      without((*krakensim.Server).DropSockets),
}

// command does what a request asks for. A nil result is answered with HTTP 204, an error with HTTP 400.
type command func(s *krakensim.Server, r *http.Request) (any, error)

// with is a command that takes a JSON object.
func with[T any](do func(*krakensim.Server, T) error) command {
	return func(s *krakensim.Server, r *http.Request) (any, error) {
		var request T
		if err := decode(r, &request); err != nil {
			return nil, err
		}
		return nil, do(s, request)
	}
}

// without is a command that takes nothing and can't fail.
func without(do func(*krakensim.Server)) command {
	return func(s *krakensim.Server, _ *http.Request) (any, error) { do(s); return nil, nil }
}

func (do command) serve(s *krakensim.Server, w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	value, err := do(s, r)
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

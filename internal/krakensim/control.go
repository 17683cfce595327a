package krakensim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const controlPrefix = "/sim/"

// ControlURL is the base of the control paths that [Options.Control] adds. They speak JSON; what succeeds without a
// result is answered with HTTP 204, what fails with {"error": "…"}.
//
//	POST   misbehave          a Fault: {"path": "GetWebSocketsToken", "errors": ["EService:Busy"], "times": 3};
//	                          latency is a string such as "2s"
//	POST   behave             forget all faults
//	GET    calls              every private REST request so far
//	DELETE calls              forget them
//	PUT    nonce              {"api_key": "…", "nonce": 123}: the highest that the key has used
//	PUT    key                {"api_key": "…", "api_secret": "…", "tier": "pro", …}: add or replace a Key;
//	                          decay_step is a string such as "2s"
//	DELETE key                {"api_key": "…"}: revoke it
//	POST   expire-tokens      all WebSocket tokens made so far are worthless
//	POST   close-connections  close idle connections
//	POST   drop-sockets       cut all WebSocket connections off
func (s *Server) ControlURL() string { return s.url("http", controlPrefix) }

// control serves the paths of ControlURL.
func (s *Server) control() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, do func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			value, err := do(r)
			w.Header().Set("Content-Type", "application/json")
			switch {
			case err != nil:
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write(encode(object{"error": err.Error()}))
			case value == nil:
				w.WriteHeader(http.StatusNoContent)
			default:
				_, _ = w.Write(encode(value))
			}
		})
	}
	always := func(do func()) func(*http.Request) (any, error) {
		return func(*http.Request) (any, error) { do(); return nil, nil }
	}
	handle("POST /sim/misbehave", s.controlMisbehave)
	handle("POST /sim/behave", always(s.Behave))
	handle("GET /sim/calls", func(*http.Request) (any, error) { return s.Calls(), nil })
	handle("DELETE /sim/calls", always(s.ForgetCalls))
	handle("PUT /sim/nonce", s.controlNonce)
	handle("PUT /sim/key", s.controlSetKey)
	handle("DELETE /sim/key", s.controlRemoveKey)
	handle("POST /sim/expire-tokens", always(s.ExpireTokens))
	handle("POST /sim/close-connections", always(s.CloseConnections))
	handle("POST /sim/drop-sockets", always(s.DropSockets))
	return mux
}

func (s *Server) controlMisbehave(r *http.Request) (any, error) {
	var fault struct {
		Fault
		Latency string `json:"latency"`
	}
	if err := decode(r, &fault); err != nil {
		return nil, err
	}
	var err error
	if fault.Fault.Latency, err = duration("latency", fault.Latency); err != nil {
		return nil, err
	}
	if status := fault.Status; status != 0 && (status < 200 || status > 599) {
		return nil, fmt.Errorf("status: %d isn't an HTTP status from 200 to 599", status)
	}
	if fault.Times < 0 || fault.Oversize < 0 {
		return nil, errors.New("times and oversize can't be negative")
	}
	s.Misbehave(fault.Fault)
	return nil, nil
}

func (s *Server) controlNonce(r *http.Request) (any, error) {
	var request struct {
		APIKey string  `json:"api_key"`
		Nonce  *uint64 `json:"nonce"`
	}
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	if request.APIKey == "" || request.Nonce == nil {
		return nil, errors.New("api_key and nonce are required")
	}
	s.SetLastNonce(request.APIKey, *request.Nonce)
	return nil, nil
}

func (s *Server) controlSetKey(r *http.Request) (any, error) {
	var key struct {
		Key
		DecayStep string `json:"decay_step"`
	}
	err := decode(r, &key)
	if err != nil {
		return nil, err
	}
	if key.Key.DecayStep, err = duration("decay_step", key.DecayStep); err != nil {
		return nil, err
	}
	if err := key.Validate(); err != nil {
		return nil, err
	}
	s.SetKey(key.Key)
	return nil, nil
}

func (s *Server) controlRemoveKey(r *http.Request) (any, error) {
	var request struct {
		APIKey string `json:"api_key"`
	}
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	if request.APIKey == "" {
		return nil, errors.New("api_key is required")
	}
	s.RemoveKey(request.APIKey)
	return nil, nil
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

// decode reads a request's JSON object. A field that isn't known is an error: it is a typing mistake.
func decode(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if errors.Is(err, io.EOF) {
		return errors.New("want a JSON object")
	}
	return err
}

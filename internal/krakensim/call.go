package krakensim

import (
	"slices"
	"strings"
	"time"
)

// A Call is one request to /0/private/, as it arrived and as it was answered.
type Call struct {
	Path   string    `json:"path"`
	APIKey string    `json:"api_key"`
	Nonce  uint64    `json:"nonce"` // 0 where it is missing or isn't a number
	At     time.Time `json:"at"`    // of arrival

	Errors []string `json:"errors"` // Kraken's error strings in the answer
	Status int      `json:"status"` // HTTP status of the answer; 0 while there is none, or never was one

	// InFlight is how many requests of this key were being served when this one came, itself included.
	InFlight int `json:"in_flight"`
}

// maxCalls bounds what a long-running simulator remembers. There the older half is forgotten.
const maxCalls = 100_000

// maxName bounds, in bytes, what is remembered of a path or a public key that may be anything. Those that there are
// have less than a hundred.
const maxName = 256

func clip(name string) string { return strings.Clone(name[:min(len(name), maxName)]) }

// Calls returns every request to /0/private/ in order of arrival. There are never more than 100,000: with the next one the
// older half is forgotten.
func (x *Exchange) Calls() []Call {
	x.mu.Lock()
	defer x.mu.Unlock()
	calls := make([]Call, len(x.calls))
	for i, call := range x.calls {
		calls[i] = *call
		calls[i].Errors = slices.Clone(call.Errors)
	}
	return calls
}

// ForgetCalls empties the list that [Exchange.Calls] returns.
func (x *Exchange) ForgetCalls() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.calls = nil
}

// arrive notes a private request.
func (x *Exchange) arrive(path, apiKey string, nonce uint64) *Call {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.inFlight[apiKey]++
	call := &Call{Path: clip(path), APIKey: apiKey, Nonce: nonce, At: time.Now(), InFlight: x.inFlight[apiKey]}
	if len(x.calls) >= maxCalls {
		x.calls = slices.Clone(x.calls[maxCalls/2:])
	}
	x.calls = append(x.calls, call)
	return call
}

// leave notes how a private request was answered; the zero answer is none.
func (x *Exchange) leave(call *Call, a answer) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.inFlight[call.APIKey]--; x.inFlight[call.APIKey] <= 0 {
		delete(x.inFlight, call.APIKey)
	}
	call.Errors, call.Status = a.Errors, a.Status
}

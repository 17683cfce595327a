package krakensim

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A Fault is one way to misbehave, for a number of REST requests. Its parts combine: Latency goes before all others;
// Hang, Drop, Reset and Refuse give no answer; Errors, Status, Body, ContentType and Oversize make up an answer; Header and
// Truncate change the answer, be it made up or the true one.
//
// Over HTTP/2, Drop closes the connection, and with it all requests under way on it. Reset and Truncate end the
// request's stream alone, by RST_STREAM.
type Fault struct {
	// Path picks the requests: those whose path ends so, for example "GetWebSocketsToken". "" picks all.
	Path string `json:"path"`
	// Times is for how many requests the fault lasts; 0 is until [Exchange.Behave].
	Times int `json:"times"`

	Errors      []string    `json:"errors"`       // Kraken's error strings, with HTTP 200 unless Status is set
	Status      int         `json:"status"`       // HTTP status; alone, it comes with an HTML page as from a CDN
	Header      http.Header `json:"header"`       // further headers: Retry-After, Location
	Body        string      `json:"body"`         // the body, as it is
	ContentType string      `json:"content_type"` // of the body; JSON unless set, HTML for a status alone
	Oversize    int64       `json:"oversize"`     // a body of so many bytes, which begins like JSON

	Hang     bool          `json:"hang"`     // no answer until the client goes away or Behave, then the true one
	Drop     bool          `json:"drop"`     // close the connection without an answer
	Reset    bool          `json:"reset"`    // reset the connection without an answer
	Truncate bool          `json:"truncate"` // close the connection in the middle of the answer
	Latency  time.Duration `json:"-"`        // wait so long first

	// GoAway ends the connection in good order: HTTP/2's GOAWAY, "Connection: close" over HTTP/1.1. The answer comes,
	// requests under way on the connection are finished, and later ones need another connection. With Drop it is the
	// abrupt variant: a GOAWAY that tells an error, and the connection is closed at once.
	GoAway bool `json:"go_away"`

	// Refuse lets no connection come about: [Exchange.Transport] fails as a refused dial does, nothing is sent or
	// recorded, and with Latency or Hang it is the dial that takes its time. A listener learns of a request only when
	// there is a connection, so there it is as Drop.
	Refuse bool `json:"refuse"`

	// Process has the request processed as always (nonce used up, token made) before the answer goes wrong.
	// Otherwise a request that gets a made-up answer, or none, is as if it had never reached Kraken.
	Process bool `json:"process"`
}

// Misbehave appends faults to the queue. A request gets the first fault in the queue whose Path it matches; once that
// has served its Times, the next one has its turn.
func (x *Exchange) Misbehave(faults ...Fault) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, fault := range faults {
		fault.Errors = slices.Clone(fault.Errors)
		fault.Header = fault.Header.Clone()
		x.faults = append(x.faults, &fault)
	}
}

// Behave forgets all faults, and lets hanging and delayed requests go on.
func (x *Exchange) Behave() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.faults = nil
	close(x.released)
	x.released = make(chan struct{})
}

// fault takes a turn of the first fault for path, if there is one, and returns what tells of its end.
func (x *Exchange) fault(path string) (Fault, <-chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, fault := range x.faults {
		if !strings.HasSuffix(path, fault.Path) {
			continue
		}
		if fault.Times > 0 {
			if fault.Times--; fault.Times == 0 {
				x.faults = slices.Delete(x.faults, i, i+1)
			}
		}
		return *fault, x.released
	}
	return Fault{}, x.released
}

// commit gives the request's answer as the fault has it: process gives the true one. An error is the context's.
func (f Fault) commit(ctx context.Context, released <-chan struct{}, process func() answer) (answer, error) {
	var truth *answer
	honest := func() answer {
		if truth == nil {
			a := process()
			truth = &a
		}
		return *truth
	}
	if f.Process {
		honest()
	}
	switch behaves, err := f.wait(ctx, released); {
	case err != nil:
		return answer{}, err
	case behaves:
		return honest(), nil
	case f.Reset:
		return answer{ending: reset}, nil
	case f.GoAway && f.Drop:
		return answer{ending: goneAway}, nil
	case f.Drop || f.Refuse:
		return answer{ending: dropped}, nil
	}
	var a answer
	if made, ok := f.answer(); ok {
		a = made
	} else {
		a = honest()
	}
	for name, values := range f.Header {
		a.header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	a.truncate, a.goAway = f.Truncate, f.GoAway
	return a, nil
}

// wait spends the fault's Latency, and hangs if it is to. It reports whether Behave put an end to the fault meanwhile.
// An error is the context's.
func (f Fault) wait(ctx context.Context, released <-chan struct{}) (behaves bool, err error) {
	var over <-chan time.Time // of the Latency; never, if the fault hangs
	switch {
	case f.Hang:
	case f.Latency > 0:
		timer := time.NewTimer(f.Latency)
		defer timer.Stop()
		over = timer.C
	default:
		return false, nil
	}
	select {
	case <-over:
		return false, nil
	case <-released:
		return true, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// answer is the fault's made-up answer; false if it has none.
func (f Fault) answer() (answer, bool) {
	status := cmp.Or(f.Status, http.StatusOK)
	contentType := cmp.Or(f.ContentType, "application/json")
	switch {
	case f.Oversize > 0:
		a := newAnswer(status, contentType, nil)
		a.oversize = f.Oversize
		return a, true
	case len(f.Errors) > 0 && f.Body == "":
		a := refuse(f.Errors...)
		a.status = status
		a.header.Set("Content-Type", contentType)
		return a, true
	case f.Body != "" || f.ContentType != "":
		return newAnswer(status, contentType, []byte(f.Body)), true
	case f.Status != 0:
		page := fmt.Sprintf("<html>\r\n<head><title>%[1]d %[2]s</title></head>\r\n<body>\r\n<center><h1>%[1]d %[2]s"+
			"</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n", status, http.StatusText(status))
		return newAnswer(status, "text/html; charset=UTF-8", []byte(page)), true
	}
	return answer{}, false
}

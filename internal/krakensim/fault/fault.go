// Package fault is an HTTP answer, and how it goes wrong: answers that are made up, late, cut short, or missing, over a
// connection or in process. It knows Kraken's errors by their form alone, and nothing of keys or methods.
package fault

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"
)

// A Fault is one way to misbehave, for a number of REST requests. Its parts combine: Latency goes before all others;
// Hang, Drop, Reset, Swallow and Refuse give no answer; Errors, Status, Cloudflare, Body, ContentType and Oversize make up
// an answer; Header and Truncate change the answer, be it made up or the true one.
//
// Over HTTP/2, Drop closes the connection, and with it all requests under way on it. Reset and Truncate end the
// request's stream alone, by RST_STREAM.
type Fault struct {
	// Path picks the requests: those whose path ends so, for example "GetWebSocketsToken". "" picks all.
	Path string `json:"path"`
	// Times is for how many requests the fault lasts; 0 is until [Queue.Behave].
	Times int `json:"times"`

	Errors      []string    `json:"errors"`       // Kraken's error strings, with HTTP 200 unless Status is set
	Status      int         `json:"status"`       // HTTP status; alone, it comes from Cloudflare (see [Cloudflare])
	Cloudflare  int         `json:"cloudflare"`   // an error code of Cloudflare's, with its status: 1010 is a 403 as well
	Header      http.Header `json:"header"`       // further headers: Retry-After, Location
	Body        string      `json:"body"`         // the body, as it is
	ContentType string      `json:"content_type"` // of the body; JSON unless set
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

	// Swallow has the connection take, from this request on, what the client sends, and say nothing again: to other
	// requests and to HTTP/2's pings neither. It ends when the client closes the connection, or by [Queue.Behave], which
	// closes it.
	Swallow bool `json:"swallow"`

	// Refuse lets no connection come about: [Turn.Dial] fails as a refused dial does, nothing is sent or
	// recorded, and with Latency or Hang it is the dial that takes its time. A listener learns of a request only when
	// there is a connection, so there it is as Drop.
	Refuse bool `json:"refuse"`

	// Process has the request processed as always (nonce used up, token made) before the answer goes wrong.
	// Otherwise a request that gets a made-up answer, or none, is as if it had never reached Kraken.
	Process bool `json:"process"`
}

// Validate reports what is wrong with a fault.
func (f Fault) Validate() error {
	switch {
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status: %d isn't an HTTP status from 200 to 599", f.Status)
	case f.Cloudflare != 0 && cloudflareErrorOf(f.Cloudflare) == nil:
		return fmt.Errorf("cloudflare: %d isn't an error of Cloudflare's that the simulator knows", f.Cloudflare)
	case f.Times < 0 || f.Oversize < 0 || f.Latency < 0:
		return errors.New("times, oversize and latency can't be negative")
	}
	return nil
}

// Idle reports whether requests that meet the fault are answered as if there were none.
func (f Fault) Idle() bool {
	f.Path, f.Process = "", false
	if len(f.Errors) == 0 {
		f.Errors = nil
	}
	if len(f.Header) == 0 {
		f.Header = nil
	}
	return reflect.DeepEqual(f, Fault{})
}

// answer is the fault's made-up answer; false if it has none.
func (f Fault) answer() (Answer, bool) {
	status := cmp.Or(f.Status, http.StatusOK)
	contentType := cmp.Or(f.ContentType, "application/json")
	switch {
	case f.Oversize > 0:
		a := NewAnswer(status, contentType, nil)
		a.oversize = f.Oversize
		return a, true
	case len(f.Errors) > 0 && f.Body == "":
		a := KrakenErrors(f.Errors...)
		a.Status = status
		a.Header.Set("Content-Type", contentType)
		return a, true
	case f.Body != "" || f.ContentType != "":
		return NewAnswer(status, contentType, []byte(f.Body)), true
	case f.Cloudflare != 0 || f.Status != 0:
		a := Cloudflare(cmp.Or(f.Cloudflare, f.Status))
		a.Status = cmp.Or(f.Status, a.Status)
		return a, true
	}
	return Answer{}, false
}

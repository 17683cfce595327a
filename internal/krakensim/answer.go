package krakensim

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// answer is what a REST request gets, before it is known whether over a socket or in process.
type answer struct {
	status int
	header http.Header
	body   []byte
	errors []string // Kraken's, for the record

	oversize int64 // instead of body, so many bytes
	truncate bool  // end in the middle
	goAway   bool  // end the connection afterwards

	ending ending // if not answered, there is no answer at all
}

// object is a JSON object. Its fields come out in alphabetical order, as Kraken's do.
type object = map[string]any

func newAnswer(status int, contentType string, body []byte) answer {
	return answer{status: status, header: http.Header{"Content-Type": {contentType}}, body: body}
}

// result is Kraken's answer to a request that succeeded. The result may be JSON text already.
func result(value any) answer {
	return newAnswer(http.StatusOK, "application/json", encode(object{"error": []string{}, "result": value}))
}

// refuse is Kraken's answer to a request that failed: HTTP 200 too.
func refuse(errors ...string) answer {
	a := newAnswer(http.StatusOK, "application/json", encode(object{"error": errors}))
	a.errors = errors
	return a
}

// encode marshals what the simulator itself composed, which can't fail.
func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic("krakensim: " + err.Error())
	}
	return text
}

// content is the body to send and the length to declare.
func (a answer) content() (io.Reader, int64) {
	if a.oversize > 0 {
		return io.LimitReader(&endless{start: []byte(`{"error":[],"result":{"token":"`)}, a.oversize), a.oversize
	}
	if a.truncate {
		return bytes.NewReader(a.body[:len(a.body)/2]), int64(len(a.body)) + 1
	}
	return bytes.NewReader(a.body), int64(len(a.body))
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

// answerTimeout is how long a client may take to send a request's body, and again to take in the answer.
const answerTimeout = 30 * time.Second

// write answers a request over a connection. It panics with [http.ErrAbortHandler] where the answer ends early.
func (a answer) write(w http.ResponseWriter, r *http.Request) {
	if a.ending != answered {
		a.ending.abort(r)
	}
	maps.Copy(w.Header(), a.header)
	body, length := a.content()
	w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	if a.goAway {
		w.Header().Set("Connection", "close") // over HTTP/2, net/http sends GOAWAY for it
	}
	w.WriteHeader(a.status)
	_, err := io.Copy(w, body)
	if a.truncate || err != nil {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

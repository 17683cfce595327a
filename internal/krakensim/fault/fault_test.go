package fault

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAFaultThatMakesNoSenseIsToldOf(t *testing.T) {
	for _, test := range []struct {
		fault Fault
		want  string
	}{
		{Fault{Status: 199}, "status: 199 isn't"},
		{Fault{Status: 600}, "status: 600 isn't"},
		{Fault{Cloudflare: 403}, "cloudflare: 403 isn't"},
		{Fault{Times: -1}, "can't be negative"},
		{Fault{Oversize: -1}, "can't be negative"},
		{Fault{Latency: -1}, "can't be negative"},
	} {
		assert.ErrorContains(t, test.fault.Validate(), test.want)
	}
	assert.NoError(t, Fault{}.Validate())
	assert.NoError(t, Fault{Status: 599, Cloudflare: 1010, Times: 1, Oversize: 1, Latency: 1}.Validate())
}

// Every fault looks the same however it is met, but for the error where there is no answer.
func TestFaults(t *testing.T) {
	tests := map[string]struct {
		fault     Fault
		check     func(t *testing.T, got reply)
		fails     error  // of the round trip or of reading the body
		fails2    string // the same over HTTP/2
		processed bool
	}{
		"error strings": {
			fault: Fault{Errors: []string{"EService:Unavailable", "EService:Busy"}},
			check: func(t *testing.T, got reply) {
				assert.Equal(t, http.StatusOK, got.status)
				assert.Equal(t, `{"error":["EService:Unavailable","EService:Busy"]}`, got.body)
				assert.Equal(t, "application/json", got.header.Get("Content-Type"))
			},
		},
		"error strings with a status": {
			fault: Fault{Errors: []string{"EGeneral:Too many requests"}, Status: 429},
			check: func(t *testing.T, got reply) {
				assert.Equal(t, 429, got.status)
				assert.Equal(t, `{"error":["EGeneral:Too many requests"]}`, got.body)
			},
		},
		"a status of Cloudflare's": {
			fault: Fault{Status: 520},
			check: func(t *testing.T, got reply) {
				assert.Equal(t, 520, got.status)
				assert.Equal(t, "error code: 520\n", got.body)
			},
		},
		"a status of no error of Cloudflare's": {
			fault: Fault{Status: 503},
			check: func(t *testing.T, got reply) {
				assert.Equal(t, 503, got.status)
				assert.Contains(t, got.header.Get("Content-Type"), "text/html")
				assert.Contains(t, got.body, "<title>503 Service Temporarily Unavailable</title>")
			},
		},
		"a status that stands for several errors of Cloudflare's": {
			fault: Fault{Status: 403},
			check: func(t *testing.T, got reply) { assert.Equal(t, "error code: 1020\n", got.body) },
		},
		"an error of Cloudflare's": {
			fault: Fault{Cloudflare: 1010},
			check: func(t *testing.T, got reply) {
				assert.Equal(t, 403, got.status)
				assert.Equal(t, "error code: 1010\n", got.body)
			},
		},
		"an error of Cloudflare's with another status": {
			fault: Fault{Cloudflare: 1015, Status: 503},
			check: func(t *testing.T, got reply) {
				assert.Equal(t, 503, got.status)
				assert.Equal(t, "error code: 1015\n", got.body)
			},
		},
		"an error of Cloudflare's that ends in the middle": {
			fault: Fault{Cloudflare: 1010, Truncate: true}, fails: io.ErrUnexpectedEOF, fails2: "INTERNAL_ERROR; received from peer",
		},
		"a header": {
			fault: Fault{Status: 429, Header: http.Header{"retry-after": {"7"}}},
			check: func(t *testing.T, got reply) { assert.Equal(t, "7", got.header.Get("Retry-After")) },
		},
		"a redirect": {
			fault: Fault{Status: 302, Header: http.Header{"Location": {"https://elsewhere.test/"}}},
			check: func(t *testing.T, got reply) {
				assert.Equal(t, 302, got.status)
				assert.Equal(t, "https://elsewhere.test/", got.header.Get("Location"))
			},
		},
		"a body as it is": {
			fault: Fault{Body: `{"error":[],"result":{"token":5}}`},
			check: func(t *testing.T, got reply) { assert.Equal(t, `{"error":[],"result":{"token":5}}`, got.body) },
		},
		"a body of another type": {
			fault: Fault{Body: "<html>", ContentType: "text/html"},
			check: func(t *testing.T, got reply) {
				assert.Equal(t, "<html>", got.body)
				assert.Equal(t, "text/html", got.header.Get("Content-Type"))
			},
		},
		"an oversized body": {
			fault: Fault{Oversize: 3 << 20},
			check: func(t *testing.T, got reply) {
				assert.Len(t, got.body, 3<<20)
				assert.True(t, strings.HasPrefix(got.body, `{"error":[],"result":{"token":"AAA`))
			},
		},
		"an oversized body that ends in the middle": {
			fault: Fault{Oversize: 3 << 20, Truncate: true}, fails: io.ErrUnexpectedEOF, fails2: "INTERNAL_ERROR; received from peer",
		},
		"a status that has no body": {
			fault: Fault{Status: 204, Body: "x"},
			check: func(t *testing.T, got reply) {
				assert.Equal(t, 204, got.status)
				assert.Empty(t, got.body)
			},
		},
		"another status that has no body": {
			fault: Fault{Status: 304},
			check: func(t *testing.T, got reply) {
				assert.Equal(t, 304, got.status)
				assert.Empty(t, got.body)
			},
		},
		"a dropped connection":  {fault: Fault{Drop: true}, fails: io.EOF, fails2: "unexpected EOF"},
		"dropped after a while": {fault: Fault{Drop: true, Latency: time.Millisecond}, fails: io.EOF, fails2: "unexpected EOF"},
		"processed, then a dropped connection": {
			fault: Fault{Drop: true, Process: true}, processed: true, fails: io.EOF, fails2: "unexpected EOF",
		},
		"a reset": {fault: Fault{Reset: true}, fails: syscall.ECONNRESET, fails2: "INTERNAL_ERROR; received from peer"},
		"processed, then a reset": {
			fault: Fault{Reset: true, Process: true}, processed: true,
			fails: syscall.ECONNRESET, fails2: "INTERNAL_ERROR; received from peer",
		},
		"a truncated answer": {
			fault: Fault{Truncate: true}, processed: true,
			fails: io.ErrUnexpectedEOF, fails2: "INTERNAL_ERROR; received from peer",
		},
		"a connection that ends in good order": {
			fault: Fault{GoAway: true}, processed: true,
			check: func(t *testing.T, got reply) { assert.Equal(t, truth, got.body) },
		},
		"a connection that ends in good order with an error": {
			fault: Fault{GoAway: true, Status: 503},
			check: func(t *testing.T, got reply) { assert.Equal(t, 503, got.status) },
		},
		"a connection that ends abruptly": {
			fault: Fault{GoAway: true, Drop: true}, fails: io.EOF, fails2: "GOAWAY",
		},
		"processed, then an error": {
			fault: Fault{Errors: []string{"EService:Busy"}, Process: true}, processed: true,
			check: func(t *testing.T, got reply) { assert.Equal(t, `{"error":["EService:Busy"]}`, got.body) },
		},
		"latency, then the true answer": {
			fault: Fault{Latency: time.Millisecond}, processed: true,
			check: func(t *testing.T, got reply) { assert.Equal(t, truth, got.body) },
		},
		"another path's fault": {
			fault: Fault{Path: "Balance", Drop: true}, processed: true,
			check: func(t *testing.T, got reply) { assert.Equal(t, truth, got.body) },
		},
	}
	for name, test := range tests {
		for over, start := range overs {
			t.Run(name+", over "+over, func(t *testing.T) {
				c := start(t)
				test.fault.Times = 1
				c.service.Misbehave(test.fault)
				got, err := c.ask(t.Context(), "/0/private/GetWebSocketsToken")
				switch {
				case test.fails == nil:
					require.NoError(t, err)
					test.check(t, got)
				case strings.Contains(over, "HTTP/2"):
					require.ErrorContains(t, err, test.fails2)
				default:
					require.ErrorIs(t, err, test.fails)
				}
				assert.Equal(t, test.processed, c.service.processed.Load() == 1)

				c.service.Behave()
				c.behaves()
			})
		}
	}
}

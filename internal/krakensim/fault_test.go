package krakensim

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every fault looks the same over HTTP/1.1, over HTTP/2 and in process, but for the error where there is no answer.
func TestFaults(t *testing.T) {
	tests := map[string]struct {
		fault  Fault
		check  func(t *testing.T, got reply)
		fails  error  // of the round trip or of reading the body
		fails2 string // the same over HTTP/2
		nonce  uint64
	}{
		"error strings": {
			fault: Fault{Errors: []string{"EService:Unavailable", "EService:Busy"}},
			check: func(t *testing.T, got reply) {
				assert.Equal(t, http.StatusOK, got.status)
				assert.Equal(t, []string{"EService:Unavailable", "EService:Busy"}, got.Error)
				assert.Equal(t, "application/json", got.header.Get("Content-Type"))
			},
		},
		"error strings with a status": {
			fault: Fault{Errors: []string{"EGeneral:Too many requests"}, Status: 429},
			check: func(t *testing.T, got reply) {
				assert.Equal(t, 429, got.status)
				assert.Equal(t, []string{"EGeneral:Too many requests"}, got.Error)
			},
		},
		"a status comes with the CDN's page": {
			fault: Fault{Status: 520},
			check: func(t *testing.T, got reply) {
				assert.Equal(t, 520, got.status)
				assert.Contains(t, got.header.Get("Content-Type"), "text/html")
				assert.Contains(t, got.body, "<title>520")
			},
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
		"a dropped connection":  {fault: Fault{Drop: true}, fails: io.EOF, fails2: "unexpected EOF"},
		"dropped after a while": {fault: Fault{Drop: true, Latency: time.Millisecond}, fails: io.EOF, fails2: "unexpected EOF"},
		"processed, then a dropped connection": {
			fault: Fault{Drop: true, Process: true}, nonce: 1, fails: io.EOF, fails2: "unexpected EOF",
		},
		"a reset": {fault: Fault{Reset: true}, fails: syscall.ECONNRESET, fails2: "INTERNAL_ERROR; received from peer"},
		"processed, then a reset": {
			fault: Fault{Reset: true, Process: true}, nonce: 1,
			fails: syscall.ECONNRESET, fails2: "INTERNAL_ERROR; received from peer",
		},
		"a truncated answer": {
			fault: Fault{Truncate: true}, nonce: 1,
			fails: io.ErrUnexpectedEOF, fails2: "INTERNAL_ERROR; received from peer",
		},
		"a connection that ends in good order": {
			fault: Fault{GoAway: true}, nonce: 1,
			check: func(t *testing.T, got reply) { assert.Contains(t, got.body, `"token"`) },
		},
		"a connection that ends in good order with an error": {
			fault: Fault{GoAway: true, Status: 503},
			check: func(t *testing.T, got reply) { assert.Equal(t, 503, got.status) },
		},
		"a connection that ends abruptly": {
			fault: Fault{GoAway: true, Drop: true}, fails: io.EOF, fails2: "GOAWAY",
		},
		"processed, then an error": {
			fault: Fault{Errors: []string{"EService:Busy"}, Process: true}, nonce: 1,
			check: func(t *testing.T, got reply) { assert.Equal(t, []string{"EService:Busy"}, got.Error) },
		},
		"latency, then the true answer": {
			fault: Fault{Latency: time.Millisecond}, nonce: 1,
			check: func(t *testing.T, got reply) { assert.Contains(t, got.body, `"token"`) },
		},
		"another path's fault": {
			fault: Fault{Path: "Balance", Drop: true}, nonce: 1,
			check: func(t *testing.T, got reply) { assert.Contains(t, got.body, `"token"`) },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			http1, http2 := startServer(t, Options{}), startServer(t, Options{TLS: true})
			for _, over := range []struct {
				name      string
				exchange  *Exchange
				transport http.RoundTripper
				base      string
			}{
				{"HTTP/1.1", http1.Exchange, newTransport(t), http1.RESTURL()},
				{"HTTP/2", http2.Exchange, trusting(t, http2), http2.RESTURL()},
				{"process", New(exampleKey), nil, "https://api.kraken.com"},
			} {
				if over.transport == nil {
					over.transport = over.exchange.Transport()
				}
				test.fault.Times = 1
				over.exchange.Misbehave(test.fault)
				q := newRequest(tokenPath, 1)
				q.base = over.base
				got, err := q.try(t.Context(), over.transport)
				switch {
				case test.fails == nil:
					require.NoError(t, err, over.name)
					test.check(t, got)
				case over.name == "HTTP/2":
					require.ErrorContains(t, err, test.fails2)
				default:
					require.ErrorIs(t, err, test.fails, over.name)
				}
				assert.Equal(t, test.nonce, over.exchange.LastNonce(ExampleAPIKey), over.name)

				over.exchange.Behave()
				q = newRequest(tokenPath, 2)
				q.base = over.base
				assert.Empty(t, q.do(t, over.transport).Error, "afterwards all is well")
			}
		})
	}
}

func TestAHangLastsUntilTheClientGoesAway(t *testing.T) {
	http1, http2 := startServer(t, Options{}), startServer(t, Options{TLS: true})
	for _, over := range []struct {
		server    *Server
		transport http.RoundTripper
	}{
		{http1, newTransport(t)}, {http2, trusting(t, http2)}, {http1, http1.Transport()},
	} {
		over.server.Misbehave(Fault{Hang: true})
		q := newRequest(tokenPath, 1)
		q.base = over.server.RESTURL()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := q.try(ctx, over.transport)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
}

func TestBehaveReleasesWhatHangsOrIsDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := New(exampleKey)
		for i, fault := range []Fault{
			{Hang: true}, {Latency: time.Hour, Errors: []string{"EService:Busy"}}, {Process: true, Hang: true},
		} {
			x.Misbehave(fault)
			answered := make(chan reply)
			go func() {
				got, err := newRequest(tokenPath, uint64(i)+1).try(t.Context(), x.Transport())
				assert.NoError(t, err)
				answered <- got
			}()
			synctest.Wait()
			x.Behave()
			got := <-answered
			assert.Empty(t, got.Error)
			assert.Contains(t, got.body, `"token"`)
		}
	})
}

func TestLatencyLastsAsLongAsItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := New(exampleKey)
		x.Misbehave(Fault{Latency: 3 * time.Second, Status: 502})
		start := time.Now()
		assert.Equal(t, 502, newRequest(tokenPath, 1).do(t, x.Transport()).status)
		assert.Equal(t, 3*time.Second, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := newRequest(tokenPath, 1).try(ctx, x.Transport())
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 4*time.Second, time.Since(start))
	})
}

func TestFaultsQueueUp(t *testing.T) {
	x := New(exampleKey)
	x.Misbehave(
		Fault{Times: 2, Status: 500},
		Fault{Path: "Balance", Times: 1, Status: 501},
		Fault{Path: "GetWebSocketsToken", Status: 502},
	)
	status := func(path string) int { return newRequest(path, 1).do(t, x.Transport()).status }
	assert.Equal(t, 500, status("/0/public/Time"))
	assert.Equal(t, 500, status(tokenPath))
	assert.Equal(t, 502, status(tokenPath))
	assert.Equal(t, 501, status("/0/private/Balance"))
	assert.Equal(t, 200, status("/0/private/Balance"))
	assert.Equal(t, 502, status(tokenPath), "without Times it stays")
	x.Behave()
	assert.Equal(t, 200, status(tokenPath))
}

func TestARecordedCallSaysHowItWasAnswered(t *testing.T) {
	x := New(exampleKey)
	x.Misbehave(Fault{Times: 1, Errors: []string{"EService:Busy"}}, Fault{Times: 1, Drop: true}, Fault{Times: 1, Status: 503})
	for range 3 {
		_, err := newRequest(tokenPath, 1).try(t.Context(), x.Transport())
		if err != nil {
			require.True(t, errors.Is(err, io.EOF))
		}
	}
	calls := x.Calls()
	assert.Equal(t, []string{"EService:Busy"}, calls[0].Errors)
	assert.Zero(t, calls[1].Status)
	assert.Equal(t, 503, calls[2].Status)
}

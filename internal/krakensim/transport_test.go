package krakensim

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tracing has the hooks that a client asks whether a request was sent note themselves.
func tracing(ctx context.Context) (context.Context, *[]string) {
	var hooks []string
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { hooks = append(hooks, "GotConn") },
		WroteHeaders: func() { hooks = append(hooks, "WroteHeaders") },
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			hooks = append(hooks, "WroteRequest")
			if info.Err != nil {
				hooks = append(hooks, info.Err.Error())
			}
		},
	}), &hooks
}

var sent = []string{"GotConn", "WroteHeaders", "WroteRequest"}

func TestAFaultBeginsOnceTheRequestIsSent(t *testing.T) {
	for name, fault := range map[string]Fault{
		"none":                          {},
		"a drop":                        {Drop: true},
		"a hang":                        {Hang: true},
		"latency":                       {Latency: 2 * time.Second},
		"Kraken's error":                {Errors: []string{"EService:Busy"}},
		"processed, and then a drop":    {Process: true, Drop: true},
		"a status and then latency":     {Status: 502, Latency: time.Minute},
		"the answer ends in the middle": {Truncate: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := New(exampleKey)
				x.Misbehave(fault)
				ctx, hooks := tracing(t.Context())
				ctx, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				start := time.Now()
				_, err := newRequest(tokenPath, 1).try(ctx, x.Transport())
				assert.Equal(t, sent, *hooks)
				if fault.Hang || fault.Latency > 0 {
					assert.ErrorIs(t, err, context.DeadlineExceeded)
					assert.Equal(t, time.Second, time.Since(start))
				}
				assert.Len(t, x.Calls(), 1)
			})
		})
	}
}

func TestARefusedConnectionFailsAsADialDoes(t *testing.T) {
	x := New(exampleKey)
	x.Misbehave(Fault{Refuse: true, Process: true, Times: 1})
	ctx, hooks := tracing(t.Context())
	_, err := newRequest(tokenPath, 1).try(ctx, x.Transport())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	var dial *net.OpError
	require.ErrorAs(t, err, &dial)
	assert.Equal(t, "dial", dial.Op)
	assert.ErrorContains(t, err, "dial tcp: connect: connection refused")
	assert.Empty(t, *hooks, "nothing was sent")
	assert.Empty(t, x.Calls())
	assert.Zero(t, x.LastNonce(ExampleAPIKey))

	assert.Empty(t, newRequest(tokenPath, 1).do(t, x.Transport()).Error, "for once")
}

func TestADialMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := New(exampleKey)
		x.Misbehave(Fault{Refuse: true, Latency: 3 * time.Second, Times: 1}, Fault{Refuse: true, Hang: true})
		start := time.Now()
		_, err := newRequest(tokenPath, 1).try(t.Context(), x.Transport())
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		assert.Equal(t, 3*time.Second, time.Since(start))

		ctx, hooks := tracing(t.Context())
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err = newRequest(tokenPath, 1).try(ctx, x.Transport())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 4*time.Second, time.Since(start))
		assert.Empty(t, *hooks)
		assert.Empty(t, x.Calls())

		answered := make(chan reply)
		go func() {
			got, err := newRequest(tokenPath, 1).try(t.Context(), x.Transport())
			assert.NoError(t, err)
			answered <- got
		}()
		synctest.Wait()
		x.Behave()
		assert.Empty(t, (<-answered).Error, "the connection comes about after all")
	})
}

func TestOverAListenerARefusalIsADrop(t *testing.T) {
	server := startServer(t, Options{})
	server.Misbehave(Fault{Refuse: true})
	q := newRequest(tokenPath, 1)
	q.base = server.RESTURL()
	_, err := q.try(t.Context(), newTransport(t))
	require.ErrorIs(t, err, io.EOF)
	assert.Zero(t, server.LastNonce(ExampleAPIKey))
}

func TestTheTransportEndsWithItsContext(t *testing.T) {
	reason := errors.New("the reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	ctx, hooks := tracing(ctx)
	x := New(exampleKey)
	_, err := x.Transport().RoundTrip(newRequest(tokenPath, 1).build(ctx))
	require.ErrorIs(t, err, reason)
	assert.Empty(t, *hooks)
	assert.Empty(t, x.Calls())
}

func TestARequestWhoseBodyFailsIsNotRecorded(t *testing.T) {
	reason := errors.New("the reason")
	ctx, hooks := tracing(t.Context())
	r := newRequest(tokenPath, 1).build(ctx)
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader("nonce="), failing{reason}))
	x := New(exampleKey)
	_, err := x.Transport().RoundTrip(r)
	require.ErrorIs(t, err, reason)
	assert.Equal(t, append(sent, "the reason"), *hooks)
	assert.Empty(t, x.Calls())
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestTheTransportNamesItselfAsNetHTTPDoes(t *testing.T) {
	q := newRequest(tokenPath, 1)
	q.header.Del("User-Agent")
	assert.Equal(t, 200, q.do(t, New(exampleKey).Transport()).status)
}

func TestTheTransportTakesNoWebSockets(t *testing.T) {
	q := newRequest("/v2", 1)
	q.header.Set("Upgrade", "websocket")
	_, err := q.try(t.Context(), New().Transport())
	assert.ErrorContains(t, err, "WebSockets need a server")
}

package fault

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// moment is how long a request is watched that is to stay without an answer.
const moment = 50 * time.Millisecond

// isUnanswered makes a request that reaches the service, stays without an answer for a moment, and is given up.
func (c client) isUnanswered() {
	c.t.Helper()
	before := c.service.taken.Load()
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	ended := make(chan error)
	go func() {
		_, err := c.ask(ctx, "/")
		ended <- err
	}()
	require.Eventually(c.t, func() bool { return c.service.taken.Load() > before }, 5*time.Second, time.Millisecond)
	select {
	case err := <-ended:
		require.Fail(c.t, "it ended", "%v", err)
	case <-time.After(moment):
	}
	cancel()
	require.ErrorIs(c.t, <-ended, context.Canceled)
}

func TestASwallowedRequestGetsNoAnswer(t *testing.T) {
	for over, start := range overs {
		for processed, fault := range []Fault{{Swallow: true, Times: 1}, {Swallow: true, Process: true, Times: 1}} {
			t.Run(over, func(t *testing.T) {
				c := start(t)
				c.service.Misbehave(fault)
				c.isUnanswered()
				assert.EqualValues(t, processed, c.service.processed.Load())
				c.service.Behave()
				require.Eventually(t, func() bool { // the client may try the old connection first
					_, err := c.ask(t.Context(), "/")
					return err == nil
				}, 5*time.Second, time.Millisecond)
			})
		}
	}
}

func TestWhatElseIsOnASwallowedConnectionIsSwallowedToo(t *testing.T) {
	for name, start := range http2s {
		t.Run(name, func(t *testing.T) {
			c := start(t)
			end := c.begin()
			c.service.Misbehave(Fault{Swallow: true, Times: 1})
			c.isUnanswered()
			briefly, cancel := context.WithTimeout(t.Context(), moment)
			defer cancel()
			_, err := c.ask(briefly, "/")
			require.ErrorIs(t, err, context.DeadlineExceeded, "the client believes in the connection yet")
			assert.EqualValues(t, 2, c.service.taken.Load(), "what is sent later isn't served")

			c.service.Behave()
			_, err = end()
			assert.Error(t, err, "the answer of an earlier request is lost")
		})
	}
}

func TestAClientThatPingsGivesASwallowedConnectionUp(t *testing.T) {
	for name, start := range http2s {
		t.Run(name, func(t *testing.T) {
			c := start(t)
			// Under load an answer to a ping may be late too. Then the healthy connection would be given up.
			c.transport.(*http.Transport).HTTP2 = &http.HTTP2Config{SendPingTimeout: moment, PingTimeout: time.Second}
			c.behaves()
			c.service.Misbehave(Fault{Swallow: true, Times: 1})
			_, err := c.call()
			require.ErrorContains(t, err, "client connection lost")
			c.behaves()
			assert.Eventually(t, func() bool { return c.service.done.Load() == 3 }, 5*time.Second, time.Millisecond,
				"the server learns of the end")
		})
	}
}

func TestASwallowedConnectionStaysOpenUntilTheClientClosesIt(t *testing.T) {
	c := overHTTP1(t)
	c.service.Misbehave(Fault{Swallow: true, Times: 1})
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return c.service.taken.Load() == 1 }, 5*time.Second, time.Millisecond)
	_, err = conn.Write(make([]byte, 4<<20))
	require.NoError(t, err, "more than the kernels keep: it is taken")
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(moment)))
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.Zero(t, c.service.done.Load())

	require.NoError(t, conn.Close())
	assert.Eventually(t, func() bool { return c.service.done.Load() == 1 }, 5*time.Second, time.Millisecond)
}

func TestBehaveClosesASwallowedConnection(t *testing.T) {
	for _, starts := range []map[string]func(*testing.T) client{http1s, http2s} {
		for name, start := range starts {
			t.Run(name, func(t *testing.T) {
				c := start(t)
				c.service.Misbehave(Fault{Swallow: true, Times: 1})
				ended := make(chan error)
				go func() {
					_, err := c.call()
					ended <- err
				}()
				require.Eventually(t, func() bool { return c.service.taken.Load() == 1 }, 5*time.Second, time.Millisecond)
				c.service.Behave()
				assert.ErrorContains(t, <-ended, "EOF")
			})
		}
	}
}

func TestInProcessBehaveEndsASwallowedRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inProcess(t)
		c.service.Misbehave(Fault{Swallow: true, Latency: time.Second})
		ended := make(chan error)
		go func() {
			_, err := c.ask(t.Context(), "/")
			ended <- err
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		c.service.Behave()
		assert.ErrorIs(t, <-ended, io.EOF)
	})
}

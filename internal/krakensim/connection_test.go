package krakensim

import (
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// caller makes calls to a server over one transport.
type caller struct {
	t         *testing.T
	server    *Server
	transport *http.Transport
}

func newCaller(t *testing.T, options Options) caller {
	server := startServer(t, options)
	if options.TLS {
		return caller{t, server, trusting(t, server)}
	}
	return caller{t, server, newTransport(t)}
}

// call makes a call and returns the client's address on the connection that it went over.
func (c caller) call() (from string, err error) {
	ctx := httptrace.WithClientTrace(c.t.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { from = info.Conn.LocalAddr().String() },
	})
	q := newRequest("/0/public/Time", 1)
	q.base = c.server.RESTURL()
	_, err = q.try(ctx, c.transport)
	return from, err
}

// begin makes a call that hangs until Behave; end returns how it ended.
func (c caller) begin() (end func() (from string, err error)) {
	c.server.Misbehave(Fault{Hang: true, Times: 1})
	var from string
	ended := make(chan error, 1)
	go func() {
		var err error
		from, err = c.call()
		ended <- err
	}()
	require.Eventually(c.t, func() bool {
		c.server.Exchange.mu.Lock()
		defer c.server.Exchange.mu.Unlock()
		return len(c.server.faults) == 0
	}, 5*time.Second, time.Millisecond)
	return func() (string, error) {
		err := <-ended
		return from, err
	}
}

func TestAGoAwayLetsFinishWhatIsUnderWay(t *testing.T) {
	c := newCaller(t, Options{TLS: true})
	end := c.begin()
	c.server.Misbehave(Fault{GoAway: true, Times: 1})
	second, err := c.call()
	require.NoError(t, err, "who is told to go away has its answer too")
	third, err := c.call()
	require.NoError(t, err)
	c.server.Behave()
	first, err := end()
	require.NoError(t, err)
	assert.Equal(t, first, second)
	assert.NotEqual(t, second, third)
}

func TestOverHTTP1AGoAwayClosesTheConnection(t *testing.T) {
	c := newCaller(t, Options{})
	c.server.Misbehave(Fault{GoAway: true, Times: 1})
	first, err := c.call()
	require.NoError(t, err)
	second, err := c.call()
	require.NoError(t, err)
	third, err := c.call()
	require.NoError(t, err)
	assert.NotEqual(t, first, second)
	assert.Equal(t, second, third)
}

func TestWhatADropOverHTTP2Breaks(t *testing.T) {
	for name, test := range map[string]struct {
		fault Fault
		want  string
	}{
		"a drop":           {Fault{Drop: true}, "unexpected EOF"},
		"an abrupt goaway": {Fault{Drop: true, GoAway: true}, "LastStreamID=2147483647, ErrCode=INTERNAL_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCaller(t, Options{TLS: true})
			end := c.begin()
			test.fault.Times = 1
			c.server.Misbehave(test.fault)
			second, err := c.call()
			require.ErrorContains(t, err, test.want)
			first, err := end()
			assert.ErrorContains(t, err, test.want, "all that was under way on the connection is lost")
			assert.Equal(t, first, second)

			third, err := c.call()
			assert.NoError(t, err)
			assert.NotEqual(t, second, third)
		})
	}
}

func TestOverHTTP2AResetIsTheStreamsAlone(t *testing.T) {
	for name, fault := range map[string]Fault{"a reset": {Reset: true}, "a truncated answer": {Truncate: true}} {
		t.Run(name, func(t *testing.T) {
			c := newCaller(t, Options{TLS: true})
			end := c.begin()
			fault.Times = 1
			c.server.Misbehave(fault)
			second, err := c.call()
			require.ErrorContains(t, err, "stream error")
			third, err := c.call()
			require.NoError(t, err)
			c.server.Behave()
			first, err := end()
			require.NoError(t, err)
			assert.Equal(t, []string{first, first}, []string{second, third})
		})
	}
}

func TestOverHTTP1AResetIsTheConnections(t *testing.T) {
	for _, options := range []Options{{}, {TLS: true, HTTP1Only: true}} {
		c := newCaller(t, options)
		_, err := c.call()
		require.NoError(t, err)
		c.server.Misbehave(Fault{Reset: true, Times: 1})
		_, err = c.call()
		require.ErrorIs(t, err, syscall.ECONNRESET)
		_, err = c.call()
		assert.NoError(t, err)
	}
}

func TestAResetPassesALine(t *testing.T) {
	server := startServer(t, Options{})
	line := newLine(t, server.RESTURL())
	server.Misbehave(Fault{Reset: true})
	assert.ErrorIs(t, askTime(t.Context(), line, newTransport(t)), syscall.ECONNRESET)
}

func TestOnSomebodyElsesServerAFaultClosesTheConnection(t *testing.T) {
	x := New(exampleKey)
	server := httptest.NewServer(x)
	defer server.Close()
	for _, fault := range []Fault{{Reset: true, Times: 1}, {Drop: true, Times: 1}} {
		x.Misbehave(fault)
		q := newRequest(tokenPath, 1)
		q.base = server.URL
		_, err := q.try(t.Context(), newTransport(t))
		assert.ErrorContains(t, err, "EOF")
	}
}

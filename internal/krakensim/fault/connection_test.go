package fault

import (
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	http1s = map[string]func(*testing.T) client{"in the clear": overHTTP1, "over TLS": overHTTP1TLS}
	http2s = map[string]func(*testing.T) client{"in the clear": overHTTP2, "over TLS": overHTTP2TLS}
)

func TestAGoAwayLetsFinishWhatIsUnderWay(t *testing.T) {
	for name, start := range http2s {
		t.Run(name, func(t *testing.T) {
			c := start(t)
			end := c.begin()
			c.service.Misbehave(Fault{GoAway: true, Times: 1})
			second, err := c.call()
			require.NoError(t, err, "who is told to go away has its answer too")
			third, err := c.call()
			require.NoError(t, err)
			c.service.Behave()
			first, err := end()
			require.NoError(t, err)
			assert.Equal(t, first, second)
			assert.NotEqual(t, second, third)
		})
	}
}

func TestOverHTTP1AGoAwayClosesTheConnection(t *testing.T) {
	c := overHTTP1(t)
	c.service.Misbehave(Fault{GoAway: true, Times: 1})
	first, err := c.call()
	require.NoError(t, err)
	second, err := c.call()
	require.NoError(t, err)
	assert.NotEqual(t, first, second)
	require.Eventually(t, func() bool { // a client under load may give up a connection that is good
		second, _ = c.call()
		third, _ := c.call()
		return second == third
	}, 5*time.Second, time.Millisecond)
}

func TestWhatADropOverHTTP2Breaks(t *testing.T) {
	for name, start := range http2s {
		for want, fault := range map[string]Fault{
			"unexpected EOF": {Drop: true},
			"LastStreamID=2147483647, ErrCode=INTERNAL_ERROR": {Drop: true, GoAway: true},
		} {
			t.Run(want+" "+name, func(t *testing.T) {
				c := start(t)
				end := c.begin()
				fault.Times = 1
				c.service.Misbehave(fault)
				second, err := c.call()
				require.ErrorContains(t, err, want)
				first, err := end()
				assert.ErrorContains(t, err, want, "all that was under way on the connection is lost")
				assert.Equal(t, first, second)

				third, err := c.call()
				assert.NoError(t, err)
				assert.NotEqual(t, second, third)
			})
		}
	}
}

func TestOverHTTP2AResetIsTheStreamsAlone(t *testing.T) {
	for name, start := range http2s {
		for what, fault := range map[string]Fault{"a reset": {Reset: true}, "a truncated answer": {Truncate: true}} {
			t.Run(what+" "+name, func(t *testing.T) {
				c := start(t)
				end := c.begin()
				fault.Times = 1
				c.service.Misbehave(fault)
				second, err := c.call()
				require.ErrorContains(t, err, "stream error")
				third, err := c.call()
				require.NoError(t, err)
				c.service.Behave()
				first, err := end()
				require.NoError(t, err)
				assert.Equal(t, []string{first, first}, []string{second, third})
			})
		}
	}
}

func TestOverHTTP1AResetIsTheConnections(t *testing.T) {
	for _, start := range http1s {
		c := start(t)
		_, err := c.call()
		require.NoError(t, err)
		c.service.Misbehave(Fault{Reset: true, Times: 1})
		_, err = c.call()
		require.ErrorIs(t, err, syscall.ECONNRESET)
		_, err = c.call()
		assert.NoError(t, err)
	}
}

func TestOnSomebodyElsesServerAFaultClosesTheConnection(t *testing.T) {
	s := new(service)
	server := httptest.NewServer(s)
	defer server.Close()
	c := client{t, s, server.Client().Transport, server.URL}
	for _, fault := range []Fault{{Reset: true, Times: 1}, {Drop: true, Times: 1}} {
		s.Misbehave(fault)
		_, err := c.call()
		assert.ErrorContains(t, err, "EOF")
	}
}

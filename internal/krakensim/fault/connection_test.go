package fault

import (
	"net/http/httptest"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAGoAwayLetsFinishWhatIsUnderWay(t *testing.T) {
	c := overHTTP2TLS(t)
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
}

func TestOverHTTP1AGoAwayClosesTheConnection(t *testing.T) {
	c := overHTTP1(t)
	c.service.Misbehave(Fault{GoAway: true, Times: 1})
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
			c := overHTTP2TLS(t)
			end := c.begin()
			test.fault.Times = 1
			c.service.Misbehave(test.fault)
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
			c := overHTTP2TLS(t)
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

func TestOverHTTP1AResetIsTheConnections(t *testing.T) {
	for _, start := range []func(*testing.T) client{overHTTP1, overHTTP1TLS} {
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

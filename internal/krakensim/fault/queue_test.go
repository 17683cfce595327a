package fault

import (
	"context"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFaultsQueueUp(t *testing.T) {
	c := inProcess(t)
	c.service.Misbehave(
		Fault{Times: 2, Status: 500},
		Fault{Path: "Balance", Times: 1, Status: 501},
		Fault{Path: "GetWebSocketsToken", Status: 502},
	)
	status := func(path string) int {
		got, err := c.ask(t.Context(), path)
		require.NoError(t, err)
		return got.status
	}
	assert.Equal(t, 500, status("/0/public/Time"))
	assert.Equal(t, 500, status("/0/private/GetWebSocketsToken"))
	assert.Equal(t, 502, status("/0/private/GetWebSocketsToken"))
	assert.Equal(t, 501, status("/0/private/Balance"))
	assert.Equal(t, 200, status("/0/private/Balance"))
	assert.Equal(t, 502, status("/0/private/GetWebSocketsToken"), "without Times it stays")
	c.service.Behave()
	assert.Equal(t, 200, status("/0/private/GetWebSocketsToken"))
}

func TestAHangLastsUntilTheClientGoesAway(t *testing.T) {
	for over, start := range overs {
		t.Run(over, func(t *testing.T) {
			c := start(t)
			c.service.Misbehave(Fault{Hang: true})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			_, err := c.ask(ctx, "/")
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	}
}

func TestBehaveReleasesWhatHangsOrIsDelayed(t *testing.T) {
	for name, fault := range map[string]Fault{
		"hangs":                     {Hang: true},
		"is delayed":                {Latency: time.Hour, Errors: []string{"EService:Busy"}},
		"hangs when it's processed": {Process: true, Hang: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := inProcess(t)
				c.service.Misbehave(fault)
				answered := make(chan reply)
				go func() {
					got, err := c.ask(t.Context(), "/")
					assert.NoError(t, err)
					answered <- got
				}()
				synctest.Wait()
				c.service.Behave()
				assert.Equal(t, truth, (<-answered).body)
			})
		})
	}
}

func TestLatencyLastsAsLongAsItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inProcess(t)
		c.service.Misbehave(Fault{Latency: 3 * time.Second, Status: 502})
		start := time.Now()
		got, err := c.ask(t.Context(), "/")
		require.NoError(t, err)
		assert.Equal(t, 502, got.status)
		assert.Equal(t, 3*time.Second, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.ask(ctx, "/")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 4*time.Second, time.Since(start))
	})
}

func TestARefusedConnectionFailsAsADialDoes(t *testing.T) {
	c := inProcess(t)
	c.service.Misbehave(Fault{Refuse: true, Process: true, Times: 1})
	_, err := c.ask(t.Context(), "/")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	var dial *net.OpError
	require.ErrorAs(t, err, &dial)
	assert.Equal(t, "dial", dial.Op)
	assert.ErrorContains(t, err, "dial tcp: connect: connection refused")
	assert.Zero(t, c.service.processed.Load())
	c.behaves()
}

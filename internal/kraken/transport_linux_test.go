package kraken

import (
	"net/http/httptrace"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestTheSystemBreaksAConnectionWhoseDataIsNotAcknowledged(t *testing.T) {
	server := answering(t, saying(200, goodAnswer))
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
		raw, err := got.Conn.(syscall.Conn).SyscallConn()
		assert.NoError(t, err)
		assert.NoError(t, raw.Control(func(descriptor uintptr) {
			milliseconds, err := unix.GetsockoptInt(int(descriptor), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
			assert.NoError(t, err)
			assert.Equal(t, 2000, milliseconds)
		}))
	}})
	_, err := plainClient(t, server.URL).GetWebSocketsToken(ctx, testNonce)
	require.NoError(t, err)
}

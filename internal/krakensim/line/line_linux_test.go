package line

import (
	"io"
	"net"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestWhatIsSwallowedIsNotAcknowledged(t *testing.T) {
	line := newFar(t, (*httptest.Server).Start).line
	conn := dialLine(t, line)
	askOver(t, conn)
	raw, err := conn.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 300) // milliseconds
	}))
	require.NoError(t, err)

	line.Swallow()
	_, err = io.WriteString(conn, "GET")
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	_, err = conn.Read(make([]byte, 1))
	assert.ErrorIs(t, err, syscall.ETIMEDOUT)
}

package kraken

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// setUserTimeout makes the system break a connection over which sent data goes unacknowledged for userTimeout. A system
// that can't is no reason not to connect.
func setUserTimeout(_, _ string, connection syscall.RawConn) error {
	return connection.Control(func(descriptor uintptr) {
		_ = unix.SetsockoptInt(int(descriptor), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout.Milliseconds()))
	})
}

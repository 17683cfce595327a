package line

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// deafen has the kernel drop all that arrives for a connection before TCP sees it, so that it isn't acknowledged. If
// the kernel doesn't let us, the connection is swallowed all the same, but acknowledged.
func deafen(conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	dropAll := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K} // a packet filter that accepts 0 bytes
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &dropAll})
	})
}

// nap sleeps for a moment, to within some 0.1 ms. Go's own sleep is up to a millisecond longer, for that is what it
// asks of the kernel in.
func nap(moment time.Duration) {
	if moment <= 0 {
		return
	}
	left := unix.NsecToTimespec(moment.Nanoseconds())
	for unix.Nanosleep(&left, &left) == unix.EINTR { // by a signal; left is what is left
	}
}

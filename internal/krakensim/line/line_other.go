//go:build !linux

package line

import (
	"net"
	"time"
)

// deafen does nothing: the kernel goes on acknowledging.
func deafen(*net.TCPConn) {}

// nap sleeps for a moment.
func nap(moment time.Duration) { time.Sleep(moment) }

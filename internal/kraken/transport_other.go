//go:build !linux

package kraken

import "syscall"

var setUserTimeout func(_, _ string, _ syscall.RawConn) error // only Linux has TCP_USER_TIMEOUT

//go:build unix

package process

import (
	"fmt"
	"syscall"
)

// limitCore allows core files of no size, also to whoever would raise the limit again.
func limitCore() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("the limit of core dumps: %w", err)
	}
	return nil
}

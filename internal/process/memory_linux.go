package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// hideMemory keeps the kernel from dumping the memory to a program (/proc/sys/kernel/core_pattern), for which there is no limit, and others from reading it.
func hideMemory() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("PR_SET_DUMPABLE: %w", err)
	}
	return nil
}

// Package process is about the plugin as a process of the operating system: when it ends, and what it leaves behind.
package process

import (
	"os"
	"time"
)

// lookEvery is how often the parent is looked for. It is one system call; and seconds are soon enough for what nobody can ask any more.
const lookEvery = time.Second

// EndWithParent ends the process, a second or two after the one that started it has gone, however that ended. It must be called before anything is written to
// the standard output: should the parent be gone already, it is that which ends the process, for nobody reads there any more.
//
// The process ends at once, whatever it is doing: only its parent could have asked for it, and would have had the answer.
//
// A process that is a container's first, or whose parent is, or is outside of the container, is left alone: they end with the container. Windows
// never tells that a parent has gone.
func EndWithParent() {
	// Linux would send a signal (PR_SET_PDEATHSIG), but when the thread ends that started this process, which the parent may well outlive.
	go watch(os.Getpid(), os.Getppid(), os.Getppid, func() { os.Exit(1) })
}

// watch calls end once the parent isn't the one that it was any more. Who takes over orphans is process 1 or any other that has asked for them.
func watch(self, parent int, now func() int, end func()) {
	if self == 1 || parent <= 1 {
		return
	}
	for range time.Tick(lookEvery) {
		if now() != parent {
			end()
			return
		}
	}
}

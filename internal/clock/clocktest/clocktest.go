// Package clocktest makes the times that a host reads whose clocks have moved apart. It is for tests only.
package clocktest

import (
	"time"
	"unsafe"
)

// Clocks are a host's two clocks, as how far they have come since they were made. They are moved by setting them.
type Clocks struct {
	Wall      time.Duration // in whole seconds ahead of Monotonic, or behind
	Monotonic time.Duration
	start     time.Time
}

// New returns clocks that show the present. In a testing/synctest bubble times have no monotonic reading, so it panics there.
func New() *Clocks {
	c := &Clocks{start: time.Now()}
	c.Monotonic = time.Second
	if c.Now().Sub(c.start) != time.Second || c.Now().Round(0) != c.start.Round(0) {
		panic("times have no monotonic reading here, or time.Time isn't made as it used to be")
	}
	c.Monotonic = 0
	return c
}

// Pass lets time pass on both clocks.
func (c *Clocks) Pass(d time.Duration) { c.Wall, c.Monotonic = c.Wall+d, c.Monotonic+d }

// Now is what time.Now would return.
func (c *Clocks) Now() time.Time {
	now := c.start.Add(c.Monotonic)
	// No function of the package time moves the one clock without the other. In a time.Time with a monotonic reading, the first word holds the
	// wall clock: a flag, 33 bits of seconds, 30 bits of nanoseconds.
	wall := (*uint64)(unsafe.Pointer(&now))
	*wall += uint64(int64((c.Wall-c.Monotonic)/time.Second) << 30)
	return now
}

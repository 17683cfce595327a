// Package clock says how time passes on a host whose two clocks move apart. The wall clock jumps when somebody sets it; the
// monotonic one, which time.Time.Sub goes by, stands still while the host sleeps.
package clock

import "time"

// Age is how long ago then was, by the clock that says more: whatever has happened to one of them, what is told to be younger is. It goes by
// the wall clock alone where a time lacks a monotonic reading.
func Age(then, now time.Time) time.Duration {
	return max(now.Sub(then), now.Round(0).Sub(then.Round(0))) // Round(0) drops the monotonic reading
}

// Told is a time to come as the wall clock will show it, going by what it shows now. It may have been set since the time was reckoned.
func Told(at, now time.Time) time.Time { return now.Add(at.Sub(now)) }

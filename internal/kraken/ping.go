package kraken

import (
	"context"
	"time"
)

// watch pings until ctx ends, where the connection is silent. Where a ping isn't answered either, it calls lost and cuts
// the connection. It is called when a silence may have lasted for firstPing: since heard, when so much time was left.
func (c *http2Conn) watch(ctx context.Context, heard int64, left time.Duration, lost func()) {
	for {
		if c.heard.Load() == heard {
			c.ping(ctx, pingTime(left/4)) // leaves five eighths for a second try
			if ctx.Err() != nil {
				return
			}
			if c.heard.Load() == heard {
				lost()
				c.cut()
				return
			}
		}
		heard, left = c.heard.Load(), timeLeft(ctx)
		if !sleep(ctx, firstPing(left)) {
			return
		}
	}
}

// firstPing is how long a connection is silent before it is pinged.
func firstPing(left time.Duration) time.Duration { return pingTime(left / 8) }

// pingTime bounds the waits for and of a ping. They must be short beside a deadline, but long beside a round trip.
func pingTime(wait time.Duration) time.Duration {
	return max(100*time.Millisecond, min(wait, time.Second))
}

// ping returns when a ping is answered, or after the given time. Requests that wait at the same time share one.
func (c *http2Conn) ping(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if !c.pinging.CompareAndSwap(false, true) {
		<-ctx.Done()
		return
	}
	defer c.pinging.Store(false)
	_ = c.client.Ping(ctx) // whether something came is for watch to see
}

// sleep reports whether ctx lasted for the time.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

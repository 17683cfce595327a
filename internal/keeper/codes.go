package keeper

import "time"

// singleUseMemory is how long it is taken for granted that a one-time code is accepted once, after that was seen. Then it is tried
// again, at the price of one refused call.
const singleUseMemory = time.Hour

// codes knows which one-time code of an authenticator was sent last. Whether Kraken takes the same one twice isn't known (RFC 6238 says that
// a verifier mustn't), so neither is assumed: codes are sent again until one that was sent before is refused. Keeper.mu guards it.
type codes struct {
	sent        int64     // the period whose code was sent last
	singleUntil time.Time // until then, a code is sent once
}

// period numbers the code that is due at a time.
func period(use Use, at time.Time) int64 { return at.UnixNano() / int64(use.Codes) }

// wait is how long it takes until so many calls, one after the other, each have a code that may be sent.
func (c *codes) wait(use Use, now time.Time, calls int) time.Duration {
	if c == nil || use.Codes <= 0 || !now.Before(c.singleUntil) {
		return 0
	}
	last := max(c.last(period(use, now))+1, period(use, now)) + int64(calls) - 1
	return max(time.Unix(0, last*int64(use.Codes)).Sub(now), 0)
}

// wasSent notes that the code of a call that began then was sent, and tells whether it had been sent before.
func (c *codes) wasSent(use Use, began time.Time) (again bool) {
	if use.Codes <= 0 {
		return false
	}
	due := period(use, began)
	last := c.last(due)
	again = due <= last
	c.sent = max(last, due)
	return again
}

// codeWasSent is wasSent for a waiter's call. It needs k.mu.
func (k *Keeper) codeWasSent(w *waiter) (again bool) {
	if k.codes == nil && w.use.Codes > 0 {
		k.codes = new(codes)
	}
	return k.codes.wasSent(w.use, w.began)
}

// last is the last period whose code was sent, given the one that is due; 0 if that clock was set back since by more than clocks are adjusted by.
// What was sent then isn't worth waiting for until the clock is there again.
func (c *codes) last(due int64) int64 {
	if c.sent > due+1 {
		return 0
	}
	return c.sent
}

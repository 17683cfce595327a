package krakensim

import "time"

// limit is a tier's call counter: how far it may grow, and how fast it decays.
type limit struct {
	max   float64
	decay float64 // per second
}

// limits are Kraken's, by tier (support.kraken.com, "What are the API rate limits?").
var limits = map[Tier]limit{
	TierStarter:      {max: 15, decay: 0.33},
	TierIntermediate: {max: 20, decay: 0.5},
	TierPro:          {max: 20, decay: 1},
}

// callCounter is one key's call counter: each call adds 1, time takes it away again.
type callCounter struct {
	value float64
	at    time.Time
}

// add counts a call and reports whether the tier allows it. A refused call counts too, so that a client that doesn't
// stop is kept out for longer, but the counter never exceeds twice the tier's maximum. With a step, the counter decays
// at the clock's multiples of it only.
func (c *callCounter) add(tier Tier, step time.Duration, now time.Time) bool {
	l, counted := limits[tier]
	if !counted {
		return true
	}
	const tolerance = 1e-6 // of floating point, not of calls
	decayed := now.Sub(c.at)
	if step > 0 {
		decayed = now.Truncate(step).Sub(c.at.Truncate(step))
	}
	c.value = max(0, c.value-l.decay*decayed.Seconds())
	c.at = now
	allowed := c.value+1 <= l.max+tolerance
	c.value = min(c.value+1, 2*l.max)
	return allowed
}

// Kraken locks out who keeps on calling with a key that doesn't exist. How many calls it takes isn't published.
const (
	lockoutAfter  = 10
	lockoutWithin = 5 * time.Minute
	lockoutFor    = 15 * time.Minute
)

// refusals counts a public key's EAPI:Invalid key answers.
type refusals struct {
	count       int
	since       time.Time
	lockedUntil time.Time
}

func (r *refusals) add(now time.Time) {
	if now.Sub(r.since) > lockoutWithin {
		r.count, r.since = 0, now
	}
	if r.count++; r.count >= lockoutAfter {
		r.lockedUntil = now.Add(lockoutFor)
		r.count = 0
	}
}

func (r *refusals) lockedOut(now time.Time) bool {
	return r != nil && now.Before(r.lockedUntil)
}

package krakensim

import (
	"cmp"
	"time"
)

// callCounter is one key's call counter: each call adds to it, time takes it away again.
type callCounter struct {
	value float64
	at    time.Time
}

// DefaultDecayStep is how often the counter decays unless [Key.DecayStep] says otherwise: "every couple of seconds"
// (docs.kraken.com, "Spot REST Rate Limits").
const DefaultDecayStep = 2 * time.Second

// add counts a call of that cost and reports whether the tier allows it; one that costs nothing always is. A refused
// call counts too, so that a client that doesn't stop is kept out for longer, but the counter never exceeds twice the
// tier's maximum. It decays at the clock's multiples of the step only.
func (c *callCounter) add(cost int, tier Tier, step time.Duration, now time.Time) bool {
	limits := tier.limits()
	if limits.maxCalls == 0 || cost == 0 {
		return true
	}
	const tolerance = 1e-6 // of floating point, not of calls
	step = cmp.Or(step, DefaultDecayStep)
	decayed := now.Truncate(step).Sub(c.at.Truncate(step))
	c.value = max(0, c.value-limits.callDecay*decayed.Seconds())
	c.at = now
	allowed := c.value+float64(cost) <= limits.maxCalls+tolerance
	c.value = min(c.value+float64(cost), 2*limits.maxCalls)
	return allowed
}

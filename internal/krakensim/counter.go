package krakensim

import (
	"cmp"
	"time"
)

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

// callCounter is one key's call counter: each call adds to it, time takes it away again.
type callCounter struct {
	value float64
	at    time.Time
}

// DefaultDecayStep is how often the counter decays unless [Key.DecayStep] says otherwise: "every couple of seconds" (docs.kraken.com, "Spot REST Rate
// Limits").
const DefaultDecayStep = 2 * time.Second

// add counts a call of that cost and reports whether the tier allows it; one that costs nothing always is. A refused call counts too, so that
// a client that doesn't stop is kept out for longer, but the counter never exceeds twice the tier's maximum. It decays at the clock's
// multiples of the step only.
func (c *callCounter) add(cost int, tier Tier, step time.Duration, now time.Time) bool {
	l, counted := limits[tier]
	if !counted || cost == 0 {
		return true
	}
	const tolerance = 1e-6 // of floating point, not of calls
	step = cmp.Or(step, DefaultDecayStep)
	decayed := now.Truncate(step).Sub(c.at.Truncate(step))
	c.value = max(0, c.value-l.decay*decayed.Seconds())
	c.at = now
	allowed := c.value+float64(cost) <= l.max+tolerance
	c.value = min(c.value+float64(cost), 2*l.max)
	return allowed
}

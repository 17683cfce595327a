package keeper

import (
	"math"
	"time"
)

// The tiers of Kraken accounts, by which it bounds the calls of an API key.
const (
	TierStarter      = "starter"
	TierIntermediate = "intermediate"
	TierPro          = "pro"
	TierNone         = "none" // not Kraken's: nothing is counted
)

// Tiers are the names that SetTier knows, strictest first.
func Tiers() []string { return []string{TierStarter, TierIntermediate, TierPro, TierNone} }

// limits is how Kraken counts: each call adds 1, the count falls by decay a second, and a call that would bring it over
// most is refused (docs.kraken.com, "Spot REST rate limits").
//
// Of these calls some are kept spare. Kraken takes the decay off in steps, every couple of seconds, so that its count may be two
// seconds' decay above ours. The rest of the spare is for calls that were given up here and reach Kraken later.
type limits struct {
	most, spare int
	decay       float64
}

// allowed is how many calls are made at most before any is forgotten.
func (l *limits) allowed() int { return l.most - l.spare }

var tierLimits = map[string]*limits{
	TierStarter:      {most: 15, spare: 1, decay: 0.33},
	TierIntermediate: {most: 20, spare: 2, decay: 0.5},
	TierPro:          {most: 20, spare: 3, decay: 1},
	TierNone:         nil,
}

// counter is Kraken's call counter for one API key, as far as it is known here: what was called before this process began
// isn't. Keeper.mu guards it.
type counter struct {
	limits *limits // nil: none, and nothing is counted
	// counted is what the counter was at that time.
	counted float64
	at      time.Time
}

// newCounter counts as for starter, the strictest, until it is told the tier.
func newCounter() counter { return counter{limits: tierLimits[TierStarter]} }

// setTier keeps to another tier from now on. What was counted stays counted, for Kraken forgets none of it either. A name that isn't known is starter.
func (c *counter) setTier(tier string, now time.Time) {
	limits, known := tierLimits[tier]
	if !known {
		limits = tierLimits[TierStarter]
	}
	if c.limits != limits {
		c.counted, c.at, c.limits = math.Ceil(c.now(now)), now, limits
	}
}

// now is what the counter is now.
func (c *counter) now(now time.Time) float64 {
	if c.limits == nil {
		return 0
	}
	return max(c.counted-c.limits.decay*now.Sub(c.at).Seconds(), 0)
}

// count counts a call.
func (c *counter) count(now time.Time) {
	if c.limits != nil {
		c.counted, c.at = c.now(now)+1, now
	}
}

// left is how many calls are allowed now; less than 0 where more were made.
func (c *counter) left(now time.Time) float64 {
	if c.limits == nil {
		return math.MaxInt32
	}
	return float64(c.limits.allowed()) - c.now(now)
}

// wait is how long from now it takes until so many more calls are allowed; 0 if they are now.
func (c *counter) wait(now time.Time, calls int) time.Duration {
	missing := float64(calls) - c.left(now)
	if missing <= 0 || c.limits == nil {
		return 0
	}
	// A millisecond more than it takes: floating point mustn't leave a sleeper just short of a call.
	return time.Duration(missing/c.limits.decay*float64(time.Second)) + time.Millisecond
}

// limited tells whether there is a limit.
func (c *counter) limited() bool { return c.limits != nil }

// empty is when Kraken will have forgotten all that was counted.
func (c *counter) empty(now time.Time) time.Time {
	if c.limits == nil {
		return now
	}
	return now.Add(c.wait(now, c.limits.allowed()))
}

package keeper

import (
	"math"
	"time"

	"golang.org/x/time/rate"
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

var tierLimits = map[string]limits{
	TierStarter:      {most: 15, spare: 1, decay: 0.33},
	TierIntermediate: {most: 20, spare: 2, decay: 0.5},
	TierPro:          {most: 20, spare: 3, decay: 1},
}

// counter is Kraken's call counter for one API key, as far as it is known here: what was called before this process began
// isn't. Keeper.mu guards it.
type counter struct{ *rate.Limiter }

// newCounter counts as for starter, the strictest, until it is told the tier.
func newCounter() counter { return counter{rate.NewLimiter(tierRate(TierStarter))} }

// setTier keeps to another tier from now on. What was counted stays counted, for Kraken forgets none of it either.
func (c *counter) setTier(tier string, now time.Time) {
	counted := float64(c.Burst()) - c.TokensAt(now)
	c.Limiter = rate.NewLimiter(tierRate(tier))
	for range int(math.Ceil(counted)) {
		c.count(now)
	}
}

// tierRate is how a tier counts. A name that isn't known counts as starter.
func tierRate(tier string) (decay rate.Limit, burst int) {
	if tier == TierNone {
		return rate.Inf, math.MaxInt32
	}
	known, ok := tierLimits[tier]
	if !ok {
		known = tierLimits[TierStarter]
	}
	return rate.Limit(known.decay), known.most - known.spare
}

// count counts a call.
func (c counter) count(now time.Time) { c.ReserveN(now, 1) }

// wait is how long from now it takes until so many more calls are allowed; 0 if they are now.
func (c counter) wait(now time.Time, calls int) time.Duration {
	missing := float64(calls) - c.TokensAt(now)
	if missing <= 0 || !c.limited() {
		return 0
	}
	// A millisecond more than it takes: floating point mustn't leave a sleeper just short of a call.
	return time.Duration(missing/float64(c.Limit())*float64(time.Second)) + time.Millisecond
}

// limited tells whether there is a limit.
func (c counter) limited() bool { return c.Limit() != rate.Inf }

// empty is when Kraken will have forgotten all that was counted.
func (c counter) empty(now time.Time) time.Time { return now.Add(c.wait(now, c.Burst())) }

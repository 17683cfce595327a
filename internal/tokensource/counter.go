package tokensource

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
	TierNone         = "none" // not Kraken's: the engine doesn't count
)

// Tiers are the names that NewCounter knows, strictest first.
func Tiers() []string { return []string{TierStarter, TierIntermediate, TierPro, TierNone} }

// limits is how Kraken counts: each call adds 1, the count falls by decay a second, and a call that would bring it
// over max is refused (docs.kraken.com, "Spot REST rate limits").
type limits struct {
	max   int
	decay float64
}

var tierLimits = map[string]limits{
	TierStarter:      {max: 15, decay: 0.33},
	TierIntermediate: {max: 20, decay: 0.5},
	TierPro:          {max: 20, decay: 1},
}

// spareCalls is how many calls fewer than Kraken allows are made at once. The count that Guard keeps is never below
// Kraken's as long as each call is answered (see Guard.call). The spare call is for what that leaves out: a call that
// timed out here may still reach Kraken later, when a configuration is replaced the old chain's last call may be under
// way beside the new chain's first, and Kraken may take its decay in steps.
const spareCalls = 1

// NewCounter makes the call counter for a tier of [Tiers]. For "none" it counts nothing until [SetTier] gives it another
// tier; a name that isn't known counts as starter, the strictest.
//
// Kraken counts per API key, so the counter belongs to the key and should outlive the Guard that uses it.
// It starts empty, though Kraken's may not be: what was called before this process started isn't known here.
func NewCounter(tier string) *rate.Limiter {
	return rate.NewLimiter(counterLimits(tier))
}

// SetTier makes a counter in use keep to another tier from now on. What it has counted stays counted, for Kraken forgets
// none of it either.
func SetTier(counter *rate.Limiter, tier string) {
	decay, burst := counterLimits(tier)
	counter.SetLimit(decay)
	counter.SetBurst(burst)
}

func counterLimits(tier string) (decay rate.Limit, burst int) {
	if tier == TierNone {
		return rate.Inf, math.MaxInt32
	}
	known, ok := tierLimits[tier]
	if !ok {
		known = tierLimits[TierStarter]
	}
	return rate.Limit(known.decay), known.max - spareCalls
}

// counterWait is how long from now it takes until the counter allows the given number of calls;
// zero or less if it does now.
func counterWait(counter *rate.Limiter, now time.Time, calls int) time.Duration {
	if counter == nil {
		return 0
	}
	missing := float64(calls) - counter.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	// A millisecond more than it takes: floating point mustn't leave a sleeper just short of a call.
	return time.Duration(missing/float64(counter.Limit())*float64(time.Second)) + time.Millisecond
}

// counterStep is how often the counter allows a call in the long run.
func counterStep(counter *rate.Limiter) time.Duration {
	return time.Duration(float64(time.Second) / float64(counter.Limit()))
}

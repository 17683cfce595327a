package krakensim

import "fmt"

// A Tier is a Kraken verification level. It decides how large a key's call counter may grow and how fast it decays.
type Tier string

// The tiers Kraken has, and none, which doesn't count. The empty Tier is none.
const (
	TierStarter      Tier = "starter"
	TierIntermediate Tier = "intermediate"
	TierPro          Tier = "pro"
	TierNone         Tier = "none"
)

// tierLimits are a tier's counters: how far each may grow, and by how much it goes down in a second.
type tierLimits struct {
	maxCalls     float64 // of REST; 0 if it has no end
	callDecay    float64
	maxRateCount int // of trading, of which subscriptions tell
	rateDecay    float64
}

// tiers have the call counters of support.kraken.com, "What are the API rate limits?", and the trading limits of
// docs.kraken.com, "Spot Trading Limits". Kraken has nobody without limits. Its WebSockets tell of some in every answer,
// so who isn't limited here is told Pro's, the highest.
var tiers = map[Tier]tierLimits{
	TierStarter:      {maxCalls: 15, callDecay: 0.33, maxRateCount: 60, rateDecay: 1},
	TierIntermediate: {maxCalls: 20, callDecay: 0.5, maxRateCount: 125, rateDecay: 2.34},
	TierPro:          {maxCalls: 20, callDecay: 1, maxRateCount: 180, rateDecay: 3.75},
	TierNone:         {maxRateCount: 180, rateDecay: 3.75},
}

// limits are those of a tier, and none's of what is no tier.
func (t Tier) limits() tierLimits {
	if limits, known := tiers[t]; known {
		return limits
	}
	return tiers[TierNone]
}

func (t Tier) validate() error {
	if _, known := tiers[t]; !known && t != "" {
		return fmt.Errorf("unknown tier %q: want starter, intermediate, pro or none", t)
	}
	return nil
}

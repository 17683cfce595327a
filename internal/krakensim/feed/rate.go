package feed

import (
	"math"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// rateMemory is how long an increment of the trading rate counter is remembered. Any count that Kraken allows has decayed by
// then: no tier's goes above 180, or down by less than 1 a second.
const rateMemory = 3 * time.Minute

// tradingRate is Kraken's counter of what an account does on its markets, as subscriptions with "ratecounter" tell it
// (docs.kraken.com/api/docs/guides/spot-ratelimits). It counts what succeeds, and refuses nothing. Feed.mu guards it.
type tradingRate struct {
	increments map[string][]rateIncrement // by the pair's ID, oldest first
	resting    map[string]time.Time       // since when an open order has been as it is, by its ID
}

type rateIncrement struct {
	at     time.Time
	amount float64
}

func newTradingRate() *tradingRate {
	return &tradingRate{increments: make(map[string][]rateIncrement), resting: make(map[string]time.Time)}
}

// rateSteps is what a transaction costs beside its fixed part, by how long its order has rested.
type rateSteps []struct {
	under  time.Duration
	amount float64
}

var (
	amendSteps = rateSteps{{5 * time.Second, 3}, {10 * time.Second, 2}, {15 * time.Second, 1}}
	editSteps  = rateSteps{
		{5 * time.Second, 6}, {10 * time.Second, 5}, {15 * time.Second, 4}, {45 * time.Second, 2}, {90 * time.Second, 1},
	}
	cancelSteps = rateSteps{
		{5 * time.Second, 8}, {10 * time.Second, 6}, {15 * time.Second, 5}, {45 * time.Second, 4}, {90 * time.Second, 2},
		{5 * time.Minute, 1},
	}
)

func (steps rateSteps) amount(rested time.Duration) float64 {
	for _, step := range steps {
		if rested < step.under {
			return step.amount
		}
	}
	return 0
}

// observe counts what has happened to an order.
func (r *tradingRate) observe(e paper.Event) {
	id := e.Order.ID
	rested := e.At.Sub(r.resting[id])
	switch e.Type {
	case paper.PendingNew:
		r.add(e, 1) // an edit's fixed part is as much
		r.resting[id] = e.At
	case paper.Amended:
		r.add(e, 1+amendSteps.amount(rested))
		r.resting[id] = e.At
	case paper.WasCanceled:
		steps := cancelSteps
		if e.Order.Reason == paper.Replaced {
			steps = editSteps
		}
		r.add(e, steps.amount(rested))
		delete(r.resting, id)
	case paper.WasFilled:
		delete(r.resting, id)
	}
}

func (r *tradingRate) add(e paper.Event, amount float64) {
	pair := e.Order.Pair.ID
	list := append(r.increments[pair], rateIncrement{e.At, amount})
	for e.At.Sub(list[0].at) > rateMemory {
		list = list[1:]
	}
	r.increments[pair] = list
}

// count is where the pair's counter stands, rounded up, if it goes down by so much a second.
func (r *tradingRate) count(pair paper.Pair, decay float64, now time.Time) int {
	count := 0.0
	var last time.Time
	down := func(to time.Time) {
		count = max(0, count-decay*to.Sub(last).Seconds())
		last = to
	}
	for _, increment := range r.increments[pair.ID] {
		down(increment.at)
		count += increment.amount
	}
	down(now)
	return int(math.Ceil(count))
}

// rateCount is what a subscription tells of the counter for a pair.
func (sub *subscription) rateCount(f *Feed, pair paper.Pair) int {
	return f.account(sub.session.APIKey).rate.count(pair, sub.session.RateDecay, time.Now())
}

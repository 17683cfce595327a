package feed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func TestTheTradingRateCounterGoesByHowLongOrdersRested(t *testing.T) {
	price := 19_000.0
	amend := func(a *paper.Account, id string, now time.Time) error {
		_, _, err := a.Amend(id, paper.Change{Price: &price}, now)
		return err
	}
	edit := func(a *paper.Account, id string, now time.Time) error {
		_, err := a.Edit(id, paper.Change{Price: &price}, now)
		return err
	}
	cancel := func(a *paper.Account, id string, now time.Time) error {
		_, err := a.Cancel(id, now)
		return err
	}
	fill := func(a *paper.Account, id string, now time.Time) error {
		_, err := a.Fill(id, 0, 0, now)
		return err
	}
	tests := map[string]struct {
		rested time.Duration
		do     func(*paper.Account, string, time.Time) error
		want   int // beside the order itself, which is 1
	}{
		"amend at once":  {0, amend, 4},
		"amend later":    {5 * time.Second, amend, 3},
		"amend late":     {15 * time.Second, amend, 1},
		"edit at once":   {0, edit, 7},
		"edit late":      {90 * time.Second, edit, 1},
		"cancel at once": {0, cancel, 8},
		"cancel later":   {9 * time.Second, cancel, 6},
		"cancel late":    {5 * time.Minute, cancel, 0},
		"filled":         {0, fill, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			account, rate := paper.NewAccount(), newTradingRate()
			observe := func() {
				for _, e := range account.TakeEvents() {
					rate.observe(e)
				}
			}
			o, err := account.Place(order, noon)
			require.NoError(t, err)
			observe()
			assert.Equal(t, 1, rate.count(order.Pair, 0, noon))
			now := noon.Add(test.rested)
			require.NoError(t, test.do(account, o.ID, now))
			observe()
			first := 1
			if test.rested > rateMemory {
				first = 0
			}
			assert.Equal(t, first+test.want, rate.count(order.Pair, 0, now))
			assert.Zero(t, rate.count(paper.Pairs[1], 0, now), "each pair has its own")
			assert.Len(t, rate.resting, len(account.Open()), "it keeps no more than it needs")
		})
	}
}

func TestTheTradingRateCounterDecaysToZero(t *testing.T) {
	account, rate := paper.NewAccount(), newTradingRate()
	place := func(count int, at time.Time) {
		for range count {
			_, err := account.Place(order, at)
			require.NoError(t, err)
		}
		for _, e := range account.TakeEvents() {
			rate.observe(e)
		}
	}
	place(4, noon)
	assert.Equal(t, 4, rate.count(order.Pair, 2.34, noon))
	assert.Equal(t, 2, rate.count(order.Pair, 2.34, noon.Add(time.Second)), "1.66, rounded up")
	assert.Zero(t, rate.count(order.Pair, 2.34, noon.Add(time.Minute)))
	place(3, noon.Add(time.Minute))
	assert.Equal(t, 3, rate.count(order.Pair, 2.34, noon.Add(time.Minute)), "it doesn't go under zero")
}

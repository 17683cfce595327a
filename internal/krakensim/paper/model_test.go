package paper

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestWhateverHappensTheBooksBalance has an account go through anything, and checks after each step that no money appears or
// vanishes, that nothing is negative, and that the events tell of what there is.
func TestWhateverHappensTheBooksBalance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := books{Account: NewAccount(), told: make(map[string]Order), paid: make(map[string]float64)}
		amount := rapid.OneOf(
			rapid.SampledFrom([]float64{0.1, 0.3, 1e-8, 0.00005, 0.001, 4.98753117, 50, -1, math.NaN(), math.Inf(1), 1e300}),
			rapid.Float64Range(0, 3),
		)
		price := rapid.OneOf(rapid.SampledFrom([]float64{0.1, 1.5, 20_000, 50_000, 1e9, 1e308}), rapid.Map(rapid.IntRange(1, 600_000),
			func(dimes int) float64 { return float64(dimes) / 10 }))
		optional := func(numbers *rapid.Generator[float64]) *float64 { return rapid.Ptr(numbers, true).Draw(t, "changed") }
		any := func(ids []string) string {
			if len(ids) == 0 {
				return "OAAAAA-BBBBB-CCCCCC"
			}
			return rapid.SampledFrom(ids).Draw(t, "id")
		}
		at := now
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				at = at.Add(time.Second)
				b.Expire(at)
				b.check(t)
			},
			"place": func(t *rapid.T) {
				r := Request{
					Pair: rapid.SampledFrom(Pairs).Draw(t, "pair"), Side: rapid.SampledFrom([]string{"buy", "sell"}).Draw(t, "side"),
					Type:     rapid.SampledFrom([]string{"limit", "limit", "limit", "market"}).Draw(t, "type"),
					Quantity: amount.Draw(t, "quantity"), Price: price.Draw(t, "price"),
					ClientID: rapid.SampledFrom([]string{"", "", "a", "b"}).Draw(t, "client"),
				}
				checked := b.Check(r)
				_, err := b.Place(r, at)
				require.Equal(t, checked, err, "both say the same")
			},
			"all of it": func(t *rapid.T) {
				o := with(rapid.SampledFrom([]Request{buy, sell}).Draw(t, "order"), func(r *Request) { r.Price = price.Draw(t, "price") })
				spends := o.Pair.Base
				if o.Quantity = b.available(spends, nil); o.Side == "buy" {
					o.Quantity = math.Floor(b.available(o.Pair.Quote, nil)/o.Price/(1+FeeRate)*1e8) / 1e8
				}
				_, _ = b.Place(o, at)
			},
			"fill": func(t *rapid.T) {
				id := any(b.ids())
				o, open := b.Find(id)
				quantity := rapid.OneOf(rapid.Just(0.0), amount, rapid.Map(rapid.Float64Range(0, 1),
					func(part float64) float64 { return part * o.Rest() })).Draw(t, "quantity")
				price := rapid.OneOf(rapid.Just(0.0), price).Draw(t, "price")
				if _, err := b.Fill(id, quantity, price, at); open && quantity == 0 && price == 0 {
					require.NoError(t, err, "an order that was taken can be filled")
				}
			},
			"amend": func(t *rapid.T) {
				_, _, _ = b.Amend(any(b.ids()), Change{Quantity: optional(amount), Price: optional(price)}, at)
			},
			"edit": func(t *rapid.T) {
				_, _ = b.Edit(any(b.ids()), Change{Quantity: optional(amount), Price: optional(price)}, at)
			},
			"cancel":       func(*rapid.T) { _, _ = b.Cancel(any(b.ids()), at) },
			"cancel again": func(*rapid.T) { _, _ = b.Cancel(any(b.gone), at) },
			"cancel all":   func(*rapid.T) { b.CancelAll(at) },
			"switch": func(t *rapid.T) {
				_, _ = b.CancelAllAfter(rapid.Int64Range(-1, 5).Draw(t, "seconds"), at)
			},
		})
	})
}

// books are an account, and what its events have told.
type books struct {
	*Account
	told map[string]Order   // the open orders
	gone []string           // ids of the closed ones
	paid map[string]float64 // by asset, the sum of the ledger
}

func (b *books) ids() (ids []string) {
	for _, o := range b.Open() {
		ids = append(ids, o.ID)
	}
	return ids
}

func (b *books) check(t *rapid.T) {
	for _, e := range b.TakeEvents() {
		require.NotContains(t, b.gone, e.Order.ID, "nothing happens to an order that is closed")
		switch e.Type {
		case WasFilled, WasCanceled:
			delete(b.told, e.Order.ID)
			b.gone = append(b.gone, e.Order.ID)
		case Traded:
			for _, entry := range e.Trade.Entries {
				require.False(t, entry.Amount == 0 && math.Signbit(entry.Amount), "nobody writes -0")
				b.paid[entry.Asset.Code] += entry.Amount - entry.Fee
				require.InDelta(t, entry.Asset.Start+b.paid[entry.Asset.Code], entry.Balance, noise(entry.Balance))
			}
			require.GreaterOrEqual(t, e.Trade.Cost, 0.0)
			require.GreaterOrEqual(t, e.Trade.Fee, 0.0)
			require.InEpsilon(t, 1+e.Trade.Quantity*e.Trade.Price, 1+e.Trade.Cost, 1e-5)
			b.told[e.Order.ID] = e.Order
		default:
			b.told[e.Order.ID] = e.Order
		}
	}
	open := b.Open()
	require.Len(t, open, len(b.told))
	for _, o := range open {
		require.Equal(t, b.told[o.ID], o)
		require.Positive(t, o.Rest())
		require.InDelta(t, o.Cost*FeeRate, o.Fee, noise(o.Cost))
	}
	for _, o := range b.Closed() {
		require.True(t, slices.Contains(b.gone, o.ID) && o.Status != Open && !o.Closed.IsZero())
	}
	for _, asset := range Assets {
		balance, held := b.Balance(asset.Code), b.Held(asset.Code)
		require.InDelta(t, asset.Start+b.paid[asset.Code], balance, noise(balance), asset.Code)
		require.False(t, math.Signbit(held) || math.Signbit(balance), asset.Code)
		require.GreaterOrEqual(t, balance+1e-15*balance, held, asset.Code)
	}
}

// noise is by how much numbers may differ that are the same: a trade's last decimal, and floating point, for an account that buys
// cheap and sells dear gets very rich.
func noise(number float64) float64 { return 1e-5 + 1e-9*math.Abs(number) }

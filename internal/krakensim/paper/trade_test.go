package paper

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAFillMovesMoney(t *testing.T) {
	a := NewAccount()
	o := place(t, a, buy)
	first, err := a.Fill(o.ID, 0.1, 19_999, now)
	require.NoError(t, err)
	assert.Equal(t, []EventType{Traded}, happened(a))
	assert.Equal(t, []any{0.1, 19_999.0, 1_999.9, 4.99975, int64(1)},
		[]any{first.Quantity, first.Price, first.Cost, first.Fee, first.Number})
	assert.Equal(t, []any{Open, 0.1, 1_999.9}, []any{first.Order.Status, first.Order.Executed, first.Order.Cost})
	assert.Equal(t, 2.1, a.Balance("BTC"))
	assert.Equal(t, 97_995.1003, a.Balance("USD"), "rounded to what a dollar has")
	assert.InDelta(t, 0.4*20_000*1.0025, a.Held("USD"), 1e-9)

	second, err := a.Fill(o.ID, 0, 0, now)
	require.NoError(t, err)
	events := a.TakeEvents()
	require.Len(t, events, 2)
	assert.Equal(t, []EventType{Traded, WasFilled}, []EventType{events[0].Type, events[1].Type})
	assert.Equal(t, second, *events[0].Trade)
	assert.Equal(t, []any{0.4, 20_000.0}, []any{second.Quantity, second.Price}, "all that was left, at its own price")
	done := a.Closed()[0]
	assert.Equal(t, []any{Filled, 0.5, 0.0, 9_999.9, 19_999.8, []string{first.ID, second.ID}},
		[]any{done.Status, done.Executed, done.Rest(), done.Cost, done.AveragePrice(), done.Trades})
	assert.Equal(t, done, second.Order)
	assert.Equal(t, []Trade{first, second}, a.Trades())
	assert.Equal(t, []Trade{second, first}, a.LastTrades(50))
	assert.Equal(t, []Trade{second}, a.LastTrades(1))
	assert.Empty(t, a.Open())
	assert.Zero(t, a.Held("USD"))
	assert.Equal(t, 2.5, a.Balance("BTC"))
}

func TestALedgerHasBothSidesOfATrade(t *testing.T) {
	a := NewAccount()
	o := place(t, a, sell)
	trade, err := a.Fill(o.ID, 2, 0, now)
	require.NoError(t, err)
	require.Len(t, trade.Entries, 2)
	ether, dollars := trade.Entries[0], trade.Entries[1]
	assert.Equal(t, []any{"ETH", -2.0, 0.0, 48.0}, []any{ether.Asset.Code, ether.Amount, ether.Fee, ether.Balance})
	assert.Equal(t, []any{"USD", 6_001.0, 15.0025, 105_985.9975},
		[]any{dollars.Asset.Code, dollars.Amount, dollars.Fee, dollars.Balance})
	assert.Equal(t, dollars.Balance, a.Balance("USD"))
}

func TestALedgerHasTheDecimalsOfItsAsset(t *testing.T) {
	a := NewAccount()
	o := place(t, a, with(buy, func(r *Request) { r.Quantity, r.Price = 0.1, 20_001.5 }))
	trade, err := a.Fill(o.ID, 0, 0, now)
	require.NoError(t, err)
	assert.Equal(t, []any{2_000.15, 5.00038}, []any{trade.Cost, trade.Fee})
	dollars := trade.Entries[1]
	assert.Equal(t, []any{-2_000.15, 5.0004, 97_994.8496}, []any{dollars.Amount, dollars.Fee, dollars.Balance})
}

func TestAFillThatCannotBe(t *testing.T) {
	for name, test := range map[string]struct {
		request         Request
		quantity, price float64
		want            Refusal
	}{
		"more than is left":             {buy, 0.50000001, 0, Invalid("volume")},
		"less than nothing":             {buy, -1, 0, Invalid("volume")},
		"a price below nothing":         {buy, 0, -1, Invalid("price")},
		"dearer than the buyer's limit": {buy, 0, 20_000.1, Invalid("price")},
		"below the seller's limit":      {sell, 0, 3_000.49, Invalid("price")},
	} {
		t.Run(name, func(t *testing.T) {
			a := NewAccount()
			o := place(t, a, test.request)
			_, err := a.Fill(o.ID, test.quantity, test.price, now)
			assert.Equal(t, test.want, err)
			assert.Equal(t, []Order{o}, a.Open())
			assert.Empty(t, a.TakeEvents())
			assert.Empty(t, a.Trades())
		})
	}
	_, err := NewAccount().Fill("OAAAAA-BBBBB-CCCCCC", 0, 0, now)
	assert.Equal(t, UnknownOrder, err)
}

package paper

import "time"

// Trade is a part of an order that was executed, or all of it.
type Trade struct {
	ID       string
	Number   int64 // counted from 1
	Order    Order // as it was afterwards
	Price    float64
	Quantity float64
	Cost     float64 // without Fee
	Fee      float64 // in the pair's quote
	At       time.Time
	Entries  []Entry // what it did to the balances
}

// Entry is a line of the account's ledger. Its amounts have the decimals of its asset, which may be fewer than a trade's.
type Entry struct {
	ID      string
	Asset   Asset
	Amount  float64 // in if positive, out if negative, without Fee
	Fee     float64
	Balance float64 // afterwards
}

// Fill executes an open order, or so much of it, at a price; zero for all that is left, and for the order's own price. Both
// are rounded to what the pair allows. The error is a [Refusal].
func (a *Account) Fill(id string, quantity, price float64, now time.Time) (Trade, error) {
	o, err := a.named(id)
	if err != nil {
		return Trade{}, err
	}
	if quantity == 0 {
		quantity = o.Rest()
	}
	if price == 0 {
		price = o.Price
	}
	quantity, price = round(quantity, VolumeDecimals), round(price, o.Pair.Decimals)
	switch {
	case !positive(quantity) || quantity > o.Rest():
		return Trade{}, InvalidVolume
	case !positive(price),
		o.Side == "buy" && price > o.Price, o.Side == "sell" && price < o.Price: // worse than the order's limit
		return Trade{}, InvalidPrice
	}
	a.traded++
	trade := Trade{ID: newID("T"), Number: a.traded, Price: price, Quantity: quantity, At: now}
	trade.Cost = round(quantity*price, o.Pair.CostDecimals)
	trade.Fee = round(trade.Cost*FeeRate, o.Pair.CostDecimals)
	trade.Entries = a.settle(o, trade)

	o.Executed = round(o.Executed+quantity, VolumeDecimals)
	o.Cost = round(o.Cost+trade.Cost, o.Pair.CostDecimals)
	o.Fee = round(o.Fee+trade.Fee, o.Pair.CostDecimals)
	o.Trades = append(o.Trades, trade.ID)
	done := o.Rest() == 0
	if done {
		a.close(o, Filled, now)
	}
	trade.Order = o.copy()
	a.trades = last(append(a.trades, trade), maxTrades)
	a.tell(Event{Type: Traded, Order: trade.Order, Trade: &trade, At: now})
	if done {
		a.tell(Event{Type: WasFilled, Order: trade.Order, At: now})
	}
	return trade, nil
}

// settle moves what a trade moves, and returns it as lines of the ledger.
func (a *Account) settle(o *Order, trade Trade) []Entry {
	sign := 1.0
	if o.Side == "sell" {
		sign = -1
	}
	return []Entry{
		a.enter(o.Pair.Base, sign*trade.Quantity, 0),
		a.enter(o.Pair.Quote, -sign*trade.Cost, trade.Fee),
	}
}

func (a *Account) enter(code string, amount, fee float64) Entry {
	asset := FindAsset(code)
	entry := Entry{ID: newID("L"), Asset: asset, Amount: round(amount, asset.Decimals), Fee: round(fee, asset.Decimals)}
	a.balances[code] = round(a.balances[code]+entry.Amount-entry.Fee, asset.Decimals)
	entry.Balance = a.balances[code]
	return entry
}

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

// NoPosition is the position of all trades without margin, in recordings of several accounts.
const NoPosition = "TKH2SE-M7IF5-CFI7LT"

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
	case !possible(quantity) || quantity > o.Rest():
		return Trade{}, Invalid("volume")
	case !possible(price),
		o.Side == "buy" && price > o.Price, o.Side == "sell" && price < o.Price: // worse than the order's limit
		return Trade{}, Invalid("price")
	}
	a.traded++
	trade := Trade{ID: newID("T"), Number: a.traded, Price: price, Quantity: quantity, At: now}
	before := *o
	o.Executed = round(o.Executed+quantity, VolumeDecimals)
	o.exact = o.exactly(quantity, price)
	o.Cost, o.Fee = o.Pair.costs(o.exact)
	trade.Cost, trade.Fee = round(o.Cost-before.Cost, o.Pair.CostDecimals), round(o.Fee-before.Fee, o.Pair.CostDecimals)
	trade.Entries = a.settle(&before, o)
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

// exactly is what the order has cost with so much more of it, before it is rounded. Its decimals are those of volume and price.
func (o *Order) exactly(quantity, price float64) float64 {
	return round(o.exact+quantity*price, VolumeDecimals+o.Pair.Decimals)
}

// costs rounds what was executed to a cost, and adds the fee. An order's trades add up to that, so that what is lost by rounding
// doesn't grow with their number, and they never cost more than the order holds.
func (p Pair) costs(exact float64) (cost, fee float64) {
	cost = round(exact, p.CostDecimals)
	return cost, round(cost*FeeRate, p.CostDecimals)
}

// booked is what the ledger has of a cost and a fee.
func (p Pair) booked(cost, fee float64) (bookedCost, bookedFee float64) {
	decimals := FindAsset(p.Quote).Decimals
	return round(cost, decimals), round(fee, decimals)
}

// toPay is what a buyer has to pay for the rest of an order, with the fee.
func (o *Order) toPay() float64 {
	price := o.Price
	if o.Type == "market" {
		price = FindAsset(o.Pair.Base).Worth / FindAsset(o.Pair.Quote).Worth
	}
	cost, fee := o.Pair.booked(o.Pair.costs(o.exactly(o.Rest(), price)))
	paidCost, paidFee := o.Pair.booked(o.Cost, o.Fee)
	return cost + fee - paidCost - paidFee
}

// settle moves what a trade moves, and returns it as lines of the ledger.
func (a *Account) settle(before, after *Order) []Entry {
	sign := 1.0
	if after.Side == "sell" {
		sign = -1
	}
	cost, fee := after.Pair.booked(after.Cost, after.Fee)
	costBefore, feeBefore := before.Pair.booked(before.Cost, before.Fee)
	return []Entry{
		a.enter(after.Pair.Base, sign*(after.Executed-before.Executed), 0),
		a.enter(after.Pair.Quote, -sign*(cost-costBefore), fee-feeBefore),
	}
}

func (a *Account) enter(code string, amount, fee float64) Entry {
	asset := FindAsset(code)
	entry := Entry{ID: newID("L"), Asset: asset, Amount: round(amount, asset.Decimals), Fee: round(fee, asset.Decimals)}
	a.balances[code] = round(a.balances[code]+entry.Amount-entry.Fee, asset.Decimals)
	entry.Balance = a.balances[code]
	return entry
}

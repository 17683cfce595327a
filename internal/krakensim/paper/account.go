// Package paper is the made-up account that stands behind each API key of the simulator: its balances, orders and trades.
// Nothing trades by itself. A limit order rests until it is canceled, or filled by [Account.Fill]; a market order finds
// nobody to trade with and is canceled at once.
//
// It speaks Kraken's refusals and event names; it knows no message: REST, WebSocket v1 and v2 decode what they get, call the
// account, and encode what they find.
package paper

import (
	"slices"
	"time"
)

const (
	maxOpen   = 60    // orders at once, of a pair: those of Kraken's tier Starter
	maxClosed = 1_000 // orders that are remembered
	maxTrades = 1_000 // that are remembered
)

// Account is a paper account. It isn't safe for concurrent use: whoever shares it guards it by a lock of its own.
type Account struct {
	open     []*Order // oldest first
	closed   []*Order // oldest first
	trades   []Trade  // oldest first
	balances map[string]float64
	cancelAt time.Time // when CancelAllAfter does; zero for never
	events   []Event
	traded   int64 // how many trades there were
}

// NewAccount returns an account that holds what each begins with.
func NewAccount() *Account {
	a := &Account{balances: make(map[string]float64)}
	for _, asset := range Assets {
		a.balances[asset.Code] = asset.Start
	}
	return a
}

// Open returns the open orders, oldest first.
func (a *Account) Open() []Order { return copies(a.open) }

// Closed returns the last 1,000 orders that were filled or canceled, the one that was closed first first.
func (a *Account) Closed() []Order { return copies(a.closed) }

// Trades returns the last 1,000 trades, oldest first.
func (a *Account) Trades() []Trade { return slices.Clone(a.trades) }

// LastTrades returns the last trades, up to a number of them, the newest first.
func (a *Account) LastTrades(count int) []Trade {
	trades := slices.Clone(last(a.trades, count))
	slices.Reverse(trades)
	return trades
}

func copies(orders []*Order) []Order {
	list := make([]Order, len(orders))
	for i, o := range orders {
		list[i] = o.copy()
	}
	return list
}

func (o *Order) copy() Order {
	c := *o
	c.Trades = slices.Clip(o.Trades) // shared: it only grows, and trades remember a copy each
	return c
}

// Balance is how much of an asset the account has, held or not.
func (a *Account) Balance(code string) float64 { return a.balances[code] }

// Held is how much of an asset the open orders hold: what they would pay, with the fee.
func (a *Account) Held(code string) float64 {
	held := 0.0
	for _, o := range a.open {
		held += o.holds(code)
	}
	return round(held, FindAsset(code).Decimals)
}

func (o *Order) holds(code string) float64 {
	switch {
	case o.Side == "buy" && o.Pair.Quote == code:
		return o.toPay()
	case o.Side == "sell" && o.Pair.Base == code:
		return o.Rest()
	}
	return 0
}

// available is how much of an asset isn't held, but by the order given, if any: one that changes has its own.
func (a *Account) available(code string, but *Order) float64 {
	free := a.balances[code] - a.Held(code)
	if but != nil {
		free += but.holds(code)
	}
	return round(free, FindAsset(code).Decimals)
}

// Check returns the [Refusal] for the first order that can't be placed after those before it; nil if all can.
func (a *Account) Check(requests ...Request) error {
	trial := Account{open: slices.Clone(a.open), balances: a.balances} // which placing orders leaves alone
	for _, r := range requests {
		if _, err := trial.Place(r, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

// draft makes an order of a request, to be placed or, if it isn't nil, in the place of another.
func (a *Account) draft(r Request, replaced *Order) (*Order, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	r = r.normalized()
	if a.byClientID(r.ClientID) != nil {
		return nil, Refusal("EGeneral:Invalid arguments:cl_ord_id not unique")
	}
	if replaced == nil && a.count(r.Pair) >= maxOpen {
		return nil, Refusal("EOrder:Orders limit exceeded")
	}
	o := &Order{Request: r, Status: Open}
	return o, a.affordable(o, replaced)
}

// count is how many open orders a pair has.
func (a *Account) count(pair Pair) (count int) {
	for _, o := range a.open {
		if o.Pair == pair {
			count++
		}
	}
	return count
}

// affordable refuses an order for which the account has too little. If it takes the place of another, what that one holds
// counts as free.
func (a *Account) affordable(o, replaced *Order) error {
	for _, code := range []string{o.Pair.Base, o.Pair.Quote} {
		if needs := o.holds(code); needs > 0 && needs > a.available(code, replaced) {
			return Refusal("EOrder:Insufficient funds")
		}
	}
	return nil
}

// Place puts an order on the book. The error is a [Refusal]. A market order, and one that is to be filled immediately or
// canceled, is canceled before Place returns.
func (a *Account) Place(r Request, now time.Time) (Order, error) {
	o, err := a.draft(r, nil)
	if err != nil {
		return Order{}, err
	}
	a.add(o, now)
	return o.copy(), nil
}

func (a *Account) add(o *Order, now time.Time) {
	o.ID, o.Opened = newID("O"), now
	a.open = append(a.open, o)
	a.tell(Event{Type: PendingNew, Order: o.copy(), At: now})
	a.tell(Event{Type: New, Order: o.copy(), At: now})
	if o.Type == "market" || o.TimeInForce == "IOC" {
		a.cancel(o, "Order has no counterparty", now)
	}
}

// Find returns the open order with Kraken's id; false if there is none.
func (a *Account) Find(id string) (Order, bool) {
	o := a.byID(id)
	if o == nil {
		return Order{}, false
	}
	return o.copy(), true
}

func (a *Account) byID(id string) *Order {
	return a.first(func(o *Order) bool { return o.ID == id })
}

func (a *Account) byClientID(id string) *Order {
	if id == "" {
		return nil
	}
	return a.first(func(o *Order) bool { return o.ClientID == id })
}

// named returns the open order with Kraken's id. The error is a [Refusal].
func (a *Account) named(id string) (*Order, error) {
	if !idForm.MatchString(id) {
		return nil, InvalidOrder
	}
	o := a.byID(id)
	if o == nil {
		return nil, UnknownOrder
	}
	return o, nil
}

// Recall returns the order with Kraken's id, open or closed. The error is a [Refusal].
func (a *Account) Recall(id string) (Order, error) {
	o, err := a.named(id)
	if i := slices.IndexFunc(a.closed, func(o *Order) bool { return o.ID == id }); i >= 0 {
		o, err = a.closed[i], nil
	}
	if err != nil {
		return Order{}, err
	}
	return o.copy(), nil
}

func (a *Account) first(match func(*Order) bool) *Order {
	if i := slices.IndexFunc(a.open, match); i >= 0 {
		return a.open[i]
	}
	return nil
}

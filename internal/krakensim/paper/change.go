package paper

import (
	"slices"
	"time"
)

// UserRequested is the reason of what was amended or canceled by a request for it.
const UserRequested = "User requested"

// Change is what is to be different about an order. What is nil stays.
type Change struct {
	Pair     *Pair    // isn't changed: it has to be the order's
	Quantity *float64 // in all, with what was executed
	Price    *float64

	// Of the order that Edit makes.
	PostOnly   *bool
	ReduceOnly *bool
	Userref    *int64
}

func (c Change) of(r Request) Request {
	set(&r.Quantity, c.Quantity)
	set(&r.Price, c.Price)
	set(&r.PostOnly, c.PostOnly)
	set(&r.ReduceOnly, c.ReduceOnly)
	set(&r.Userref, c.Userref)
	return r
}

func set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}

// Amend changes an open order, which keeps its id and what was executed of it. If that is the new quantity or more, the rest is
// canceled. The error is a [Refusal].
func (a *Account) Amend(id string, change Change, now time.Time) (amendID string, _ Order, err error) {
	o, changed, err := a.changed(id, change)
	if err != nil {
		return "", Order{}, err
	}
	if changed.Rest() <= 0 {
		a.cancel(o, UserRequested, now)
		return newID("T"), o.copy(), nil
	}
	o.Request, o.Amended = changed.Request, true
	a.tell(Event{Type: Amended, Order: o.copy(), At: now})
	return newID("T"), o.copy(), nil
}

// toChange returns an open order that is in the pair in which a change has it. The error is a [Refusal].
func (a *Account) toChange(id string, change Change) (*Order, error) {
	o, err := a.named(id)
	if err == nil && change.Pair != nil && *change.Pair != o.Pair {
		err = Invalid("pair")
	}
	return o, err
}

// changed returns an open order, and what it would be.
func (a *Account) changed(id string, change Change) (o, changed *Order, err error) {
	if o, err = a.toChange(id, change); err != nil {
		return nil, nil, err
	}
	to := *o
	change.PostOnly = nil // Kraken then refuses a price that would take, which none does here
	to.Request = change.of(o.Request).normalized()
	if err := to.Validate(); err != nil {
		return nil, nil, err
	}
	if to.Request == o.Request {
		return nil, nil, Refusal("EOrder:No amendable parameters specified")
	}
	return o, &to, a.affordable(&to, o)
}

// Replaced is the reason for which an order was canceled that was edited.
const Replaced = "Order replaced"

// Edit cancels an open order and places another in its stead, with an id of its own and nothing executed. It has no client
// id, for Kraken's edits don't support them. The error is a [Refusal]; then the order stays as it was.
func (a *Account) Edit(id string, change Change, now time.Time) (placed Order, err error) {
	old, o, err := a.edited(id, change)
	if err != nil {
		return Order{}, err
	}
	a.cancel(old, Replaced, now)
	a.add(o, now)
	return o.copy(), nil
}

// CheckEdit returns what [Account.Edit] would place, or the [Refusal] of what it would refuse.
func (a *Account) CheckEdit(id string, change Change) (Request, error) {
	_, o, err := a.edited(id, change)
	if err != nil {
		return Request{}, err
	}
	return o.Request, nil
}

func (a *Account) edited(id string, change Change) (old, o *Order, err error) {
	if old, err = a.toChange(id, change); err != nil {
		return nil, nil, err
	}
	request := change.of(old.Request)
	request.ClientID = ""
	if o, err = a.draft(request, old); err == nil && o.Quantity <= old.Executed {
		err = Invalid("volume")
	}
	return old, o, err
}

// Cancel takes an open order off the book. The error is a [Refusal].
func (a *Account) Cancel(id string, now time.Time) (Order, error) {
	o, err := a.named(id)
	if err != nil {
		return Order{}, err
	}
	a.cancel(o, UserRequested, now)
	return o.copy(), nil
}

// CancelClientID is [Account.Cancel] by the client's id.
func (a *Account) CancelClientID(id string, now time.Time) (Order, error) {
	o, err := a.FindClientID(id)
	if err != nil {
		return Order{}, err
	}
	return a.Cancel(o.ID, now)
}

// CancelAll takes all open orders off the book, and returns how many there were.
func (a *Account) CancelAll(now time.Time) int { return a.cancelAll(UserRequested, now) }

func (a *Account) cancelAll(reason string, now time.Time) int {
	count := len(a.open)
	for range count {
		a.cancel(a.open[0], reason, now)
	}
	return count
}

// maxCancelAfter is the longest timeout of the dead man's switch, in seconds: docs.kraken.com has "timeout < 86400".
const maxCancelAfter = 86_399

// CancelAllAfter is Kraken's dead man's switch: all orders are canceled at the time that it returns, if it isn't called again
// before. Zero seconds switch it off, and the time is zero. The error is a [Refusal]. It doesn't cancel by itself: see
// [Account.CancelAt].
func (a *Account) CancelAllAfter(seconds int64, now time.Time) (due time.Time, err error) {
	switch {
	case seconds < 0 || seconds > maxCancelAfter:
		return time.Time{}, Invalid("timeout")
	case seconds == 0:
		a.cancelAt = time.Time{}
	default:
		a.cancelAt = now.Add(time.Duration(seconds) * time.Second)
	}
	return a.cancelAt, nil
}

// CancelAt is when somebody has to call [Account.Expire]; zero for never.
func (a *Account) CancelAt() time.Time { return a.cancelAt }

// Expire cancels all orders if it is time for it.
func (a *Account) Expire(now time.Time) {
	if a.cancelAt.IsZero() || now.Before(a.cancelAt) {
		return
	}
	a.cancelAt = time.Time{}
	a.cancelAll("CancelAllOrdersAfter Timeout", now)
}

func (a *Account) cancel(o *Order, reason string, now time.Time) {
	o.Reason = reason
	a.close(o, Canceled, now)
	a.tell(Event{Type: WasCanceled, Order: o.copy(), At: now})
}

// close moves an order from the open to the closed ones.
func (a *Account) close(o *Order, status Status, now time.Time) {
	o.Status, o.Closed = status, now
	a.open = slices.DeleteFunc(a.open, func(other *Order) bool { return other == o })
	a.closed = last(append(a.closed, o), maxClosed)
}

// last is the end of a list, so that what is remembered has a bound.
func last[T any](list []T, count int) []T {
	if len(list) <= count {
		return list
	}
	return slices.Clone(list[len(list)-count:])
}

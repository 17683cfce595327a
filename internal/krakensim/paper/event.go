package paper

import "time"

// EventType is what happened to an order.
type EventType string

// What can happen to an order.
const (
	PendingNew  EventType = "pending_new" // it was taken
	New         EventType = "new"         // it is on the book
	Amended     EventType = "amended"
	Traded      EventType = "trade"  // a part of it, or all
	WasFilled   EventType = "filled" // follows the trade that was the last
	WasCanceled EventType = "canceled"
)

// Event is a change of an account, for those who have subscribed to it.
type Event struct {
	Type  EventType
	Order Order  // as it was afterwards
	Trade *Trade // what was traded, if something was
	At    time.Time
}

func (a *Account) tell(e Event) { a.events = append(a.events, e) }

// TakeEvents returns what has happened since it was called last, in order.
func (a *Account) TakeEvents() []Event {
	events := a.events
	a.events = nil
	return events
}

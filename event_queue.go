package krakensecrets

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// mostEvents bounds the events that wait to be sent: a bus that hangs must not fill the memory. It is more than Vault and the plugin mint in an eventDelay.
	mostEvents = 5000
	// mostConfigEvents is how many more may wait of those of configs, so that tokens don't push out who has enabled an account.
	mostConfigEvents = 1000
	// eventTimeout bounds the wait for a bus that doesn't take an event. When the mount is cleaned up, it bounds that for all that still wait.
	eventTimeout = time.Second
	// eventDelay is how long the event of a minted token may wait for others. Sending one takes the processors of Vault and the plugin as long as a third of a read, so
	// that reads which follow each other closely go first. Events of configs, which come seldom, are sent at once, with all that wait.
	eventDelay = 500 * time.Millisecond
	// lostEventsEvery is how often it is logged that events were lost.
	lostEventsEvery = time.Minute
)

// eventQueue sends events in the order in which they come, and nobody waits for that: each is a round trip to Vault. What an event tells of has happened,
// whether the event arrives or not. Its methods may be called by any number of goroutines at once.
type eventQueue struct {
	sender logical.EventSender
	log    hclog.Logger
	ctx    context.Context // ends when nothing is sent any more
	end    context.CancelFunc
	hurry  chan struct{} // holds an element when what waits is to be sent at once

	mu       sync.Mutex // guards all below; never held while an event is sent
	waiting  []event
	sending  bool           // a goroutine does
	work     sync.WaitGroup // that goroutine
	closed   bool           // nothing is added any more: the mount is cleaned up, or Vault has no events
	lost     uint64         // since that was last logged
	lostTold time.Time
}

func newEventQueue(sender logical.EventSender, log hclog.Logger) *eventQueue {
	q := &eventQueue{sender: sender, log: log, hurry: make(chan struct{}, 1)}
	q.ctx, q.end = context.WithCancel(context.Background())
	return q
}

// add has an event sent after those that came before.
func (q *eventQueue) add(e event) {
	if lost := q.put(e); lost > 0 {
		q.log.Warn("events were lost, because Vault doesn't take them as fast as they come", "lost", lost)
	}
}

// put is add without its log line, for whoever reads the log may be slow: so many events are to be told as lost.
func (q *eventQueue) put(e event) (lost uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0
	}
	most := mostEvents
	if e.eventType != eventTokenMint {
		most += mostConfigEvents
	}
	if len(q.waiting) >= most {
		q.lost++
		if now := time.Now(); now.Sub(q.lostTold) >= lostEventsEvery {
			lost, q.lost, q.lostTold = q.lost, 0, now
		}
		return lost
	}
	q.waiting = append(q.waiting, e)
	if !q.sending {
		q.sending = true
		q.work.Go(q.send)
	}
	if e.eventType != eventTokenMint {
		q.sendNow()
	}
	return 0
}

// sendNow has what waits sent at once.
func (q *eventQueue) sendNow() {
	select {
	case q.hurry <- struct{}{}:
	default: // it is about to be
	}
}

// send sends what waits until nothing does.
func (q *eventQueue) send() {
	delay := time.NewTimer(eventDelay)
	defer delay.Stop()
	select {
	case <-delay.C:
	case <-q.hurry:
	}
	for {
		e, ok := q.next()
		if !ok {
			return
		}
		ctx, cancel := context.WithTimeout(q.ctx, eventTimeout)
		err := logical.SendEvent(ctx, q.sender, e.eventType, e.metadata()...)
		cancel()
		switch {
		case err == nil:
		case isNoEvents(err):
			q.log.Debug("this Vault has no events, so none are sent")
			q.drop()
		default:
			q.log.Trace("an event was not sent", "event_type", e.eventType, "account", e.account, "error", err)
		}
	}
}

// next is the event to send now; false if there is none, and whoever sends is done.
func (q *eventQueue) next() (e event, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 || q.ctx.Err() != nil {
		q.waiting, q.sending = nil, false
		return event{}, false
	}
	e, q.waiting = q.waiting[0], q.waiting[1:]
	return e, true
}

// drop lets nothing be sent any more.
func (q *eventQueue) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.end()
}

// close sends what waits, as far as there is time for it. What is added later is dropped. It may be called again.
func (q *eventQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.sendNow()
	late := time.AfterFunc(eventTimeout, q.end)
	q.work.Wait()
	late.Stop()
	q.end()
}

// isNoEvents tells whether there is no event bus at all: Vault gave none, or (OpenBao) its server doesn't know the call.
func isNoEvents(err error) bool {
	return errors.Is(err, framework.ErrNoEvents) || status.Code(err) == codes.Unimplemented
}

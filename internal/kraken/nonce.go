package kraken

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// CeilingStore keeps the nonce ceiling of one API key beyond the end of the process. The Nonce calls it by one
// goroutine at a time.
type CeilingStore interface {
	// LoadCeiling returns the stored ceiling, 0 if there is none yet.
	LoadCeiling(ctx context.Context) (uint64, error)
	// SaveCeiling stores the ceiling durably: once it returns nil, a later process will load this ceiling or a higher one.
	SaveCeiling(ctx context.Context, ceiling uint64) error
}

const (
	// ceilingAhead is how far ahead of the clock a ceiling is reserved: one storage write a minute for a key in use.
	ceilingAhead = uint64(time.Minute)
	// minReserve is the least number of nonces that one storage write reserves. It matters only while the nonces run
	// ahead of the clock (after a restart or an advance), where it keeps repeated restarts from pushing
	// the nonces further and further ahead: each costs a millisecond instead of a minute.
	minReserve = uint64(time.Millisecond)
	// nonceAdvance is how far Advance jumps. Another user of the key with a clock that is less than this ahead is overtaken.
	nonceAdvance = uint64(time.Minute)
)

// Nonce is the one keeper of an API key's nonce: nanoseconds since 1970, or the last one plus 1, whichever is more.
//
// It promises that the nonces it gives out strictly increase, across goroutines, process ends, and clocks that go back
// or differ between hosts, as long as all processes that use the key share its CeilingStore and no two of them
// run at once; and that never two requests of the key are in flight at once, for Kraken refuses the later nonce's
// predecessor if it arrives second.
//
// Its methods may be called concurrently.
type Nonce struct {
	store CeilingStore
	now   func() time.Time
	lane  chan struct{} // holds one element while a request is in flight

	mu      sync.Mutex
	last    uint64 // the highest nonce given out, or below which none may be given out
	ceiling uint64 // every nonce given out is below it; 0: load it first
}

// NewNonce returns the keeper over a store. now is the clock.
func NewNonce(store CeilingStore, now func() time.Time) *Nonce {
	return &Nonce{store: store, now: now, lane: make(chan struct{}, 1)}
}

// Use waits until no other request of the key is in flight, then calls request with the next nonce. It returns
// request's error; an *Error of KindTimeout, or context.Canceled, if ctx ended before its turn came; and an *Error of
// KindNonceStore if the store failed. In the last two cases request wasn't called.
func (n *Nonce) Use(ctx context.Context, request func(nonce uint64) error) error {
	select {
	case n.lane <- struct{}{}:
		defer func() { <-n.lane }()
	case <-ctx.Done():
		return contextError(ctx, "other requests of this API key took all the time")
	}
	nonce, err := n.next(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return contextError(ctx, "Vault's storage took all the time")
		}
		return &Error{Kind: KindNonceStore, Detail: "Vault's storage failed, so no nonce could be reserved and nothing was sent to Kraken", Err: err}
	}
	return request(nonce)
}

// Advance makes the next nonce at least a minute more than the clock and than the last one. The advance is kept: the
// next Use stores a ceiling above it before it uses it.
func (n *Nonce) Advance() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = max(n.last, n.clock()) + nonceAdvance
}

// Reload makes the next Use read the ceiling from the store again. It is for a store that another process has changed.
func (n *Nonce) Reload() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ceiling = 0
}

func (n *Nonce) clock() uint64 { return uint64(max(n.now().UnixNano(), 0)) }

func (n *Nonce) next(ctx context.Context) (uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ceiling == 0 {
		stored, err := n.store.LoadCeiling(ctx)
		if err != nil {
			return 0, fmt.Errorf("reading the nonce ceiling: %w", err)
		}
		if stored > 0 {
			n.last = max(n.last, stored-1)
			n.ceiling = stored
		}
	}
	now := n.clock()
	nonce := max(now, n.last+1)
	if nonce >= n.ceiling {
		ceiling := max(now+ceilingAhead, nonce+minReserve)
		if err := n.store.SaveCeiling(ctx, ceiling); err != nil {
			return 0, fmt.Errorf("storing the nonce ceiling: %w", err)
		}
		n.ceiling = ceiling
	}
	n.last = nonce
	return nonce, nil
}

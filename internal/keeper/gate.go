package keeper

import (
	"context"
	"sync"
)

// gate lets one through at a time. Unlike a mutex's, a wait ends with its caller, and unlike a channel with room for one, it is small: there is one for
// each of ten thousand keys. The zero value is open.
type gate struct {
	mu    sync.Mutex // guards all below
	taken bool
	opens chan struct{} // closed when it is given back; nil: nobody waits for that
}

// take waits until it is given back by whoever has it, ctx ends, or closed is closed (nil: it never is). The error is ErrClosed, or ctx's.
func (g *gate) take(ctx context.Context, closed <-chan struct{}) error {
	for {
		opens := g.tryTake()
		if opens == nil {
			return nil
		}
		select {
		case <-opens:
		case <-ctx.Done():
			return ctx.Err()
		case <-closed:
			return ErrClosed
		}
	}
}

// tryTake takes it, or returns what tells when to try again.
func (g *gate) tryTake() (opens <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.taken {
		g.taken = true
		return nil
	}
	if g.opens == nil {
		g.opens = make(chan struct{})
	}
	return g.opens
}

// give gives back what take took.
func (g *gate) give() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.taken = false
	if g.opens != nil {
		close(g.opens)
		g.opens = nil
	}
}

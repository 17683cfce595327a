package keeper

import (
	"context"
	"slices"
	"sync"
)

// gate lets one through at a time, in the order of their coming. Unlike a mutex's, a wait ends with its caller, and unlike a channel with room for one, it is
// small: there are two for each of ten thousand keys. The zero value is open. Its methods may be called by any number of goroutines at once.
type gate struct {
	mu    sync.Mutex // guards all below
	taken bool
	queue []chan struct{} // of those who wait; each is closed when the turn is theirs
}

// take waits until all before have given it back, ctx ends, or closed is closed (nil: it never is). The error is ErrClosed, or ctx's.
func (g *gate) take(ctx context.Context, closed <-chan struct{}) (err error) {
	g.mu.Lock()
	if !g.taken {
		g.taken = true
		g.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	g.queue = append(g.queue, turn)
	g.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-closed:
		err = ErrClosed
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.queue, turn); i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
	} else { // the turn came all the same
		g.pass()
	}
	return err
}

// give gives back what take took.
func (g *gate) give() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pass()
}

// pass lets the next one through. g.mu is held.
func (g *gate) pass() {
	if len(g.queue) == 0 {
		g.taken, g.queue = false, nil
		return
	}
	close(g.queue[0])
	g.queue = slices.Delete(g.queue, 0, 1)
}

package keeper

import (
	"container/list"
	"context"
	"sync"
)

// gate lets one through at a time, in the order of their coming. Unlike a mutex's, a wait ends with its caller, and unlike a channel with room for one, it is
// small: there are two for each of ten thousand keys. The zero value is open. Its methods may be called by any number of goroutines at once.
type gate struct {
	mu    sync.Mutex // guards all below
	taken bool
	queue *list.List // of who waits, each a chan struct{} that is closed when the turn is theirs; nil: nobody does
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
	if g.queue == nil {
		g.queue = list.New()
	}
	place := g.queue.PushBack(turn)
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
	select {
	case <-turn: // it came all the same
		g.pass()
	default:
		g.queue.Remove(place)
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
	if g.queue == nil || g.queue.Len() == 0 {
		g.taken, g.queue = false, nil
		return
	}
	close(g.queue.Remove(g.queue.Front()).(chan struct{}))
}

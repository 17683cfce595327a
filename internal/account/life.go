package account

import (
	"context"
	"sync"
)

// life is how long something lasts. Unlike a context it holds nothing while nobody waits for its end: a context that had others made of it keeps what held
// them, which is half a kilobyte for each of ten thousand accounts. The zero value lasts. Its methods may be called by any number of goroutines at once.
type life struct {
	mu    sync.RWMutex // guards all below
	cause error        // why it has ended; nil: it lasts
	// bound end the contexts that are to end with it; nil: there are none.
	bound map[*context.CancelCauseFunc]struct{}
}

// Err is why it has ended; nil: it lasts.
func (l *life) Err() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.cause
}

// end ends it, if it lasts, and what is bound to it.
func (l *life) end(cause error) {
	l.mu.Lock()
	if l.cause != nil {
		l.mu.Unlock()
		return
	}
	l.cause = cause
	bound := l.bound
	l.bound = nil
	l.mu.Unlock()
	for end := range bound {
		(*end)(cause)
	}
}

// bind is a context that ends with another one, and also with the life, by its cause. It must be let go.
func (l *life) bind(parent context.Context) (ctx context.Context, letGo context.CancelFunc) {
	ctx, end := context.WithCancelCause(parent)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause != nil {
		end(l.cause)
		return ctx, func() {}
	}
	if l.bound == nil {
		l.bound = map[*context.CancelCauseFunc]struct{}{}
	}
	l.bound[&end] = struct{}{}
	return ctx, func() {
		l.mu.Lock()
		if delete(l.bound, &end); len(l.bound) == 0 {
			l.bound = nil
		}
		l.mu.Unlock()
		end(nil)
	}
}

package account

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// life is how long something lasts. Unlike a context it holds nothing while nobody waits for its end: a context that had others made of it keeps what held
// them, which is half a kilobyte for each of ten thousand accounts. The zero value lasts. Its methods may be called by any number of goroutines at once.
type life struct {
	cause atomic.Pointer[error] // why it has ended; nil: it lasts. It is set with mu held.

	mu sync.Mutex // guards all below
	// bound end the contexts that are to end with it; nil: there are none.
	bound []*context.CancelCauseFunc
}

// Err is why it has ended; nil: it lasts.
func (l *life) Err() error {
	if cause := l.cause.Load(); cause != nil {
		return *cause
	}
	return nil
}

// end ends it, if it lasts, and what is bound to it.
func (l *life) end(cause error) {
	l.mu.Lock()
	l.cause.CompareAndSwap(nil, &cause)
	bound := l.bound
	l.bound = nil
	l.mu.Unlock()
	for _, end := range bound {
		(*end)(cause)
	}
}

// bind is a context that ends with another one, and also with the life, by its cause. It must be let go.
func (l *life) bind(parent context.Context) (ctx context.Context, letGo context.CancelFunc) {
	ctx, end := context.WithCancelCause(parent)
	l.mu.Lock()
	defer l.mu.Unlock()
	if cause := l.Err(); cause != nil {
		end(cause)
		return ctx, func() {}
	}
	l.bound = append(l.bound, &end)
	return ctx, func() {
		l.unbind(&end)
		end(nil)
	}
}

func (l *life) unbind(end *context.CancelCauseFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.bound, end); i >= 0 {
		l.bound = slices.Delete(l.bound, i, i+1)
	}
	if len(l.bound) == 0 {
		l.bound = nil
	}
}

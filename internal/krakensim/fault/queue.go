package fault

import (
	"context"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Queue has the faults that requests are to meet. The zero Queue is empty. All its methods may be called concurrently.
type Queue struct {
	mu       sync.Mutex
	faults   []*Fault
	released chan struct{} // closed by Behave; nil until somebody asks for it
}

// Misbehave appends faults to the queue. A request gets the first fault in the queue whose Path it matches; once that
// has served its Times, the next one has its turn.
func (q *Queue) Misbehave(faults ...Fault) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, fault := range faults {
		fault.Errors = slices.Clone(fault.Errors)
		fault.Header = fault.Header.Clone()
		q.faults = append(q.faults, &fault)
	}
}

// Behave forgets all faults, lets hanging and delayed requests go on, and closes connections that are swallowed.
func (q *Queue) Behave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.faults = nil
	if q.released != nil {
		close(q.released)
		q.released = nil
	}
}

// Take takes a turn of the first fault for a request with the path given. If there is none, the turn has no fault.
func (q *Queue) Take(path string) *Turn {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.released == nil {
		q.released = make(chan struct{})
	}
	for i, fault := range q.faults {
		if !strings.HasSuffix(path, fault.Path) {
			continue
		}
		if fault.Times > 0 {
			if fault.Times--; fault.Times == 0 {
				q.faults = slices.Delete(q.faults, i, i+1)
			}
		}
		return &Turn{*fault, q.released}
	}
	return &Turn{released: q.released}
}

// A Turn is one request's turn of a fault.
type Turn struct {
	fault    Fault
	released <-chan struct{} // tells of the fault's end
}

// Dial is for a request that comes without a connection: it fails as a dial does that is refused, if the fault has it so.
// Any other error is the context's.
func (t *Turn) Dial(ctx context.Context) error {
	if !t.fault.Refuse {
		return nil
	}
	switch behaves, err := t.wait(ctx); {
	case err != nil:
		return err
	case !behaves:
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	t.fault = Fault{}
	return nil
}

// Answer gives the request's answer as the fault has it: process gives the true one, and is called at most once. An
// error is the context's.
func (t *Turn) Answer(ctx context.Context, process func() Answer) (Answer, error) {
	f := t.fault
	var truth *Answer
	honest := func() Answer {
		if truth == nil {
			a := process()
			truth = &a
		}
		return *truth
	}
	if f.Process {
		honest()
	}
	switch behaves, err := t.wait(ctx); {
	case err != nil:
		return Answer{}, err
	case behaves:
		return honest(), nil
	case f.Swallow:
		return Answer{ending: swallowed, released: t.released}, nil
	case f.Reset:
		return Answer{ending: reset}, nil
	case f.GoAway && f.Drop:
		return Answer{ending: goneAway}, nil
	case f.Drop || f.Refuse:
		return Answer{ending: dropped}, nil
	}
	var a Answer
	if made, ok := f.answer(); ok {
		a = made
	} else {
		a = honest()
	}
	for name, values := range f.Header {
		a.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	a.truncate, a.goAway = f.Truncate, f.GoAway
	return a, nil
}

// wait spends the fault's Latency, and hangs if it is to. It reports whether Behave put an end to the fault meanwhile.
// An error is the context's.
func (t *Turn) wait(ctx context.Context) (behaves bool, err error) {
	var over <-chan time.Time // of the Latency; never, if the fault hangs
	switch {
	case t.fault.Hang:
	case t.fault.Latency > 0:
		timer := time.NewTimer(t.fault.Latency)
		defer timer.Stop()
		over = timer.C
	default:
		return false, nil
	}
	select {
	case <-over:
		return false, nil
	case <-t.released:
		return true, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

package tokensource

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// A token is renewed in the background once it is older than this part of the ttl, so that readers don't wait.
	// The quarter that is left is what an outage has to begin in for a token to be as old as the ttl at its start;
	// with a ttl of 5 m an outage that begins just before the renewal, at 3 m 45 s, and lasts 10 m still finds the
	// token with 75 s of its 15 m.
	renewAfterNum, renewAfterDen = 3, 4

	// leastLife is what a token handed out from the cache must have left, for the reader to connect with it.
	leastLife = time.Minute

	// After a failed renewal the next one waits firstStep, then twice as long each time, up to longestStep.
	// So that is how soon the end of an outage is noticed.
	firstStep   = 5 * time.Second
	longestStep = time.Minute
)

// Reuse hands out a token again until it is ttl old. With a ttl of zero it only passes on.
//
//   - Any number of readers share one mint, which belongs to none of them: who goes away takes nobody with it.
//   - A read that finds the token past three quarters of its ttl is answered at once, and has it renewed in the
//     background. There are no timers: an account that isn't read calls nobody.
//   - If a new token can't be had for a reason that passes (see the package's errors), the old one is handed out, with
//     a warning, while it has 60 s or more to live. Renewals are then tried in the background, in growing steps, and
//     readers don't wait. A refusal that doesn't pass is returned, whatever the cache holds.
//
// The shared mint has no deadline of its own: Retry, further down, gives it one.
type Reuse struct {
	next Source
	ttl  time.Duration

	cached          atomic.Pointer[Token] // what it points to never changes
	closed          atomic.Bool
	hits, coalesced atomic.Uint64

	flights    singleflight.Group
	background context.Context // ends with Close
	stop       context.CancelFunc
	work       sync.WaitGroup // flights

	mu       sync.Mutex
	retired  bool
	flying   bool
	failures int       // flights failed since the last success
	failure  error     // of the last of them
	failedAt time.Time // when it came
}

// NewReuse reuses next's tokens for ttl, counted from their RequestedAt. A ttl is zero to 14 m: tokens live for 15 m.
func NewReuse(ttl time.Duration, next Source) *Reuse {
	background, stop := context.WithCancel(context.Background())
	return &Reuse{next: next, ttl: ttl, background: background, stop: stop}
}

// Token is a cached token if that may be handed out, else a new one.
// A ctx that ends ends the caller's wait only, except with a ttl of zero, when the mint is the caller's own.
func (r *Reuse) Token(ctx context.Context) (Token, error) {
	if r.closed.Load() {
		return Token{}, ErrClosed
	}
	if r.ttl == 0 {
		return r.next.Token(ctx)
	}
	now := time.Now()
	cached := r.cached.Load()
	if r.young(cached, now) {
		if r.renewalDue(cached, now) {
			r.renew(now)
		}
		return r.hit(cached), nil
	}
	if failure := r.outage(now); failure != nil && alive(cached, now) {
		r.renew(now)
		return r.late(cached, now, failure), nil
	}
	return r.join(ctx)
}

// Fresh mints a token past the cache and makes it the cached one, unless that is newer by now. Each call mints its own,
// bound to ctx. A failure is returned as it is and leaves the cache as it was.
func (r *Reuse) Fresh(ctx context.Context) (Token, error) {
	if r.closed.Load() {
		return Token{}, ErrClosed
	}
	token, err := r.next.Token(ctx)
	if err != nil {
		return Token{}, err
	}
	if r.ttl > 0 {
		r.keep(token)
	}
	return token, nil
}

// Cached is the cached token, whatever its age, and whether there is one that hasn't expired. It calls nobody.
func (r *Reuse) Cached() (Token, bool) {
	cached := r.cached.Load()
	if cached == nil || !cached.ExpiresAt.After(time.Now()) {
		return Token{}, false
	}
	token := *cached
	token.Cached = true
	return token, true
}

// CacheHits is how many reads were answered with a token minted for an earlier read, late ones included.
func (r *Reuse) CacheHits() uint64 { return r.hits.Load() }

// Coalesced is how many reads were answered by a mint that was under way for another, or for the background.
func (r *Reuse) Coalesced() uint64 { return r.coalesced.Load() }

// Retire lets no further renewal begin in the background. What is under way ends undisturbed,
// and those that still hold r can read from it as before.
func (r *Reuse) Retire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.retired = true
}

// Close ends shared mints and waits until they are over; who waits for one gets ErrClosed, as do later reads.
// Mints that are a caller's own (Fresh, or a ttl of zero) end with their caller. Close may be called again.
func (r *Reuse) Close() {
	r.mu.Lock()
	r.closed.Store(true)
	r.mu.Unlock()
	r.stop()
	r.work.Wait()
	r.cached.Store(nil)
}

// young says whether the token may be handed out as it is.
func (r *Reuse) young(token *Token, now time.Time) bool {
	return alive(token, now) && now.Sub(token.RequestedAt) < r.ttl
}

func (r *Reuse) renewalDue(token *Token, now time.Time) bool {
	return now.Sub(token.RequestedAt) >= r.ttl*renewAfterNum/renewAfterDen
}

// alive says whether there is a token and enough of its life left.
func alive(token *Token, now time.Time) bool {
	return token != nil && token.ExpiresAt.Sub(now) >= leastLife
}

func (r *Reuse) hit(cached *Token) Token {
	r.hits.Add(1)
	token := *cached
	token.Cached = true
	return token
}

// late is a cached token older than ttl, with the warning that goes with it.
func (r *Reuse) late(cached *Token, now time.Time, failure error) Token {
	token := r.hit(cached)
	token.Warning = fmt.Sprintf(
		"this token is %v old and can be used to connect for %v more; a newer one couldn't be had: %v",
		now.Sub(token.RequestedAt).Truncate(time.Second), token.ExpiresAt.Sub(now).Truncate(time.Second), failure)
	return token
}

// outage is the failure for which readers needn't wait for another attempt: one that passes and is recent. A failure
// long ago, with no read since, says little of now, and a reader had better wait and see.
func (r *Reuse) outage(now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures == 0 || !passes(r.failure) || now.Sub(r.failedAt) >= 2*longestStep {
		return nil
	}
	return r.failure
}

// renew begins a flight in the background, if none is under way and the last failure is far enough back.
func (r *Reuse) renew(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.retired || r.flying || r.closed.Load() || now.Sub(r.failedAt) < step(r.failures) {
		return
	}
	r.flights.DoChan("", r.fly)
}

// step is how long to wait after so many failures in a row.
func step(failures int) time.Duration {
	if failures == 0 {
		return 0
	}
	wait := firstStep
	for range failures - 1 {
		if wait *= 2; wait >= longestStep {
			return longestStep
		}
	}
	return wait
}

// join waits for a flight's outcome, beginning one if none is under way.
func (r *Reuse) join(ctx context.Context) (Token, error) {
	began := false
	flight := r.flights.DoChan("", func() (any, error) {
		began = true
		return r.fly()
	})
	select {
	case <-ctx.Done():
		return Token{}, ended(ctx, "no token could be had in the time that the caller allowed")
	case outcome := <-flight:
		token, ok := outcome.Val.(Token)
		switch {
		case !began:
			r.coalesced.Add(1)
		case ok && token.Cached:
			r.hits.Add(1)
		}
		if outcome.Err == nil {
			return token, nil
		}
		now := time.Now()
		if cached := r.cached.Load(); passes(outcome.Err) && alive(cached, now) {
			if r.young(cached, now) { // somebody's Fresh was luckier
				return r.hit(cached), nil
			}
			return r.late(cached, now, outcome.Err), nil
		}
		return Token{}, outcome.Err
	}
}

// fly is the shared mint: a Token, or an error.
func (r *Reuse) fly() (any, error) {
	if !r.takeOff() {
		return nil, ErrClosed
	}
	defer r.land()
	// A flight may have ended between a reader's look at the cache and its call for this one.
	began := time.Now()
	if cached := r.cached.Load(); r.young(cached, began) && !r.renewalDue(cached, began) {
		token := *cached
		token.Cached = true
		return token, nil
	}
	token, err := r.next.Token(r.background)
	if err == nil {
		r.keep(token)
		return token, nil
	}
	if r.background.Err() != nil {
		return nil, ErrClosed
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if cached := r.cached.Load(); cached == nil || !cached.RequestedAt.After(began) {
		r.failures++
		r.failure, r.failedAt = err, time.Now()
	}
	return nil, err
}

func (r *Reuse) takeOff() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.Load() {
		return false
	}
	r.flying = true
	r.work.Add(1)
	return true
}

func (r *Reuse) land() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flying = false
	r.work.Done()
}

// keep makes token the cached one, unless the cached one was requested later: answers may overtake each other.
func (r *Reuse) keep(token Token) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if cached := r.cached.Load(); r.closed.Load() || cached != nil && cached.RequestedAt.After(token.RequestedAt) {
		return
	}
	r.cached.Store(&token)
	r.failures, r.failure, r.failedAt = 0, nil, time.Time{}
}

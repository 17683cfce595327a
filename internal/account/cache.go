package account

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/clock"
)

const (
	// A token is renewed in the background once it is older than this part of the ttl, so that readers don't wait.
	// The quarter that is left is what an outage has to begin in for a token to be as old as the ttl at its start;
	// with a ttl of 5 m an outage that begins just before the renewal, at 3 m 45 s, and lasts 10 m still finds the
	// token with 75 s of its 15 m.
	renewAfterNum, renewAfterDen = 3, 4

	// After a failed renewal the next one waits firstStep, then twice as long each time, up to longestStep.
	// So that is how soon the end of an outage is noticed.
	firstStep   = 5 * time.Second
	longestStep = time.Minute
)

// cache hands out a token again until it is ttl old.
//
//   - Any number of readers share one flight to Kraken, which belongs to none of them: if one disconnects, the others still get their token.
//   - A read that finds the token past three quarters of its ttl is answered at once, and has it renewed in the background. There
//     are no timers: an account that isn't read calls nobody.
//   - If a new token can't be had for a reason that passes, the old one is handed out, with a warning, while it has 60 s or more to live. Renewals
//     are then tried in the background, in growing steps, and readers don't wait. A refusal that doesn't pass is returned, whatever the cache holds.
//
// Its methods may be called by any number of goroutines at once.
type cache struct {
	source source
	token  atomic.Pointer[cachedToken] // nil: none

	mu     sync.Mutex // guards all below
	flight *flight    // under way; nil: none
	failed *failure   // nil: the last flight didn't
}

// source is where a cache has its tokens from. Its methods may be called by any number of goroutines at once.
type source interface {
	// launch begins a flight: it calls fly in a goroutine of its own, or returns false if nothing may begin any more.
	launch(fly func()) bool
	// mintShared asks Kraken. It sets its own bounds.
	mintShared() (Token, error)
	// now is time.Now, but in tests.
	now() time.Time
}

// failure is what came of the flights since the last success. It doesn't change.
type failure struct {
	err   error // of the last of them
	at    time.Time
	times int // how many they were
}

// flight is a mint that readers share.
type flight struct {
	landed chan struct{} // closed when the rest is known
	token  Token
	err    error
}

// hit is the cached token if it may be handed out as it is, else nil, and whether it is due for renewal.
func (c *cache) hit(now time.Time, ttl time.Duration) (cached *cachedToken, due bool) {
	cached = c.token.Load()
	if ttl <= 0 || !cached.young(now, ttl) {
		return nil, false
	}
	return cached, cached.renewalDue(now, ttl)
}

// get is a cached token if that may be handed out, else a new one, for which it waits until ctx ends.
func (c *cache) get(ctx context.Context, ttl time.Duration) (Token, error) {
	now := c.source.now()
	if cached, due := c.hit(now, ttl); cached != nil {
		if due {
			c.renew(now, ttl)
		}
		return cached.handOut(), nil
	}
	if cached := c.token.Load(); cached.alive(now) {
		if failure := c.outage(now); failure != nil {
			c.renew(now, ttl)
			return cached.late(now, failure), nil
		}
	}
	f, began := c.join(ttl)
	if f == nil {
		return Token{}, ErrClosed
	}
	select {
	case <-f.landed:
	case <-ctx.Done():
		return Token{}, ended(ctx)
	}
	if f.err == nil {
		token := f.token
		token.Coalesced = !began
		return token, nil
	}
	now = c.source.now()
	if cached := c.token.Load(); passes(f.err) && cached.alive(now) {
		if cached.young(now, ttl) { // somebody's fresh mint was luckier
			return cached.handOut(), nil
		}
		return cached.late(now, f.err), nil
	}
	return Token{}, f.err
}

// outage is the failure for which readers needn't wait for another attempt: one that passes and is recent. A failure
// long ago, with no read since, says little of now, and a reader had better wait and see.
func (c *cache) outage(now time.Time) error {
	failed := c.failure()
	if failed == nil || !passes(failed.err) || clock.Age(failed.at, now) >= 2*longestStep {
		return nil
	}
	return failed.err
}

// failure is what came of the last flight; nil: it succeeded.
func (c *cache) failure() *failure {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// renew begins a flight in the background, if none is under way and the last failure is far enough back.
func (c *cache) renew(now time.Time, ttl time.Duration) {
	if failed := c.failure(); failed == nil || clock.Age(failed.at, now) >= step(failed.times) {
		c.join(ttl)
	}
}

// step is how long to wait after so many failures in a row, one at least.
func step(failures int) time.Duration {
	wait := firstStep
	for range failures - 1 {
		if wait *= 2; wait >= longestStep {
			return longestStep
		}
	}
	return wait
}

// join is the flight under way, or else a new one (began). It is nil if nothing may begin any more.
func (c *cache) join(ttl time.Duration) (f *flight, began bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flight != nil {
		return c.flight, false
	}
	f = &flight{landed: make(chan struct{})}
	// A flight may have landed between a reader's look at the cache and its call for this one.
	if now, cached := c.source.now(), c.token.Load(); cached.young(now, ttl) && !cached.renewalDue(now, ttl) {
		f.token = cached.handOut()
		close(f.landed)
		return f, true
	}
	if !c.source.launch(func() { c.fly(f) }) {
		return nil, false
	}
	c.flight = f
	return f, true
}

// fly mints a token for all who share the flight.
func (c *cache) fly(f *flight) {
	began := c.source.now()
	f.token, f.err = c.source.mintShared()
	if f.err == nil {
		c.keep(f.token)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if cached := c.token.Load(); f.err != nil && (cached == nil || !cached.requestedAt.After(began)) {
		times := 1
		if c.failed != nil {
			times += c.failed.times
		}
		c.failed = &failure{err: f.err, at: c.source.now(), times: times}
	}
	c.flight = nil
	close(f.landed)
}

// keep makes token the cached one, unless the cached one was requested later: answers may overtake each other. (After goes by the
// monotonic clock, which knows the order whatever is set.)
func (c *cache) keep(token Token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cached := c.token.Load(); cached != nil && cached.requestedAt.After(token.RequestedAt) {
		return
	}
	c.token.Store(token.toCache())
	c.failed = nil
}

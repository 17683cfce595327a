package tokensource

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

const (
	// A rate-limit answer holds the account back for firstHold, and each further one, until a call succeeds,
	// for twice as long as the one before, up to longestHold.
	firstHold   = 5 * time.Second
	longestHold = 15 * time.Minute
	// lockoutHold is how long Kraken says a temporary lockout lasts. Calls made meanwhile make it last longer.
	lockoutHold = 15 * time.Minute
	// longestAsked bounds the hold that an answer may ask for, lest a broken gateway stop an account for days.
	longestAsked = time.Hour
	// refusalMemory is how long a permanent refusal is given again without asking: long enough that a crash-looping
	// application makes two calls a minute, which Kraken bears; short enough for somebody who mends the key at Kraken.
	refusalMemory = 30 * time.Second
	// mostCallTime bounds the time set aside for a call that has to wait first (see Guard.callTime): the shortest
	// request_timeout there is.
	mostCallTime = time.Second
	// longestPromise bounds the waits that refused callers are told. A herd that doesn't keep to them
	// would else drive them up without end.
	longestPromise = 15 * time.Minute
)

// Guard keeps an account from being rate limited or locked out. There is one per running account,
// and all its calls to Kraken go through it.
//
//   - One call at a time, in the order in which they came.
//   - The call counter: a call that would bring Kraken's count over the tier's bound waits, or is refused at once
//     if the wait doesn't fit in its time.
//   - After a rate-limit or lockout answer the account is held back: calls wait if that fits, else are refused at once.
//   - A permanent refusal (invalid key, signature or nonce, permission denied, or an error that isn't known) is given
//     again for 30 s without a call, as a [*RememberedError].
//   - An invalid nonce is answered by advancing the nonce and trying once more, before any other call. So the error
//     kraken.KindInvalidNonce means that the second try failed as well: somebody else uses the key.
//
// State is checked on arrival and again when the call's turn comes, so a thousand calls that arrive together
// cost one refusal.
type Guard struct {
	next    Source
	counter *rate.Limiter
	advance func()
	turn    chan struct{} // holds an element while somebody has the turn

	mu       sync.Mutex
	present  int           // callers let in and not gone
	answered uint64        // calls that got an answer, of whatever kind
	slowest  time.Duration // of the answers; fades
	promised time.Time     // when the refused caller who was told to wait longest may come back

	heldUntil  time.Time
	heldFor    error
	holdRepeat int // rate-limit and lockout answers since the last success
	refusal    *RememberedError
}

// NewGuard guards next.
//
// The counter is the API key's, from [NewCounter]; nil counts nothing. The guard is the only one to take from it while
// it is in use. Advance moves the key's nonce ahead and returns when that is done; it is called with the turn held, so
// it should not take long. If it is nil, an invalid nonce is a refusal at once.
func NewGuard(counter *rate.Limiter, advance func(), next Source) *Guard {
	return &Guard{next: next, counter: counter, advance: advance, turn: make(chan struct{}, 1)}
}

// Token is next's, under the rules of Do.
func (g *Guard) Token(ctx context.Context) (Token, error) { return through(ctx, g.next, g.Do) }

// Do makes the call when it may be made. Waits stay within ctx's deadline; without one, they last as long as it takes.
//
// The error is the call's own, a [*RememberedError] or [*HeldBackError] if the call wasn't made, a kraken.KindTimeout
// if nothing moved until the deadline, or context.Canceled.
func (g *Guard) Do(ctx context.Context, call func(context.Context) error) error {
	if err := g.enter(ctx); err != nil {
		return err
	}
	defer g.leave()
	if err := g.takeTurn(ctx); err != nil {
		return err
	}
	defer func() { <-g.turn }()

	if err := g.wait(ctx); err != nil {
		return err
	}
	err := g.call(ctx, call)
	if is(err, kraken.KindInvalidNonce) && g.advance != nil {
		g.advance()
		if err := g.wait(ctx); err != nil {
			return err
		}
		err = g.call(ctx, call)
	}
	g.learn(err)
	return err
}

// HeldUntil is the time until which no call is made, for a hold-off or a remembered refusal; zero if calls are made.
func (g *Guard) HeldUntil() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	until := g.heldUntil
	if g.refusal != nil && g.refusal.Until.After(until) {
		until = g.refusal.Until
	}
	if !until.After(time.Now()) {
		return time.Time{}
	}
	return until
}

// enter lets the caller in, or refuses at once what is already sure to be refused.
func (g *Guard) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return ended(ctx, "no time was left to ask Kraken")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if refusal := g.remembered(now); refusal != nil {
		return refusal
	}
	// Those present go first, and each may take a call. Nothing is taken for this caller yet, so there is nothing
	// to give back should its call not be made.
	if wait := g.waitFor(now, g.present+1); wait > 0 && !fits(ctx, wait, g.callTime()) {
		return g.refuse(now, g.present+1)
	}
	g.present++
	return nil
}

func (g *Guard) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.present--
}

// takeTurn waits for the turn, as long as that leaves time for a call.
func (g *Guard) takeTurn(ctx context.Context) error {
	select {
	case g.turn <- struct{}{}:
		return nil
	default:
	}
	g.mu.Lock()
	answeredBefore, callTime := g.answered, g.callTime()
	wasHeld := g.waitFor(time.Now(), g.present) > 0 // so those before this one spend its time on that
	g.mu.Unlock()

	var tooLate <-chan time.Time
	if deadline, ok := ctx.Deadline(); ok {
		timer := time.NewTimer(time.Until(deadline) - callTime)
		defer timer.Stop()
		tooLate = timer.C
	}
	mine := false
	select {
	case g.turn <- struct{}{}:
		mine = true
	case <-tooLate:
	case <-ctx.Done():
		if err := ctx.Err(); errors.Is(err, context.Canceled) {
			return err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if mine {
		if fits(ctx, 0, g.callTime()) { // more is known of that by now
			return nil
		}
		<-g.turn
	}
	// Were there answers, then too many asked at once; were there none, then Kraken is the cause.
	if wasHeld || g.answered != answeredBefore {
		return g.refuse(time.Now(), g.present)
	}
	return &kraken.Error{Kind: kraken.KindTimeout,
		Detail: "no answer within request_timeout: an earlier call with this API key is still unanswered"}
}

// wait returns nil when the caller, whose turn it must be, may make its call.
func (g *Guard) wait(ctx context.Context) error {
	for {
		if ctx.Err() != nil {
			return ended(ctx, "no time was left to ask Kraken")
		}
		wait, err := g.check(ctx)
		if err != nil {
			return err
		}
		if wait <= 0 {
			return nil
		}
		if sleep(ctx, wait) != nil {
			return ended(ctx, "no time was left to ask Kraken")
		}
	}
}

// check is how long the caller whose turn it is has to wait, or why it can't.
func (g *Guard) check(ctx context.Context) (time.Duration, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if refusal := g.remembered(now); refusal != nil {
		return 0, refusal
	}
	wait := g.waitFor(now, 1)
	if wait > 0 && !fits(ctx, wait, g.callTime()) {
		return 0, g.refuse(now, 1)
	}
	return wait, nil
}

// call makes the call, whose turn it must be, and counts it.
//
// Kraken counts a call when it arrives, at some moment between now and the answer. Counted now, ours could fall below
// Kraken's, for what is counted earlier has decayed more. So it is counted when the answer is here. Until then it is
// missing from the count, but as nobody else's turn can come until then, nobody can rely on the count.
func (g *Guard) call(ctx context.Context, call func(context.Context) error) error {
	began := time.Now()
	defer func() {
		if g.counter != nil {
			g.counter.ReserveN(time.Now(), 1)
		}
	}()
	err := call(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	if !is(err, kraken.KindTimeout) && ctx.Err() == nil {
		g.answered++
		g.slowest = max(time.Since(began), g.slowest*7/8)
	}
	return err
}

// learn draws the consequences of a call's outcome.
func (g *Guard) learn(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if err == nil {
		g.heldUntil, g.heldFor, g.holdRepeat, g.refusal = time.Time{}, nil, 0, nil
		return
	}
	failure := as(err)
	if failure == nil {
		return
	}
	switch failure.Kind {
	case kraken.KindRateLimited:
		hold := firstHold
		for range g.holdRepeat {
			hold = min(2*hold, longestHold)
		}
		g.hold(now, hold, failure)
	case kraken.KindLockout:
		g.hold(now, lockoutHold, failure)
	case kraken.KindInvalidKey, kraken.KindInvalidSignature, kraken.KindPermissionDenied,
		kraken.KindInvalidNonce, kraken.KindUnexpected:
		g.refusal = &RememberedError{Err: failure, Until: now.Add(refusalMemory)}
	}
}

// The methods below need g.mu.

func (g *Guard) hold(now time.Time, hold time.Duration, failure *kraken.Error) {
	g.heldUntil = now.Add(max(hold, min(failure.RetryAfter, longestAsked)))
	g.heldFor = failure
	g.holdRepeat = min(g.holdRepeat+1, 16) // far past longestHold
}

// remembered is the refusal in force, as an error, or nil.
func (g *Guard) remembered(now time.Time) error {
	if g.refusal != nil && now.Before(g.refusal.Until) {
		return g.refusal
	}
	return nil
}

// waitFor is how long the hold-off and the counter ask to wait before the last of so many calls.
func (g *Guard) waitFor(now time.Time, calls int) time.Duration {
	return max(g.heldUntil.Sub(now), counterWait(g.counter, now, calls))
}

// callTime is what must be left for the call itself when a caller has to wait: what calls took lately. A caller that
// needn't wait goes whatever it has left, so that a slow answer once can't keep all later ones out.
func (g *Guard) callTime() time.Duration {
	return min(max(g.slowest, leastCallTime), mostCallTime)
}

// refuse is the error for a caller that would be the last of so many calls.
//
// When the counter is what refuses, the wait told allows not just for the calls made but also for the refused callers
// before this one: told the same, they would all come back at once and most be refused again. Nothing is set aside for
// them, for many never come back.
func (g *Guard) refuse(now time.Time, calls int) *HeldBackError {
	held, counted := g.heldUntil.Sub(now), counterWait(g.counter, now, calls)
	if held > 0 && held >= counted {
		return heldBack(held, g.heldFor)
	}
	if counted <= 0 {
		return heldBack(g.callTime(), errTooManyAtOnce)
	}
	free := now.Add(counted)
	if next := g.promised.Add(counterStep(g.counter)); next.After(free) {
		free = next
	}
	if last := now.Add(longestPromise); free.After(last) {
		free = last
	}
	g.promised = free
	return heldBack(free.Sub(now), nil)
}

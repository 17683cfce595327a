package keeper

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/clock"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// waiter is a caller of Do, from its coming to its going.
type waiter struct {
	ctx context.Context
	use Use
	// turn gives it the turn (nil), or an answer at once (an error). It is given once.
	turn chan error

	answered uint64    // Keeper.answered when it came
	waited   bool      // the counter or a hold-off made those before it wait, when it came
	limit    time.Time // when it must give the turn back; zero: with ctx
	began    time.Time // its call
	flying   bool      // its call is under way
	claims   uint32    // of the record, when its call began
	again    bool      // its call is to be made again, with another nonce or code
}

// deadline is when the waiter's time is over; false if it has all the time of the world.
func (w *waiter) deadline() (time.Time, bool) {
	deadline, ok := w.ctx.Deadline()
	if !w.limit.IsZero() && (!ok || w.limit.Before(deadline)) {
		return w.limit, true
	}
	return deadline, ok
}

// fits tells whether the waiter has so much time left.
func (w *waiter) fits(now time.Time, needed time.Duration) bool {
	deadline, ok := w.deadline()
	return !ok || deadline.Sub(now) >= needed
}

// wire is the context of the waiter's call.
func (w *waiter) wire() (context.Context, context.CancelFunc) {
	wire := w.use.Wire
	if wire == nil {
		wire = context.WithoutCancel(w.ctx)
	}
	if deadline, ok := w.deadline(); ok {
		return context.WithDeadline(wire, deadline)
	}
	return context.WithCancel(wire)
}

// takeTurn waits for the turn. Who has it must give it back.
func (k *Keeper) takeTurn(ctx context.Context, use Use) (*waiter, error) {
	w := &waiter{ctx: ctx, use: use, turn: make(chan error, 1)}
	k.waitToProbe(w)
	if err := k.enter(w); err != nil {
		return nil, err
	}
	select {
	case err := <-w.turn: // at once, as nearly always
		return w, err
	default:
	}
	var tooLate, look <-chan time.Time
	if deadline, ok := ctx.Deadline(); ok {
		timer := time.NewTimer(time.Until(deadline) - k.leastTime())
		defer timer.Stop()
		tooLate = timer.C
	}
	if use.Beside {
		ticker := time.NewTicker(besideAfter)
		defer ticker.Stop()
		look = ticker.C
	}
	for {
		select {
		case err := <-w.turn:
			return w, err
		case <-look:
			k.tryBeside(w)
			continue
		case <-tooLate:
		case <-ctx.Done():
		}
		return w, k.leave(w)
	}
}

// waitToProbe waits until the one who finds out whether Kraken is back may try. It doesn't have the turn meanwhile.
func (k *Keeper) waitToProbe(w *waiter) {
	k.mu.Lock()
	wait := k.outage.wait(w.ctx, w.use, time.Now())
	k.mu.Unlock()
	if wait > 0 {
		k.sleep(w, wait)
	}
}

// sleep waits, until the caller goes or the keepers close at most.
func (k *Keeper) sleep(w *waiter, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.ctx.Done():
	case <-k.closed:
	}
}

// besideAfter is how long a call to another upstream must have been under way for a waiter to go beside it. Two calls of one key that are under way at once may
// arrive in the wrong order, so that is for calls that hang.
const besideAfter = time.Second

// besidePoll is how often a holder who tries again looks whether who went beside it has gone. Nothing wakes it, for that is rare.
const besidePoll = 10 * time.Millisecond

// tryBeside lets a waiter in the queue go beside the call under way, if that hangs in another place.
func (k *Keeper) tryBeside(w *waiter) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if i := slices.Index(k.queue, w); i >= 0 && k.hangs(w, time.Now()) {
		k.queue = slices.Delete(k.queue, i, i+1)
		k.grant(w, time.Now())
	}
}

// enter gives the waiter the turn, or a place in the queue, or the answer that it is sure to get.
func (k *Keeper) enter(w *waiter) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if use := w.use; use.Tier != "" && !use.Proof && k.over(w) == nil && k.otherOwner(use) == nil {
		k.counter.setTier(use.Tier, now)
	}
	calls := 1
	if k.counter.wait(now, 1) > 0 {
		// Nothing is left, so each of those before it is one more to wait for. While something is left, nobody is refused for their sake:
		// they may never get through to Kraken.
		calls += k.ahead()
	}
	if err := k.doom(w, now, calls); err != nil {
		return err
	}
	w.answered = k.answered
	w.waited = k.waitFor(w.use, now, k.ahead()) > 0
	switch {
	case k.free(), k.hangs(w, now):
		k.grant(w, now)
	default:
		k.queue = append(k.queue, w)
	}
	return nil
}

// leave is for a waiter whose time is over, or whose caller has gone, before the turn came. It tells why, or returns nil if the turn has come all
// the same and can be used.
func (k *Keeper) leave(w *waiter) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case err := <-w.turn:
		if err != nil || w.ctx.Err() == nil {
			return err
		}
		k.pass(w)
	default:
		k.queue = slices.DeleteFunc(k.queue, func(other *waiter) bool { return other == w })
	}
	if err := k.over(w); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return k.late(w, time.Now())
}

// giveTurn gives the turn to the next in the queue.
func (k *Keeper) giveTurn(w *waiter) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pass(w)
}

// waitUntilAllowed returns nil when the waiter, who has the turn, may make its call.
func (k *Keeper) waitUntilAllowed(w *waiter) error {
	for {
		wait, err := k.allowed(w)
		if wait <= 0 || err != nil {
			return err
		}
		k.sleep(w, wait)
	}
}

// allowed is how long the waiter, who has the turn, has to wait before its call, or why it can't.
func (k *Keeper) allowed(w *waiter) (time.Duration, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	calls := 1 + k.flying // where something goes beside
	if err := k.doom(w, now, calls); err != nil {
		return 0, err
	}
	if k.holder == w && k.beside != nil {
		return besidePoll, nil // its call has ended, and it tries again: not before that of who went beside has ended, too
	}
	return max(k.waitFor(w.use, now, calls), k.nonces.rival.wait(now)), nil
}

// leastTime is callTime, for who doesn't have k.mu.
func (k *Keeper) leastTime() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.callTime()
}

// The methods below need k.mu.

// hangs tells whether the call under way is one that the waiter may go beside.
func (k *Keeper) hangs(w *waiter, now time.Time) bool {
	return w.use.Beside && k.beside == nil && k.holder != nil && k.holder.flying &&
		k.holder.use.Upstream != w.use.Upstream && now.Sub(k.holder.began) >= besideAfter
}

// free tells whether nobody has the turn.
func (k *Keeper) free() bool { return k.holder == nil && k.beside == nil }

// grant gives a waiter the turn, or lets it go beside who has it.
func (k *Keeper) grant(w *waiter, now time.Time) {
	if k.free() {
		k.holder = w
	} else {
		k.beside = w
	}
	if w.use.Longest > 0 {
		w.limit = now.Add(w.use.Longest)
	}
	w.turn <- nil
}

// pass takes the turn from a waiter and gives it to the next whose call still fits.
func (k *Keeper) pass(w *waiter) {
	if k.holder == w {
		k.holder = nil
	} else {
		k.beside = nil
	}
	now := time.Now()
	for k.free() && len(k.queue) > 0 {
		next := k.queue[0]
		k.queue = slices.Delete(k.queue, 0, 1)
		if next.fits(now, k.callTime()) {
			k.grant(next, now)
		} else {
			next.turn <- k.late(next, now)
		}
	}
}

// late is the answer to a waiter whose turn didn't come in time.
func (k *Keeper) late(w *waiter, now time.Time) error {
	if k.waitFor(w.use, now, 1) > 0 {
		return k.refuse(w.use, now, 1+k.ahead())
	}
	// Were there answers, or something that held up those before it, then too many asked at once; was there none, then Kraken is the cause.
	if k.answered != w.answered || w.waited {
		return held(k.callTime(), errTooMany)
	}
	return &kraken.Error{Kind: kraken.KindTimeout, Detail: "no answer in time: an earlier call with this API key is still unanswered"}
}

// sweep answers all in the queue whose call won't be made. It is called after each answer. A waiter who will have to wait longer than it can is
// told so as soon as an answer shows that those before it do get through.
func (k *Keeper) sweep(now time.Time) {
	kept := k.queue[:0]
	for _, w := range k.queue {
		calls := 1
		if k.outage == nil {
			calls += len(kept)
		}
		if err := k.doom(w, now, calls); err != nil {
			w.turn <- err
		} else {
			kept = append(kept, w)
		}
	}
	clear(k.queue[len(kept):])
	k.queue = kept
}

// doom is the answer to a waiter whose call won't be made, given that it is the last of so many calls; nil if it may be.
func (k *Keeper) doom(w *waiter, now time.Time, calls int) error {
	if err := k.over(w); err != nil {
		return err
	}
	if err := k.otherOwner(w.use); err != nil {
		return err
	}
	if r := k.refusals.remembered(w.use, now); r != nil {
		return &RememberedError{Err: r.err, Until: clock.Told(r.until, now)}
	}
	if t := k.upstreams.blocked(w.use, now); t != nil {
		return &RememberedError{Err: t.err, Until: clock.Told(t.until, now)}
	}
	heldUntil, _ := k.heldBy(w.use, now)
	wait := k.waitFor(w.use, now, calls)
	fits := wait <= 0 || w.fits(now, wait+k.callTime())
	if k.outage.holds(w.ctx, w.use, now) || !fits && k.outage.ongoing(w.use) && now.After(heldUntil) {
		return k.outage.err()
	}
	if !fits {
		return k.refuse(w.use, now, calls)
	}
	return nil
}

// ahead is how many calls may be made before that of one who comes now.
func (k *Keeper) ahead() int {
	ahead := k.flying
	if k.holder != nil {
		ahead = max(ahead, 1)
	}
	return ahead + len(k.queue)
}

// heldBy is until when a hold-off keeps a call waiting, and why: the key's own, or one that all keys of the upstream keep to.
func (k *Keeper) heldBy(use Use, now time.Time) (until time.Time, cause error) {
	if k.holdOff != nil {
		until, cause = k.holdOff.until, k.holdOff.cause
	}
	if t := k.upstreams.held(use, now); t != nil && t.until.After(until) {
		return t.until, t.err
	}
	return until, cause
}

// waitFor is how long the hold-off, the counter and the one-time code ask to wait before the last of so many calls.
func (k *Keeper) waitFor(use Use, now time.Time, calls int) time.Duration {
	heldUntil, _ := k.heldBy(use, now)
	return max(heldUntil.Sub(now), k.counter.wait(now, calls), k.codes.wait(use, now, calls), 0)
}

// refuse is the answer to a caller that would be the last of so many calls, and can't wait so long.
func (k *Keeper) refuse(use Use, now time.Time, calls int) *HeldError {
	heldUntil, cause := k.heldBy(use, now)
	byKraken, counted, code := heldUntil.Sub(now), k.counter.wait(now, calls), k.codes.wait(use, now, calls)
	switch {
	case byKraken > 0 && byKraken >= max(counted, code):
		return held(byKraken, cause)
	case code > counted:
		return held(min(code, longestTold), errCodeTaken)
	default:
		return held(min(counted, longestTold), errCounted)
	}
}

// callTime is what must be left for the call itself when a caller has to wait: what calls took lately. A caller that needn't wait goes
// whatever it has left, so that a slow answer once can't keep all later ones out.
func (k *Keeper) callTime() time.Duration {
	return min(max(k.slowest, LeastCallTime), mostCallTime)
}

// over is why no call begins any more for the waiter; nil: it may.
func (k *Keeper) over(w *waiter) error {
	select {
	case <-k.closed:
		return ErrClosed
	default:
	}
	switch {
	case w.ctx.Err() != nil:
		return ended(w.ctx)
	case w.use.While != nil:
		return w.use.While()
	}
	return nil
}

// ended is the error for a ctx that is done: its deadline is a timeout, a caller gone is just that.
func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &kraken.Error{Kind: kraken.KindTimeout, Detail: "no time was left to ask Kraken", Err: ctx.Err()}
	}
	return context.Cause(ctx)
}

package keeper

import (
	"maps"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/clock"
)

// Status is what a keeper tells of itself. What it counts, it counts for as long as the keeper is kept.
type Status struct {
	// HeldUntil is until when no call is made for a use, for a hold-off or a remembered refusal, of the key or of its upstream; the zero time if calls are made.
	// HeldFor is the answer that is the reason.
	HeldUntil time.Time
	HeldFor   error
	// OutageSince is since when Kraken can't be reached, as far as the last call has shown; the zero time if it can be. OutageCause is how the last call failed.
	OutageSince time.Time
	OutageCause error
	// HoldOffs counts the answers that the key was held back for, by kind. Nil: there was none.
	HoldOffs map[string]uint64
	// NonceRefusals counts the nonces that Kraken refused. Each but the last of a row of six was followed by another one at once.
	NonceRefusals uint64
	// NonceAhead is how far the last nonce is ahead of the clock.
	NonceAhead time.Duration
	// Counted tells whether Kraken's counter is kept to; CallsLeft is how many calls it allows now.
	Counted   bool
	CallsLeft int
	// Waiting is how many callers wait for their turn.
	Waiting int
}

// Status tells how things are for a use: nothing, if the key is another account's.
func (k *Keeper) Status(use Use) Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if k.otherOwner(use) != nil {
		return Status{}
	}
	s := Status{
		NonceAhead: k.nonces.ahead(k.clock()),
		Waiting:    len(k.queue),
	}
	if k.troubles != nil {
		s.HoldOffs, s.NonceRefusals = maps.Clone(k.troubles.holdOffs), k.troubles.nonceRefusals
	}
	if until, cause := k.heldBy(use, now); until.After(now) {
		s.HeldUntil, s.HeldFor = until, cause
	}
	if t := k.upstreams.blocked(use, now); t != nil && t.until.After(s.HeldUntil) {
		s.HeldUntil, s.HeldFor = t.until, t.err
	}
	if r := k.refusals.remembered(use, now); r != nil && r.until.After(s.HeldUntil) {
		s.HeldUntil, s.HeldFor = r.until, r.err
	}
	if !s.HeldUntil.IsZero() {
		s.HeldUntil = clock.Told(s.HeldUntil, now)
	}
	if k.outage.ongoing(use) {
		s.OutageSince, s.OutageCause = k.outage.since, k.outage.cause
	}
	if s.Counted = k.counter.limited(); s.Counted {
		s.CallsLeft = int(max(k.counter.left(now), 0))
	}
	return s
}

package keeper

import (
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/clock"
)

// Status is what a keeper tells of itself.
type Status struct {
	// HeldUntil is until when no call is made for a use, for a hold-off or a remembered refusal, of the key or of its upstream; the zero time if calls are made.
	HeldUntil time.Time
	// NonceRefusals counts the nonces that Kraken refused.
	NonceRefusals uint64
}

// Status tells how things are for a use.
func (k *Keeper) Status(use Use) Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	until, _ := k.heldBy(use, now)
	if t := k.upstreams.blocked(use, now); t != nil && t.until.After(until) {
		until = t.until
	}
	if r := k.refusals.remembered(use, now); r != nil && r.until.After(until) {
		until = r.until
	}
	if !until.After(now) {
		return Status{NonceRefusals: k.nonceRefusals}
	}
	return Status{HeldUntil: clock.Told(until, now), NonceRefusals: k.nonceRefusals}
}

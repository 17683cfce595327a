package account

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// The pauses between attempts. The first is short, for most failures are a busy Kraken or a connection lost and are
// over at once; the longest leaves room for an attempt or two more within the usual 10 s. Each is drawn from between
// half and one and a half of the step, so that readers that failed together don't come back together.
const (
	firstPause   = 250 * time.Millisecond
	longestPause = 4 * time.Second
	pauseGrowth  = 2
	pauseJitter  = 0.5
)

// ask makes a call, by way of the key's keeper, and makes it again while Kraken is unavailable, until ctx's deadline. All other
// failures are returned as they come: repeating them wouldn't help, or would do harm. An answer that wasn't asked for isn't asked for again.
//
// The second attempt is made without a pause where the first went over a kept connection that was closed (HungUp): over another one it may do at once.
// Where an answer asks for a pause (RetryAfter), the pause is at least as long. A pause that wouldn't leave time for an attempt isn't begun.
//
// The error is that of the last attempt, except: once Kraken has said that it is unavailable, that is told rather than that a repetition timed out or
// wasn't made. If ctx or the account ended, it is why.
func (a *Account) ask(ctx context.Context, use keeper.Use, call keeper.Call) (err error) {
	if !a.hold() {
		return errReplaced
	}
	defer a.release()
	wire, letGo := a.wire.bind(a.all.lifetime)
	defer letGo()
	use.Wire = wire
	if !use.Proof && !a.keeper.Proved() { // else verify=false and a read would go round the limit of proofs
		if err := a.all.proofs.allow(a.name); err != nil {
			return err
		}
		defer func() { a.all.proofs.note(a.name, refusedByKraken(err)) }()
	}
	pauses := backoff.ExponentialBackOff{
		InitialInterval: firstPause, MaxInterval: longestPause, Multiplier: pauseGrowth, RandomizationFactor: pauseJitter,
	}
	if use.Proof {
		call = a.countProof(call)
	}
	var unavailable error
	for {
		use.Tier = a.settings.Load().tier // a write may have changed it meanwhile
		err := a.keeper.Do(ctx, use, a.timed(use.Method, call))
		var failed *kraken.Error
		var notOwner *keeper.NotOwnerError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &notOwner):
			if err := a.claim(ctx, notOwner.Owner); err != nil {
				return err
			}
			continue
		case errors.Is(ctx.Err(), context.Canceled):
			return context.Cause(ctx)
		case keeper.NotAsked(err):
			return either(unavailable, err)
		case !errors.As(err, &failed):
			return err
		case failed.Kind == kraken.KindTimeout:
			if lost := (*kraken.Error)(nil); errors.As(unavailable, &lost) && lost.Err != nil && lost.Sent {
				return err // the connection was given up for the same silence
			}
			return either(unavailable, err)
		case failed.Kind != kraken.KindUnavailable:
			return err
		}
		pause := failed.RetryAfter
		if !failed.HungUp || unavailable != nil {
			pause = max(pauses.NextBackOff(), pause)
		}
		unavailable = err
		if deadline, _ := ctx.Deadline(); time.Until(deadline) < pause+keeper.LeastCallTime {
			return unavailable
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done(): // the caller has gone, for the pause fits
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// either is the first of two errors that isn't nil.
func either(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

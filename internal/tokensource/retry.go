package tokensource

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

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

// Retry bounds the time of a call, and repeats it while Kraken is unavailable (kraken.KindUnavailable), with pauses
// that grow. All other failures are returned as they come: repeating them wouldn't help, or would do harm.
// What an invalid nonce needs is Guard's to do, since no other call may come in between.
type Retry struct {
	next    Source
	timeout time.Duration
}

// NewRetry bounds each call of next, with all its repetitions and pauses, to timeout, which must be above zero.
// The account's request_timeout is 1 s to 60 s.
func NewRetry(timeout time.Duration, next Source) *Retry {
	return &Retry{next: next, timeout: timeout}
}

// Token is next's, under the rules of Do.
func (r *Retry) Token(ctx context.Context) (Token, error) { return through(ctx, r.next, r.Do) }

// Do makes the call until it succeeds, fails for good, or there is no time for another attempt. Calls may run beside
// each other; a single Do never has two attempts under way.
//
// An attempt has no deadline of its own but the whole call's. Where an answer asks for a pause (RetryAfter), the
// pause is at least as long. A pause that wouldn't leave time for an attempt isn't begun.
//
// The error is that of the last attempt, except: once Kraken has said that it is unavailable, that is told rather than
// that a repetition timed out or was held back. A deadline passed is a kraken.KindTimeout, whatever form the call gave
// it, and a caller that went away gets context.Canceled.
func (r *Retry) Do(caller context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(caller, r.timeout)
	defer cancel()
	pauses := backoff.ExponentialBackOff{
		InitialInterval: firstPause, MaxInterval: longestPause, Multiplier: pauseGrowth, RandomizationFactor: pauseJitter,
	}
	var unavailable error
	for {
		err := call(ctx)
		switch {
		case err == nil:
			return nil
		case errors.Is(caller.Err(), context.Canceled):
			return context.Canceled
		case is(err, kraken.KindUnavailable):
			unavailable = err
		case unavailable != nil && (timedOut(err) || isHeldBack(err)):
			return unavailable
		case timedOut(err):
			return r.timeoutError(err)
		default:
			return err
		}
		pause := max(pauses.NextBackOff(), as(err).RetryAfter)
		if ctx.Err() != nil || !fits(ctx, pause, leastCallTime) {
			return unavailable
		}
		// Only the caller's leaving can end the pause early, for it fits.
		if err := sleep(ctx, pause); err != nil {
			if errors.Is(caller.Err(), context.Canceled) {
				return context.Canceled
			}
			return unavailable
		}
	}
}

func timedOut(err error) bool {
	return is(err, kraken.KindTimeout) || as(err) == nil && errors.Is(err, context.DeadlineExceeded)
}

// timeoutError is err if it is a kraken.Error already, for that knows better what took so long.
func (r *Retry) timeoutError(err error) error {
	if as(err) != nil {
		return err
	}
	return &kraken.Error{
		Kind:   kraken.KindTimeout,
		Detail: fmt.Sprintf("no answer from Kraken within %v", r.timeout),
		Err:    err,
	}
}

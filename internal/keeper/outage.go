package keeper

import (
	"context"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

const (
	// When calls fail in a row without an answer of Kraken's, that is an outage once it has lasted outageAfter, if none could be sent, or else lossAfter: a
	// connection that breaks, a load balancer that restarts and a busy Kraken are none, and their readers' own second tries get through.
	outageAfter = time.Second
	lossAfter   = 5 * time.Second
	// So many calls that may have been sent are an outage at once, where Kraken counts: the rest are for when it is back.
	outageCalls = 5
	// A call that timed out is an outage at once, if it had outageAfter, twice what the slowest answer of late took, or
	// amplePatience: less says little about Kraken.
	amplePatience = 5 * time.Second

	// During an outage Kraken is asked firstProbe after the last try, then after twice as long each time, up to longestProbe. That is seldom enough
	// for the strictest tier to forget calls faster than they are made.
	firstProbe   = 250 * time.Millisecond
	longestProbe = 4 * time.Second
)

// outage is what is known of calls to one upstream that failed in a row. Keeper.mu guards it.
type outage struct {
	upstream string
	since    time.Time     // when the first of them began
	cause    *kraken.Error // of the last of them
	calls    int           // of them, how many may have been sent
	declared bool          // it is an outage

	// prober is the context of the one who finds out whether Kraken is back. While it isn't done, nobody else does.
	prober   context.Context
	failedAt time.Time
	pause    time.Duration
}

// wait makes a caller the prober, if nobody is, and is how long that one must wait before it tries. It is 0 if the caller needn't wait, or mustn't.
func (o *outage) wait(ctx context.Context, use Use, now time.Time) time.Duration {
	if !o.ongoing(use) || o.prober != ctx && o.probing(now) {
		return 0
	}
	wait := o.failedAt.Add(o.pause).Sub(now)
	if deadline, ok := ctx.Deadline(); wait <= 0 || ok && deadline.Sub(now) < wait+LeastCallTime {
		return 0
	}
	o.prober = ctx
	return wait
}

// probing tells whether the prober is still there. A deadline that has just passed may not have ended its context yet.
func (o *outage) probing(now time.Time) bool {
	deadline, ok := o.prober.Deadline()
	return o.prober.Err() == nil && (!ok || now.Before(deadline))
}

// holds tells whether a caller is kept from asking. The one let pass becomes the prober.
func (o *outage) holds(ctx context.Context, use Use, now time.Time) bool {
	if !o.ongoing(use) {
		return false
	}
	if o.prober != ctx && o.probing(now) || now.Before(o.failedAt.Add(o.pause)) {
		return true
	}
	o.prober = ctx
	return false
}

func (o *outage) err() *OutageError { return &OutageError{Since: o.since, Cause: o.cause} }

// failed notes a call that failed without an answer of Kraken's, and returns what is known now. counted tells whether Kraken's counter is kept to.
func (o *outage) failed(ctx context.Context, use Use, began, now time.Time, cause *kraken.Error, counted bool) *outage {
	if o == nil || o.upstream != use.Upstream {
		o = &outage{upstream: use.Upstream, since: began, pause: firstProbe / 2}
	}
	again := o.cause != nil
	o.cause, o.failedAt, o.prober = cause, now, ctx
	if cause.Sent {
		o.calls++
	}
	least := outageAfter
	if o.calls > 0 {
		least = lossAfter
	}
	o.declared = o.declared || cause.Kind == kraken.KindTimeout ||
		again && now.Sub(o.since) >= least || counted && o.calls >= outageCalls
	if o.declared {
		o.pause = min(2*o.pause, longestProbe)
	}
	return o
}

// ongoing tells whether there is an outage for this use.
func (o *outage) ongoing(use Use) bool {
	return o != nil && o.declared && !use.Proof && o.upstream == use.Upstream
}

package account

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// Stats is what went on with an account since it was first used here. Its counts live on over config writes, and end with a delete. Times are zero for what didn't
// happen. Maps hold only what occurred, and are nil if nothing did.
type Stats struct {
	// Since is when counting began.
	Since time.Time
	// Minted is how many tokens were had from Kraken: for reads, for the cache, and as proofs of written pairs.
	Minted uint64
	// Failures is how many tokens couldn't be had, by KindName: for reads that share one, that is one, and so is one for the cache that no read waits for. Attempts that
	// a retry made good aren't counted, and neither are the proofs of writes.
	Failures map[string]uint64

	// How many reads were answered with a token that was minted for them, one that was cached, late ones included, and one that was minted by a call
	// under way for another read, or for the cache.
	Fresh, Cached, Coalesced uint64
	// FailedReads is how many reads got no token, by KindName. Those whose reader went away aren't counted.
	FailedReads map[string]uint64

	// Calls is how many requests may have reached Kraken, those of proofs and of key-info included.
	Calls map[Call]uint64
	// Proofs is how many pairs Kraken was asked about before they were stored.
	Proofs uint64
	// RefusedWrites is how many config writes were refused or failed, by KindName.
	RefusedWrites map[string]uint64

	// LastSuccess is when a token was last minted.
	LastSuccess time.Time
	// LastError is the message of the last of Failures, LastErrorKind its kind, LastErrorAt its time.
	LastError     string
	LastErrorKind string
	LastErrorAt   time.Time
}

// Call is a method of Kraken's, and what a call of it came to: Success, or the name of a kraken.Kind.
type Call struct{ Method, Outcome string }

// Success is the outcome of a call that succeeded.
const Success = "success"

// Answered is how many reads got a token.
func (s Stats) Answered() uint64 { return s.Fresh + s.Cached + s.Coalesced }

// logEvery is how often the same trouble of an account is logged.
const logEvery = time.Minute

// meter counts what goes on with an account. Its methods may be called by any number of goroutines at once.
type meter struct {
	fresh, cached, coalesced atomic.Uint64 // these alone are counted at each read

	since time.Time

	mu             sync.Mutex // guards all below
	tokens, proofs uint64
	tokenCalls     uint64 // calls of methodToken that succeeded
	lastSuccess    time.Time
	troubles       *troubles // nil: there were none
}

// troubles are what most accounts never have: also calls for something else than a token.
type troubles struct {
	failures, failedReads, refusedWrites map[string]uint64
	calls                                map[Call]uint64 // but tokenCalls

	lastError, lastErrorKind string
	lastErrorAt              time.Time

	silent map[string]silence // by kind
}

// silence is a trouble that was logged a moment ago.
type silence struct {
	since time.Time // when it was logged
	times uint64    // how often it happened since
}

func newMeter() *meter { return &meter{since: time.Now()} }

// meter is what counts for an account now. A delete puts another in its place.
func (as *Accounts) meter(e *entry) *meter {
	as.mu.RLock()
	defer as.mu.RUnlock()
	return e.meter
}

// answered counts a read that got a token.
func (m *meter) answered(token Token) {
	switch {
	case token.Cached:
		m.cached.Add(1)
	case token.Coalesced:
		m.coalesced.Add(1)
	default:
		m.fresh.Add(1)
	}
}

// read counts a read that is over.
func (m *meter) read(ctx context.Context, token Token, err error) {
	switch {
	case err == nil:
		m.answered(token)
	case isAnsweredElsewhere(ctx, err):
	default:
		m.mu.Lock()
		defer m.mu.Unlock()
		increment(&m.inTrouble().failedReads, KindName(err))
	}
}

// refused counts a write that was refused, if err says so.
func (m *meter) refused(ctx context.Context, err error) {
	if err != nil && !isAnsweredElsewhere(ctx, err) {
		m.mu.Lock()
		defer m.mu.Unlock()
		increment(&m.inTrouble().refusedWrites, KindName(err))
	}
}

// isAnsweredElsewhere tells whether nobody gets err for an answer: the caller has gone, or the mount, or another node of the cluster answers instead.
func isAnsweredElsewhere(ctx context.Context, err error) bool {
	return errors.Is(ctx.Err(), context.Canceled) || errors.Is(err, ErrClosed) || errors.Is(err, logical.ErrReadOnly)
}

// Refused counts a write that was refused before it came to Write, if the account runs.
func (as *Accounts) Refused(ctx context.Context, name string, err error) {
	if a := as.running(name); a != nil {
		a.meter.refused(ctx, err)
	}
}

// inTrouble is where troubles are noted. m.mu is held.
func (m *meter) inTrouble() *troubles {
	if m.troubles == nil {
		m.troubles = new(troubles)
	}
	return m.troubles
}

func increment[K comparable](counts *map[K]uint64, what K) {
	if *counts == nil {
		*counts = map[K]uint64{}
	}
	(*counts)[what]++
}

func (m *meter) minted() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tokens++
	m.lastSuccess = time.Now()
}

// failed counts a failure. It tells whether to log it now, and how often its kind happened since it was last logged, this time included.
func (m *meter) failed(err error) (times uint64, log bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, kind, t := time.Now(), KindName(err), m.inTrouble()
	increment(&t.failures, kind)
	t.lastError, t.lastErrorKind, t.lastErrorAt = err.Error(), kind, now
	quiet := t.silent[kind]
	quiet.times++
	if log = now.Sub(quiet.since) >= logEvery; log {
		times, quiet = quiet.times, silence{since: now}
	}
	if t.silent == nil {
		t.silent = map[string]silence{}
	}
	t.silent[kind] = quiet
	return times, log
}

// called counts a call that Kraken may have got.
func (m *meter) called(method string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err != nil:
		increment(&m.inTrouble().calls, Call{method, KindName(err)})
	case method == methodToken:
		m.tokenCalls++
	default:
		increment(&m.inTrouble().calls, Call{method, Success})
	}
}

// proof counts a proof.
func (m *meter) proof() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.proofs++
}

// snapshot is a copy of the counts.
func (m *meter) snapshot() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	stats := Stats{
		Since: m.since, Minted: m.tokens, Proofs: m.proofs, LastSuccess: m.lastSuccess,
		Fresh: m.fresh.Load(), Cached: m.cached.Load(), Coalesced: m.coalesced.Load(),
	}
	if t := m.troubles; t != nil {
		stats.Calls = maps.Clone(t.calls)
		stats.Failures, stats.FailedReads, stats.RefusedWrites = maps.Clone(t.failures), maps.Clone(t.failedReads), maps.Clone(t.refusedWrites)
		stats.LastError, stats.LastErrorKind, stats.LastErrorAt = t.lastError, t.lastErrorKind, t.lastErrorAt
	}
	if m.tokenCalls > 0 {
		if stats.Calls == nil {
			stats.Calls = map[Call]uint64{}
		}
		stats.Calls[Call{methodToken, Success}] = m.tokenCalls
	}
	return stats
}

// timed counts the calls that are made in one turn, with their times and the wait for that turn.
func (a *Account) timed(method string, call keeper.Call) keeper.Call {
	came, waited := time.Now(), false
	return func(ctx context.Context, nonce uint64) error {
		began := time.Now()
		if !waited { // the next is made in the same turn
			waited = true
			a.all.waits.observe(began.Sub(came))
		}
		err := call(ctx, nonce)
		var failed *kraken.Error
		if err == nil || errors.As(err, &failed) && failed.Sent {
			a.all.calls.observe(time.Since(began))
			a.meter.called(method, err)
		}
		return err
	}
}

// countProof counts a proof when its first call is made.
func (a *Account) countProof(call keeper.Call) keeper.Call {
	counted := false
	return func(ctx context.Context, nonce uint64) error {
		if !counted {
			counted = true
			a.meter.proof()
		}
		return call(ctx, nonce)
	}
}

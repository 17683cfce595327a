package tokensource

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"
)

// Stats is what went on since a chain was built. Times are zero for what didn't happen.
type Stats struct {
	// Since is when counting began.
	Since time.Time
	// Minted is how many tokens were had from Kraken.
	Minted uint64
	// CacheHits is how many reads were answered with a token minted for an earlier read.
	CacheHits uint64
	// Coalesced is how many reads were answered, with a token or an error, by a call begun for another read.
	Coalesced uint64
	// Failures is how many tokens couldn't be had, by kind: the name of a kraken.Kind, "held_back" or "other".
	// Only kinds that occurred are in it. Attempts that a retry made good aren't counted.
	Failures map[string]uint64
	// LastSuccess is when a token was last minted.
	LastSuccess time.Time
	// LastError is the message of the last failure, LastErrorKind its kind, LastErrorAt its time.
	LastError     string
	LastErrorKind string
	LastErrorAt   time.Time
}

// Snapshot is what a chain's Meter and Reuse have counted.
func Snapshot(meter *Meter, reuse *Reuse) Stats {
	stats := meter.Stats()
	stats.CacheHits, stats.Coalesced = reuse.CacheHits(), reuse.Coalesced()
	return stats
}

// Meter counts what comes of the calls that pass it. A caller that went away is no failure and isn't counted.
type Meter struct {
	next Source

	mu    sync.Mutex
	stats Stats
}

// NewMeter counts from now on what next does.
func NewMeter(next Source) *Meter {
	return &Meter{next: next, stats: Stats{Since: time.Now(), Failures: map[string]uint64{}}}
}

// Token is next's, counted.
func (m *Meter) Token(ctx context.Context) (Token, error) {
	token, err := m.next.Token(ctx)
	m.count(err)
	return token, err
}

func (m *Meter) count(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err == nil:
		m.stats.Minted++
		m.stats.LastSuccess = time.Now()
	case errors.Is(err, context.Canceled) && as(err) == nil:
	default:
		kind := KindName(err)
		m.stats.Failures[kind]++
		m.stats.LastError, m.stats.LastErrorKind, m.stats.LastErrorAt = err.Error(), kind, time.Now()
	}
}

// Stats is a copy of the counts; CacheHits and Coalesced aren't the Meter's and are zero.
func (m *Meter) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	stats := m.stats
	stats.Failures = maps.Clone(m.stats.Failures)
	return stats
}

// KindName names the kind of a failure: that of a kraken.Kind, "held_back", or "other".
func KindName(err error) string {
	if isHeldBack(err) {
		return "held_back"
	}
	if failure := as(err); failure != nil {
		return failure.Kind.String()
	}
	return "other"
}

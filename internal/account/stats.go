package account

import (
	"maps"
	"sync"
	"time"
)

// Stats is what went on with an account since it was first used here. Times are zero for what didn't happen.
type Stats struct {
	// Since is when counting began.
	Since time.Time
	// Minted is how many tokens were had from Kraken.
	Minted uint64
	// Failures is how many tokens couldn't be had, by KindName. Only kinds that occurred are in it. Attempts that a retry made good aren't
	// counted, and neither are the proofs of writes.
	Failures map[string]uint64
	// LastSuccess is when a token was last minted.
	LastSuccess time.Time
	// LastError is the message of the last failure, LastErrorKind its kind, LastErrorAt its time.
	LastError     string
	LastErrorKind string
	LastErrorAt   time.Time
}

// logEvery is how often the same trouble of an account is logged.
const logEvery = time.Minute

// meter counts what comes of an account's mints. Its methods may be called by any number of goroutines at once.
type meter struct {
	mu     sync.Mutex // guards all below
	stats  Stats
	silent map[string]silence // by kind
}

// silence is a trouble that was logged a moment ago.
type silence struct {
	since time.Time // when it was logged
	times uint64    // how often it happened since
}

func newMeter() *meter {
	return &meter{stats: Stats{Since: time.Now(), Failures: map[string]uint64{}}, silent: map[string]silence{}}
}

func (m *meter) minted() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Minted++
	m.stats.LastSuccess = time.Now()
}

// failed counts a failure. It tells whether to log it now, and how often its kind happened since it was last logged, this time included.
func (m *meter) failed(err error) (times uint64, log bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, kind := time.Now(), KindName(err)
	m.stats.Failures[kind]++
	m.stats.LastError, m.stats.LastErrorKind, m.stats.LastErrorAt = err.Error(), kind, now
	quiet := m.silent[kind]
	quiet.times++
	if log = now.Sub(quiet.since) >= logEvery; log {
		times, quiet = quiet.times, silence{since: now}
	}
	m.silent[kind] = quiet
	return times, log
}

// snapshot is a copy of the counts.
func (m *meter) snapshot() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	stats := m.stats
	stats.Failures = maps.Clone(m.stats.Failures)
	return stats
}

package keeper

import (
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
)

// warnEvery is how often the same trouble is logged. What comes in between is counted.
const warnEvery = time.Minute

// notice is a line to log. Lines are collected with Keeper.mu held and logged without it, for whoever reads the log may be slow.
type notice struct {
	level   hclog.Level
	message string
	details []any
}

// note has a line logged, as soon as k.mu isn't held any more. It needs k.mu.
func (k *Keeper) note(level hclog.Level, message string, details ...any) {
	for i, detail := range details {
		if text, ok := detail.(fmt.Stringer); ok { // the way to Vault's log is JSON, which makes a number of a duration
			details[i] = text.String()
		}
	}
	troubles := k.inTrouble()
	troubles.notices = append(troubles.notices, notice{level, message, append([]any{"account", k.record.Account}, details...)})
}

// logNotices logs what was collected. It must be called without k.mu.
func (k *Keeper) logNotices() {
	var notices []notice
	k.mu.Lock()
	if k.troubles != nil {
		notices, k.troubles.notices = k.troubles.notices, nil
	}
	k.mu.Unlock()
	for _, n := range notices {
		k.log.Log(n.level, n.message, n.details...)
	}
}

// repeats is what is logged once in warnEvery at most. Keeper.mu guards it.
type repeats struct {
	loggedAt time.Time
	times    int // since
}

// came counts it, and tells whether to log it now, and how often it came since it was last logged.
func (r *repeats) came(now time.Time) (times int, log bool) {
	r.times++
	if now.Sub(r.loggedAt) < warnEvery {
		return 0, false
	}
	times = r.times
	r.loggedAt, r.times = now, 0
	return times, true
}

// episode is a trouble that lasts: its beginning is logged, and its end if its beginning was. Keeper.mu guards it.
type episode struct {
	beginnings repeats
	since      time.Time // zero: it isn't
	logged     bool      // its beginning was
}

// begins is told whenever the trouble shows, and logs if that is its beginning. Of a key that isn't stored nothing is logged: no account is in trouble, only
// the write that proves it, which fails.
func (e *episode) begins(k *Keeper, since, now time.Time, message string, details ...any) {
	if !e.since.IsZero() {
		return
	}
	e.since = since
	if !k.record.stored {
		return
	}
	times, log := e.beginnings.came(now)
	if e.logged = log; log {
		k.note(hclog.Warn, message, append([]any{"times", times}, details...)...)
	}
}

// ends is told whenever the trouble is over, and logs if it was not before.
func (e *episode) ends(k *Keeper, now time.Time, message string) {
	if e.logged {
		k.note(hclog.Info, message, "after", now.Sub(e.since).Truncate(time.Millisecond))
	}
	e.since, e.logged = time.Time{}, false
}

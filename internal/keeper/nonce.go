package keeper

import (
	"math/rand/v2"
	"time"
)

const (
	// mostAhead is how far ahead of the clock a nonce is ever taken of our own accord. A key that has seen higher ones was used with
	// other nonces than nanoseconds, or by a clock that is wrong by more than clocks are.
	mostAhead = 10 * time.Minute

	// ceilingAhead is how far ahead of the clock a ceiling is stored: one storage write a minute for a key in use.
	ceilingAhead = time.Minute
	// leadReserve is what a storage write reserves while the nonces run ahead of the clock: a write a second then.
	leadReserve = time.Second
	// leastReserve is what it reserves while they stand still above the clock, as after a restart. So little, that repeated restarts
	// don't push the nonces further and further ahead: each costs a millisecond.
	leastReserve = time.Millisecond

	longestWindow  = 2 * mostAhead
	shortestWindow = longestWindow >> 13 // 146 ms; below that a lead isn't worth its while
)

const (
	// A key that has two users makes calls some distance apart, so that their requests overtake each other seldom: twice as far after each refused
	// nonce, between shortestPace and longestPace, and half as far after each paceMemory without one. Each distance is drawn from between half and
	// one and a half of that, or two engines would keep step. Even the highest tier allows no more than a call a second in the long run.
	shortestPace = 20 * time.Millisecond
	longestPace  = 250 * time.Millisecond
	paceMemory   = 30 * time.Second
)

// leadAfter is what helps after so many refused nonces in a row: a window (see lead) to go ahead by, longer each time.
//
//   - After the first, none: nearly always another user's request has overtaken ours on the way, and the clock is above it by now.
//   - After the second, 0.1 to 0.3 s: the same happened again, but by more than that no request is overtaken.
//   - After the third, 1 to 2.3 s, which is more than clocks differ that are kept by NTP.
//   - After the fourth, 38 to 75 s, for a snapshot that was just restored or a clock that is wrong.
//   - After the fifth all there is.
//
// Six refusals are the most that this costs, and Kraken bears that.
var leadAfter = []time.Duration{0, longestWindow >> 12, longestWindow >> 9, longestWindow >> 4, longestWindow}

// nonces gives out the nonces of one API key: nanoseconds since 1970, or the last one plus 1, whichever is more. Keeper.mu guards it.
type nonces struct {
	last  uint64 // the highest given out, or below which none may be given out
	rival *rival // nil: none was ever refused
}

// rival is what is done for the sake of the key's other user, whom refused nonces have shown. Of a nil one nothing is.
type rival struct {
	lead    lead
	refused int // nonces in a row

	pace       time.Duration // 0: no distance is kept
	pacedAt    time.Time     // when that was last changed
	pacedUntil time.Time     // no call begins before
}

// next is a nonce above all before.
func (n *nonces) next(now uint64) uint64 {
	n.last = max(n.rival.at(now), n.last+1)
	return n.last
}

// ahead is how far the last nonce is ahead of the clock.
func (n *nonces) ahead(now uint64) time.Duration { return time.Duration(n.last - min(now, n.last)) }

// reserve is the ceiling to store so that this nonce and some more may be used.
func (n *nonces) reserve(nonce, now uint64) uint64 {
	reserve := leastReserve
	if n.rival != nil && n.rival.lead.window > 0 {
		reserve = leadReserve
	}
	return max(now+uint64(ceilingAhead), nonce+uint64(reserve))
}

// wasRefused notes that the last nonce was a bad one, and tells whether it makes sense to try again at once.
func (n *nonces) wasRefused(now uint64, at time.Time) bool {
	if n.rival == nil {
		n.rival = new(rival)
	}
	return n.rival.wasRefused(now, at)
}

// forgetLead takes back what was gone ahead, where nobody's nonces but a failed proof's have been there.
func (n *nonces) forgetLead(now uint64) {
	if n.rival != nil {
		n.rival = &rival{pacedUntil: n.rival.pacedUntil}
	}
	if n.last > now {
		n.last = 0
	}
}

// at is the clock plus the lead.
func (r *rival) at(now uint64) uint64 {
	if r == nil {
		return now
	}
	return r.lead.at(now)
}

// wasRefused goes ahead as far as so many refusals in a row ask for, and tells whether that is any further than before.
func (r *rival) wasRefused(now uint64, at time.Time) bool {
	r.pace, r.pacedAt = min(max(2*r.pace, shortestPace), longestPace), at
	r.refused++
	if r.refused > len(leadAfter) {
		return false
	}
	r.lead.raise(uint64(leadAfter[r.refused-1]), now)
	return true
}

// wasAccepted notes that the last nonce was a good one.
func (r *rival) wasAccepted(at time.Time) {
	if r == nil {
		return
	}
	r.refused = 0
	if r.pace > 0 && at.Sub(r.pacedAt) >= paceMemory {
		if r.pace, r.pacedAt = r.pace/2, at; r.pace < shortestPace {
			r.pace = 0
		}
	}
}

// keepDistance lets no call begin for a while after this one.
func (r *rival) keepDistance(now time.Time) {
	if r != nil {
		r.pacedUntil = now.Add(r.distance())
	}
}

// wait is how long it takes until a call may begin.
func (r *rival) wait(now time.Time) time.Duration {
	if r == nil {
		return 0
	}
	return max(r.pacedUntil.Sub(now), 0)
}

// distance is how long to wait before the next call.
func (r *rival) distance() time.Duration {
	if r.pace == 0 {
		return 0
	}
	return r.pace/2 + rand.N(r.pace)
}

// lead is how far ahead of the clock the nonces are, after refused ones. It is 0 to begin with, falls with time, and depends on nothing but
// the clock and the window: two users of one key who both had to go ahead are ahead by the same, and so no more in each other's
// way than two who both keep to the clock. Were each ahead of the other by its own measure, they would drive each other on without end.
//
// Time is divided into windows, counted from 1970. At a window's beginning the lead is as long as the window, at its end half as
// long, and there a window of half that length begins.
type lead struct{ window, begin uint64 } // in nanoseconds; a window of 0: no lead

// at is the clock plus the lead. It grows whenever now grows.
func (l *lead) at(now uint64) uint64 {
	for l.window > 0 && now >= l.begin+l.window {
		l.begin += l.window
		if l.window /= 2; l.window < uint64(shortestWindow) {
			*l = lead{}
		}
	}
	if l.window == 0 {
		return now
	}
	ahead := l.window
	if now > l.begin { // else the clock was set back
		ahead -= (now - l.begin) / 2
	}
	return now + min(ahead, uint64(mostAhead))
}

// raise makes the window at least so long.
func (l *lead) raise(window, now uint64) {
	if l.at(now); l.window < window {
		*l = lead{window: window, begin: now - now%window}
	}
}

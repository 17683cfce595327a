package krakensim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// A LockoutScope is whose calls a [Lockout] refuses.
type LockoutScope string

// What Kraken locks out isn't known. An older page of its support most likely says "IP based" (support.kraken.com, "API
// Error Codes"; the copy at hand is garbled), and so does a user (github.com/ccxt/ccxt/issues/8634). Its present
// documentation speaks of the account (docs.kraken.com, "Errors").
const (
	LockoutAddress LockoutScope = "address" // all calls from the host that was refused, with whatever key
	LockoutKey     LockoutScope = "key"     // all calls with the public key that was refused, from wherever
	LockoutOff     LockoutScope = "off"     // nobody
)

// A Lockout is how Kraken treats who is refused again and again. EAPI:Invalid key, EAPI:Invalid signature and
// EAPI:Invalid nonce count together, and no success in between takes any of them back. Then every call is answered
// EGeneral:Temporary lockout: it uses no nonce up, isn't on the call counter, and makes the lockout begin anew.
type Lockout struct {
	Scope LockoutScope  // "": LockoutAddress, the stricter one for a host with several keys
	After int           // so many refusals within 5 minutes; 0: DefaultLockoutAfter
	For   time.Duration // since the last call; 0: DefaultLockoutFor
}

const (
	// DefaultLockoutAfter is a guess. One user tells of a lockout "after like 3 attempts" with an invalid key
	// (github.com/veox/python3-krakenex/issues/31), others of far more invalid nonces without one.
	DefaultLockoutAfter = 10
	// lockoutWithin is a guess too: "a short period of time", says the older page.
	lockoutWithin = 5 * time.Minute
	// DefaultLockoutFor is the older page's "approximately 15 minutes"; the other one says "a few minutes".
	DefaultLockoutFor = 15 * time.Minute
)

// Validate says what is wrong with the lockout.
func (l Lockout) Validate() error {
	switch {
	case !slices.Contains([]LockoutScope{"", LockoutAddress, LockoutKey, LockoutOff}, l.Scope):
		return fmt.Errorf("unknown lockout %q: want address, key or off", l.Scope)
	case l.After < 0 || l.For < 0:
		return fmt.Errorf("a lockout can't come after %d refusals and last for %s", l.After, l.For)
	}
	return nil
}

// SetLockout changes how repeated refusals are treated, and forgets those so far. It takes an invalid lockout without
// complaint.
func (x *Exchange) SetLockout(lockout Lockout) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lockouts = lockouts{Lockout: Lockout{
		Scope: cmp.Or(lockout.Scope, LockoutAddress),
		After: cmp.Or(lockout.After, DefaultLockoutAfter),
		For:   cmp.Or(lockout.For, DefaultLockoutFor),
	}, refused: make(map[string]*refusals)}
}

// lockouts are those who were refused. [Exchange.mu] guards them.
type lockouts struct {
	Lockout
	refused map[string]*refusals // by address or public key
}

// refusals are those of one address or key.
type refusals struct {
	at    []time.Time // the last ones, as many as it takes for a lockout
	until time.Time   // locked out
}

// maxRefused bounds them, so that made-up keys can't fill the memory: see makeRoom.
const maxRefused = 10_000

func (l *lockouts) subject(p privateRequest) string {
	if l.Scope == LockoutKey {
		return p.apiKey
	}
	return p.address
}

// refuse reports whether the caller is locked out, for longer now that it has called.
func (l *lockouts) refuse(p privateRequest, now time.Time) bool {
	r := l.refused[l.subject(p)]
	if r == nil || !now.Before(r.until) {
		return false
	}
	r.until = now.Add(l.For)
	return true
}

// note counts a refusal, if it is of a kind that counts.
func (l *lockouts) note(p privateRequest, refusal paper.Refusal, now time.Time) {
	if l.Scope == LockoutOff || !strings.HasPrefix(string(refusal), "EAPI:Invalid ") {
		return
	}
	subject := l.subject(p)
	r := l.refused[subject]
	if r == nil {
		l.makeRoom(now)
		r = &refusals{}
		l.refused[subject] = r
	}
	r.at = append(r.at, now)
	if len(r.at) < l.After {
		return
	}
	if now.Sub(r.at[0]) <= lockoutWithin {
		r.at, r.until = nil, now.Add(l.For)
		return
	}
	r.at = r.at[1:]
}

// makeRoom forgets somebody's refusals if there are too many, but not of who is locked out, unless all are.
func (l *lockouts) makeRoom(now time.Time) {
	if len(l.refused) < maxRefused {
		return
	}
	for subject, r := range l.refused {
		if !now.Before(r.until) {
			delete(l.refused, subject)
			return
		}
	}
	clear(l.refused)
}

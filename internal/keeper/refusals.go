package keeper

import (
	"maps"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

const (
	// refusalMemory is how long a permanent refusal is given again without asking: long enough that a crash-looping application makes two
	// calls a minute, which Kraken bears; short enough for somebody who mends the key at Kraken.
	refusalMemory = 30 * time.Second
	// mostRefusals bounds what is remembered of one key. Only proofs of other private keys bring more than a few, and those are bounded as well.
	mostRefusals = 64
)

// refused is what a refusal was about: credentials, and one method or ("") all of them. The zero value is the key itself, with whatever
// credentials.
type refused struct {
	credentials Fingerprint
	method      string
}

// refusal is a refusal in memory.
type refusal struct {
	err   error // the refusal as Kraken gave it
	until time.Time
	proof bool // it was a proof that was refused
}

// refusals are the remembered refusals of a key; nil: there is none. Keeper.mu guards them.
type refusals map[refused]refusal

// aboutMethod tells the refusals that say something of the method alone.
func aboutMethod(kind kraken.Kind) bool {
	return kind == kraken.KindPermissionDenied || kind == kraken.KindUnexpected
}

// isRefusal tells the answers that asking again doesn't change, until somebody does something about the key.
func isRefusal(kind kraken.Kind) bool {
	switch kind {
	case kraken.KindInvalidKey, kraken.KindInvalidSignature, kraken.KindAccountRefused, kraken.KindBlocked:
		return true
	}
	return aboutMethod(kind)
}

// remembered is the refusal in force for a call, or nil. A proof asks although reads were refused, for somebody may have mended the key; not
// although a proof was.
func (rs refusals) remembered(use Use, now time.Time) *refusal {
	for _, about := range []refused{{}, {use.Credentials, ""}, {use.Credentials, use.Method}} {
		if r, ok := rs[about]; ok && now.Before(r.until) && (r.proof || !use.Proof) {
			found := r
			return &found
		}
	}
	return nil
}

// remember keeps a refusal.
func (rs *refusals) remember(about refused, use Use, now time.Time, err error) {
	if *rs == nil {
		*rs = refusals{}
	}
	if len(*rs) >= mostRefusals {
		maps.DeleteFunc(*rs, func(_ refused, r refusal) bool { return !now.Before(r.until) })
	}
	if len(*rs) >= mostRefusals {
		clear(*rs)
	}
	(*rs)[about] = refusal{err: err, until: now.Add(refusalMemory), proof: use.Proof}
}

// succeeded forgets what a good answer has disproved: the refusals of its own method, and of all methods.
func (rs refusals) succeeded(use Use) {
	delete(rs, refused{})
	delete(rs, refused{use.Credentials, ""})
	delete(rs, refused{use.Credentials, use.Method})
}

// last is when the last of them ends; the zero time if there is none.
func (rs refusals) last() (until time.Time) {
	for _, r := range rs {
		if r.until.After(until) {
			until = r.until
		}
	}
	return until
}

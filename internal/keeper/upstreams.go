package keeper

import (
	"maps"
	"sync"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// mostTroubles bounds what is remembered of all upstreams together. A mount points to a few, and remembers what is wrong with them only as long as it is; so
// many come about only if somebody makes them. What doesn't fit in isn't shared: each key meets it by itself.
const mostTroubles = 256

// upstreams know what answers from in front of Kraken say about this host's address, which concerns all keys of an upstream. One key alone may be the cause of what
// it meets, and so may whoever writes one account's config with one key after the other. So it is believed once a second key, of another account, has met the same. Keys that aren't stored, and proofs, teach nothing: those are for anybody to write.
//
// Its methods may be called by any number of goroutines at once. They may hold a Keeper.mu; none is taken here.
type upstreams struct {
	mu       sync.Mutex // guards all below
	troubles map[addressed]trouble
}

// addressed is an upstream and what its answers about this host's address are: kraken.KindBlocked, or kraken.KindRateLimited.
type addressed struct {
	upstream string
	kind     kraken.Kind
}

// trouble is an answer about this host's address, in force.
type trouble struct {
	id     string    // of the keeper that met it first,
	owner  string    // and of the account that its key stands in
	shared bool      // another one has met it as well
	err    error     // what is told of it, once it is shared
	at     time.Time // when it was met last
	until  time.Time
}

func newUpstreams() *upstreams { return &upstreams{troubles: map[addressed]trouble{}} }

// aboutAddress tells the answers that are about this host's address: those in which Kraken itself didn't speak.
func aboutAddress(cause *kraken.Error) bool {
	return len(cause.Messages) == 0 && (cause.Kind == kraken.KindBlocked || cause.Kind == kraken.KindRateLimited)
}

// met notes that the keeper with this ID, whose key stands in this account, has met an answer about this host's address, which is in force until then.
func (us *upstreams) met(upstream, id, owner string, cause *kraken.Error, now, until time.Time) {
	us.mu.Lock()
	defer us.mu.Unlock()
	about := addressed{upstream, cause.Kind}
	known, ok := us.troubles[about]
	if !ok || !now.Before(known.until) {
		maps.DeleteFunc(us.troubles, func(_ addressed, t trouble) bool { return !now.Before(t.until) })
		if len(us.troubles) >= mostTroubles {
			return
		}
		known = trouble{id: id, owner: owner}
	}
	known.shared = known.shared || known.id != id && known.owner != owner
	known.at = now
	if until.After(known.until) {
		known.until = until
	}
	told := *cause
	told.Detail += ", and other accounts of this Vault server meet it too"
	known.err = &told
	us.troubles[about] = known
}

// succeeded notes a good answer to a call that began then: what was met before it is over.
func (us *upstreams) succeeded(upstream string, began time.Time) {
	us.mu.Lock()
	defer us.mu.Unlock()
	for _, kind := range []kraken.Kind{kraken.KindBlocked, kraken.KindRateLimited} {
		about := addressed{upstream, kind}
		if known, ok := us.troubles[about]; ok && began.After(known.at) {
			delete(us.troubles, about)
		}
	}
}

// blocked is what keeps a call from being made, and until when; nil if nothing does.
func (us *upstreams) blocked(use Use, now time.Time) *trouble {
	if use.Proof {
		return nil // it finds out, as with the refusals of a key
	}
	return us.shared(addressed{use.Upstream, kraken.KindBlocked}, now)
}

// held is what holds a call back, and until when; nil if nothing does.
func (us *upstreams) held(use Use, now time.Time) *trouble {
	return us.shared(addressed{use.Upstream, kraken.KindRateLimited}, now)
}

func (us *upstreams) shared(about addressed, now time.Time) *trouble {
	us.mu.Lock()
	defer us.mu.Unlock()
	if known, ok := us.troubles[about]; ok && known.shared && now.Before(known.until) {
		found := known
		return &found
	}
	return nil
}

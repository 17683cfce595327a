package keeper

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// mostIdle bounds the keepers that nobody holds, but which still know something that must not be forgotten: a hold-off, a refusal, counted calls, or a call under
// way. Those of keys that are stored, which are those of deleted accounts, have room of their own, and so have those of proofs: else whoever may have
// many pairs proved could push away what is known of others' keys. Beyond that, the one whose knowledge is the first to be worth nothing is forgotten.
const mostIdle = 1024

// longestSweep is how long idle keepers may go without a look at them.
const longestSweep = time.Hour

// Keepers has the one keeper of each API key of a mount. Its methods may be called by any number of goroutines at once.
type Keepers struct {
	common *common

	mu     sync.Mutex // guards all below, and Keeper.users
	closed bool
	byID   map[string]*Keeper // by the digest of their key
	idle   map[string]*Keeper // those of byID that nobody holds
	// sweepAt is when one of idle may know nothing any more, as far as the last sweep has shown. Busy ones may at any time.
	sweepAt time.Time
}

// common is what all keepers of a mount have in common.
type common struct {
	now       func() time.Time // the clock of the nonces
	log       hclog.Logger
	upstreams *upstreams
	closed    chan struct{} // closed by Keepers.Close
}

// NewKeepers returns Keepers without any. now is the clock of the nonces.
func NewKeepers(now func() time.Time, log hclog.Logger) *Keepers {
	return &Keepers{common: &common{now, log, newUpstreams(), make(chan struct{})}, byID: map[string]*Keeper{}, idle: map[string]*Keeper{}}
}

// ID names an API key's record in storage: the digest of the key, in hexadecimal.
func ID(apiKey string) string { return hex.EncodeToString([]byte(digest(apiKey))) }

// digest is the SHA-256 of an API key. A keeper has it as bytes, for the text is twice as long.
func digest(apiKey string) string {
	sum := sha256.Sum256([]byte(apiKey))
	return string(sum[:])
}

// Hold returns the keeper of an API key, which is the same for all who hold it at a time. Each must Release it. store is for a keeper that is new.
func (ks *Keepers) Hold(apiKey string, store Store) (*Keeper, error) {
	id := digest(apiKey)
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if ks.closed {
		return nil, ErrClosed
	}
	k := ks.byID[id]
	if k == nil {
		k = &Keeper{common: ks.common, id: id, counter: newCounter(), record: record{store: store}}
		ks.byID[id] = k
		if !time.Now().Before(ks.sweepAt) {
			ks.evict()
		}
	}
	delete(ks.idle, id)
	k.users++
	return k, nil
}

// Release gives up what Hold gave.
func (ks *Keepers) Release(k *Keeper) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if k.users--; k.users > 0 || ks.byID[k.id] != k {
		return
	}
	now := time.Now()
	until, busy, _ := k.knowsUntil(now)
	if !busy && !until.After(now) {
		delete(ks.byID, k.id)
		return
	}
	ks.idle[k.id] = k
	if busy {
		until = now
	}
	if until.Before(ks.sweepAt) {
		ks.sweepAt = until
	}
	if len(ks.idle) > mostIdle || !now.Before(ks.sweepAt) {
		ks.evict()
	}
}

// evict forgets the idle keepers that know nothing any more, and as many of the others as there are too many. ks.mu is held.
func (ks *Keepers) evict() {
	now := time.Now()
	var groups [2]struct { // of keys that aren't stored, and of those that are
		count int
		first string // to know nothing any more; busy ones don't count
		until time.Time
	}
	ks.sweepAt = now.Add(longestSweep)
	for id, k := range ks.idle {
		until, busy, stored := k.knowsUntil(now)
		group := &groups[0]
		if stored {
			group = &groups[1]
		}
		switch {
		case busy:
			group.count++
			ks.sweepAt = now
		case !until.After(now):
			ks.forget(id)
		default:
			group.count++
			if until.Before(ks.sweepAt) {
				ks.sweepAt = until
			}
			if group.first == "" || until.Before(group.until) {
				group.first, group.until = id, until
			}
		}
	}
	for _, group := range groups {
		if group.count > mostIdle && group.first != "" {
			ks.forget(group.first)
		}
	}
}

// forget forgets an idle keeper. ks.mu is held.
func (ks *Keepers) forget(id string) {
	delete(ks.idle, id)
	delete(ks.byID, id)
}

// knowsUntil is when the keeper will know nothing any more that isn't stored, whether a call is under way, and whether its key is stored.
func (k *Keeper) knowsUntil(now time.Time) (until time.Time, busy, stored bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.holdOff != nil {
		until = k.holdOff.until
	}
	for _, end := range []time.Time{k.refusals.last(), k.counter.empty(now)} {
		if end.After(until) {
			until = end
		}
	}
	return until, !k.free() || len(k.queue) > 0, k.record.stored
}

// Reload lets the record with this ID be loaded again before it is used, for another process has changed it.
func (ks *Keepers) Reload(id string) {
	digest, err := hex.DecodeString(id)
	if err != nil {
		return // no key's
	}
	ks.mu.Lock()
	k := ks.byID[string(digest)]
	ks.mu.Unlock()
	if k != nil {
		k.Reload()
	}
}

// ReloadAll is Reload for all records.
func (ks *Keepers) ReloadAll() {
	ks.mu.Lock()
	all := slices.Collect(maps.Values(ks.byID))
	ks.mu.Unlock()
	for _, k := range all {
		k.Reload()
	}
}

// Len is how many keepers there are.
func (ks *Keepers) Len() int {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	return len(ks.byID)
}

// Close answers all who wait with ErrClosed, and all that comes later. Calls under way end as their contexts do.
func (ks *Keepers) Close() {
	ks.mu.Lock()
	first := !ks.closed
	ks.closed = true
	all := ks.byID
	ks.byID, ks.idle = map[string]*Keeper{}, map[string]*Keeper{}
	ks.mu.Unlock()
	if first {
		close(ks.common.closed)
	}
	for _, k := range all {
		k.mu.Lock()
		k.sweep(time.Now())
		k.mu.Unlock()
	}
}

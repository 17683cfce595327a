package keeper

import (
	"context"
	"errors"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// Record is what is stored of an API key. v0.1.0 wrote the same, but for Proved and Unaccepted.
type Record struct {
	// Account is the last account that the key was stored in; "" is the default account. It may have another key by now: its
	// config tells.
	Account string `json:"account"`
	// Ceiling: every nonce used so far is below it.
	Ceiling uint64 `json:"ceiling"`
	// Proved: Kraken has accepted a call by the account's credentials. A claim without that may be anybody's who knows the public key.
	Proved bool `json:"proved,omitempty"`
	// Unaccepted: Kraken has never accepted a call with the key, whatever the account and its credentials, so that its nonces mean nothing there.
	Unaccepted bool `json:"unaccepted,omitempty"`
}

// Store keeps the record of one API key beyond the end of the process. Its Keeper calls it by one goroutine at a time, and is the only
// one to write the record.
type Store interface {
	// Load returns the record, and whether there is one.
	Load(ctx context.Context) (Record, bool, error)
	// Save stores the record durably: once it returns nil, a later process loads this one or a later one.
	Save(ctx context.Context, record Record) error
	// Delete deletes the record.
	Delete(ctx context.Context) error
}

// record is the stored record as it is known here.
type record struct {
	store Store
	using gate // of who loads, saves or deletes

	// Keeper.mu guards these. They change only while using is held, but for loaded.
	Record
	stored bool // there is one
	loaded bool // all this is known
	// accepted: Record.Proved is to be stored with the next ceiling. Keeper.mu guards it.
	accepted bool
	// used: Kraken has accepted a call, a proof's too, so that Record.Unaccepted isn't true any more. Keeper.mu guards it.
	used bool
	// claims counts how often it was claimed here. Calls that began before the last may be of other credentials, or another account's. Keeper.mu guards it.
	claims uint32
}

// load makes the record known. The caller has taken it.
func (k *Keeper) load(ctx context.Context) error {
	k.mu.Lock()
	loaded := k.record.loaded
	k.record.loaded = true // a Reload that comes in the meantime is not forgotten
	k.mu.Unlock()
	if loaded {
		return nil
	}
	found, stored, err := k.record.store.Load(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		k.record.loaded = false
		return err
	}
	k.record.accepted = k.record.accepted && found.Account == k.record.Account
	k.record.Record, k.record.stored = found, stored
	if found.Ceiling > 0 {
		k.nonces.last = max(k.nonces.last, found.Ceiling-1)
	}
	return nil
}

// save stores a record. The caller has taken it.
func (k *Keeper) save(ctx context.Context, next Record) error {
	if err := k.record.store.Save(ctx, next); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.record.Record, k.record.stored = next, true
	return nil
}

// Owner returns the record of the key, with the account that it was last stored in, and whether there is one.
func (k *Keeper) Owner(ctx context.Context) (owner Record, ok bool, err error) {
	if err := k.record.using.take(ctx, nil); err != nil {
		return Record{}, false, err
	}
	defer k.record.using.give()
	if err := k.load(ctx); err != nil {
		return Record{}, false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	owner = k.record.Record
	owner.Proved = owner.Proved || k.record.accepted
	return owner, k.record.stored, nil
}

// Proved tells whether Kraken has accepted a call by the account that has the key, as far as that is known without a look into the store.
func (k *Keeper) Proved() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.record.Proved || k.record.accepted
}

// Claim stores that an account has the key, and whether Kraken has accepted its credentials, with a ceiling above all nonces that were used for the key
// until now, those of its proof above all. It writes nothing if that is what is stored.
func (k *Keeper) Claim(ctx context.Context, account string, proved bool) error {
	if err := k.record.using.take(ctx, nil); err != nil {
		return err
	}
	defer k.record.using.give()
	if err := k.load(ctx); err != nil {
		return err
	}
	k.mu.Lock()
	next, stored := k.record.Record, k.record.stored
	next.Unaccepted = (!stored || next.Unaccepted) && !proved && !k.record.used
	next.Account, next.Proved = account, proved
	if k.nonces.last >= next.Ceiling && k.nonces.last > 0 {
		next.Ceiling = k.nonces.reserve(k.nonces.last, k.clock())
	}
	unchanged := stored && next == k.record.Record
	k.mu.Unlock()
	if !unchanged {
		if err := k.save(ctx, next); err != nil {
			return err // whoever had the key has it still
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.record.accepted = proved
	k.record.claims++
	return nil
}

// Unclaim deletes the record of a key that an account no longer has, if no nonce was ever used for it, or none that Kraken has accepted and none above the clock.
// Otherwise the record stays: the key may come back, and its nonce must not go back. So there are no more records that mean nothing than accounts: whoever may
// write one could store pair after made-up pair.
func (k *Keeper) Unclaim(ctx context.Context, account string) error {
	if err := k.record.using.take(ctx, nil); err != nil {
		return err
	}
	defer k.record.using.give()
	if err := k.load(ctx); err != nil {
		return err
	}
	k.mu.Lock()
	worthless := k.record.Ceiling == 0 || k.record.Unaccepted && !k.record.used && k.nonces.last <= k.clock()
	unused := k.record.stored && k.record.Account == account && worthless
	k.mu.Unlock()
	if !unused {
		return nil
	}
	if err := k.record.store.Delete(ctx); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.record.Record, k.record.stored = Record{}, false
	return nil
}

// Reload lets the record be loaded again before it is used, for another process has changed it.
func (k *Keeper) Reload() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.record.loaded = false
}

// nextNonce reserves a nonce above all before. It stores a ceiling first where the nonce would reach the stored one. Of a key that has no record,
// nothing is stored: its nonces are those of a proof, and Claim stores what they need.
//
// The error is a *NotOwnerError, or the store's.
func (k *Keeper) nextNonce(ctx context.Context, use Use) (uint64, error) {
	if err := k.record.using.take(ctx, nil); err != nil {
		return 0, err
	}
	defer k.record.using.give()
	if err := k.load(ctx); err != nil {
		return 0, err
	}
	k.mu.Lock()
	if err := k.record.refuse(use); err != nil {
		k.mu.Unlock()
		return 0, err
	}
	now := k.clock()
	nonce := k.nonces.next(now)
	next := k.record.Record
	enough := nonce < next.Ceiling || !k.record.stored
	next.Ceiling = max(next.Ceiling, k.nonces.reserve(nonce, now))
	next.Proved = next.Proved || k.record.accepted
	if next.Unaccepted && k.record.used {
		next.Unaccepted, enough = false, false
	}
	k.mu.Unlock()
	if enough {
		return nonce, nil
	}
	return nonce, k.save(ctx, next)
}

// otherOwner is a *NotOwnerError where the key is known to be stored in another account than the one that would use it. That one gets no place in the queue,
// has no say in the tier and is told nothing of the key: it may be a tenant who had claimed it. It needs k.mu.
func (k *Keeper) otherOwner(use Use) error {
	if !k.record.loaded {
		return nil
	}
	return k.record.refuse(use)
}

// refuse is a *NotOwnerError for a use by another account than that of the record.
func (r *record) refuse(use Use) error {
	if r.stored && r.Account != use.Account && !use.Proof {
		return &NotOwnerError{Owner: r.Account}
	}
	return nil
}

// clock is the wall clock in nanoseconds since 1970.
func (k *Keeper) clock() uint64 { return uint64(max(k.now().UnixNano(), 0)) }

// storeError is the answer where no nonce could be reserved, in the time that ctx gave. A store at the other end of a connection counts that time by a clock of
// its own, and may say that it is over before ctx does.
func storeError(ctx context.Context, err error) error {
	var notOwner *NotOwnerError
	deadline, limited := ctx.Deadline()
	switch {
	case errors.As(err, &notOwner):
		return err
	case errors.Is(ctx.Err(), context.Canceled):
		return context.Cause(ctx)
	case limited && time.Until(deadline) < LeastCallTime:
		return &kraken.Error{Kind: kraken.KindTimeout, Detail: "the storage took all the time, so nothing was sent to Kraken", Err: err}
	default:
		return &StoreError{Err: err}
	}
}

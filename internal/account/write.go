package account

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
)

// Written is what a Write has come to.
type Written struct {
	Config *Config // what is stored now
	// Changed are the names of the fields that are other than before, in the order of Fields. None: nothing was stored.
	Changed []string
	Proved  bool // a token was got for it
}

// Write changes an account's config: it checks, proves and stores it, in this order, and only then lets it run.
//
// Until it begins to store, it ends with ctx, and whatever fails leaves what is stored and what runs as it was. Then it is decided, and goes on
// without its caller. It ends as one of the two: stored and running, or neither. Where storage fails so that it can't be known, the account is loaded
// anew by its next read.
//
// The error is a *FieldError, *PlaceError, *KeyInUseError, *TooManyProofsError, *ProofError, ErrDeleted, ErrClosed, the storage's, or the cause of ctx's end.
func (as *Accounts) Write(ctx context.Context, storage logical.Storage, name string, change Change) (Written, error) {
	e, err := as.hold(name)
	if err != nil {
		return Written{}, err
	}
	defer as.drop(e)
	w := &write{as: as, storage: storage, entry: e, change: change}
	defer w.giveUp()
	for {
		if err := w.try(ctx); err == nil {
			return Written{Config: w.merged, Changed: w.stored.changed(w.merged), Proved: w.proved}, nil
		} else if !errors.Is(err, errOvertaken) {
			as.meter(e).refused(ctx, err)
			return Written{}, err
		}
	}
}

// errOvertaken says that another write or delete was quicker, so that what was read from storage is old.
var errOvertaken = errors.New("another write was quicker")

// write is a Write under way.
type write struct {
	as      *Accounts
	storage logical.Storage
	entry   *entry
	change  Change

	stored *Config       // nil: none
	seen   uint64        // the entry's changes before it was read
	merged *Config       // what it shall be
	owner  keeper.Record // of its key; the zero value: none

	keeper *keeper.Keeper // of merged's key, held during a try

	fresh  *Account // what would run by merged; nil: not built, or in its place
	proved bool     // fresh was
	token  Token    // of the proof
}

// try writes once, or returns errOvertaken: then what was proved needn't be proved again.
func (w *write) try(ctx context.Context) (err error) {
	existed := w.stored != nil
	if w.stored, w.seen, err = w.as.read(ctx, w.storage, w.entry); err != nil {
		return err
	}
	if existed && w.stored == nil {
		return ErrDeleted
	}
	if w.merged, err = w.stored.merge(w.change, time.Now()); err != nil {
		return err
	}
	unchanged := w.stored != nil && *w.stored == *w.merged
	if unchanged && !w.change.asksForProof() {
		return nil
	}
	if err := w.checkPlace(); err != nil {
		return err
	}
	if w.keeper, err = w.as.keepers.Hold(w.merged.APIKey, newKeyStore(w.storage, w.merged.APIKey)); err != nil {
		return err
	}
	defer w.as.keepers.Release(w.keeper) // until then it knows the key's record
	if err := w.checkOwner(ctx); err != nil {
		return err
	}
	if err := w.build(); err != nil {
		return err
	}
	if !w.proved && w.change.needsProof(w.stored, w.merged) {
		if err := w.prove(ctx); err != nil {
			return err
		}
	}
	if unchanged {
		w.handOver()
		return nil
	}
	return w.store(ctx)
}

// build makes what would run by merged, unless that is there already.
func (w *write) build() (err error) {
	if w.fresh != nil && w.fresh.current.Err() == nil && w.fresh.runsBy(w.merged) {
		return nil
	}
	w.giveUp()
	w.fresh, err = w.as.build(w.storage, w.entry, w.merged)
	return err
}

// giveUp gives up what was built, if it isn't in its place.
func (w *write) giveUp() {
	if w.fresh != nil {
		w.fresh.giveUp()
	}
	w.fresh, w.proved, w.token = nil, false, Token{}
}

// checkPlace refuses a place that the mount doesn't allow. A config that points there already can still be changed in all that asks Kraken nothing.
func (w *write) checkPlace() error {
	if w.stored != nil && w.stored.sameIdentity(w.merged) && !w.change.asksForProof() {
		return nil
	}
	return w.as.CheckPlace(w.merged)
}

// store stores merged and lets it run.
func (w *write) store(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx) // the caller went while the pair was being proved
	}
	// Else whoever stores or reads the key unproved, again and again, could keep this out.
	waits := w.proved || w.owner.Proved && w.owner.Account == w.entry.name
	end, err := w.as.beginStoring(ctx, w.merged.APIKey, w.entry.name, waits)
	if err != nil {
		return err
	}
	defer end()
	if err := w.checkOwner(ctx); err != nil { // again, now that nobody else can become it
		return err
	}
	err = w.as.beginChange(ctx, w.entry, func() error {
		if w.entry.changes != w.seen {
			return errOvertaken
		}
		return nil
	})
	if err != nil {
		return err
	}
	ctx, cancel := decided(ctx)
	defer cancel()
	was, err := w.put(ctx)
	var old *Account
	var ended map[*Account]bool
	w.as.endChange(w.entry, func() {
		switch was {
		case isStored:
			old = w.install()
			if w.merged.Disabled {
				ended = maps.Clone(w.entry.proving) // a disabled account asks nothing
			}
		case isUnknown:
			old, w.entry.running = w.entry.running, nil
		}
	})
	for proof := range ended {
		proof.current.end(errReplaced)
	}
	if old != nil {
		old.giveUp()
		if old.upstream != w.merged.upstream() {
			old.wire.end(context.Canceled) // a call that hangs there mustn't stand in the way; its account has ended, so its end is no failure
		}
	}
	if was == isStored {
		w.handOver()
		if w.stored != nil && w.stored.APIKey != w.merged.APIKey {
			w.as.unclaim(ctx, w.storage, w.entry.name, w.stored.APIKey)
		}
	}
	return err
}

// handOver gives the token of a proof to what runs, if that runs by the same credentials.
func (w *write) handOver() {
	if a := w.as.running(w.entry.name); w.proved && !w.merged.Disabled && a != nil && a.goesOnBy(w.merged) {
		w.token.WebSocketURL = w.merged.WebSocketURL
		a.minted()
		a.keep(w.token)
	}
}

// install lets merged run: what runs already goes on with it, if only what may change in between has changed; else another takes its
// place, and what must be given up is returned. as.mu is held.
func (w *write) install() (old *Account) {
	running := w.entry.running
	switch {
	case w.as.closed:
		return nil
	case running != nil && running.goesOnBy(w.merged):
		running.settings.Store(w.merged.settings())
	default:
		old, running = running, w.fresh
		w.fresh = nil
		running.settings.Store(w.merged.settings())
		running.takeOver(w.entry, old)
		w.entry.running = running
	}
	running.keeper.SetTier(w.merged.Tier)
	return old
}

// Delete deletes an account's config and ends what runs by it. It is decided from the start, and goes on without its caller. It ends as one
// of the two: gone and ended, or neither. Where storage fails so that it can't be known, the account is loaded anew by its next read. It tells whether
// there was a config.
//
// The error is ErrClosed, the storage's, or the cause of ctx's end, if that came while another change was being stored.
func (as *Accounts) Delete(ctx context.Context, storage logical.Storage, name string) (existed bool, err error) {
	e, err := as.hold(name)
	if err != nil {
		return false, err
	}
	defer as.drop(e)
	if err := as.beginChange(ctx, e, func() error { return nil }); err != nil {
		return false, err
	}
	ctx, cancel := decided(ctx)
	defer cancel()
	stored, readErr := Read(ctx, storage, name) // one that can't be read can be deleted all the same
	was, err := settle(ctx, storage, name, nil, stored, vaultError(storage.Delete(ctx, Path(ConfigStorage, name))))
	var old *Account
	as.endChange(e, func() {
		if was != isAsBefore {
			old, e.running = e.running, nil
		}
		if was == isStored {
			e.meter = newMeter()
		}
	})
	if old != nil {
		old.giveUp()
	}
	if was == isStored && stored != nil {
		as.unclaim(ctx, storage, name, stored.APIKey)
	}
	return stored != nil || readErr != nil, err
}

const (
	// storeTimeout bounds the storing of what is decided.
	storeTimeout = 30 * time.Second
	// settleTimeout bounds the look at what is stored, after storing has failed.
	settleTimeout = 5 * time.Second
)

// decided is the context of what goes on without its caller.
func decided(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
}

// outcome is what a change of the storage has come to.
type outcome int

const (
	isStored   outcome = iota // the change is
	isAsBefore                // it isn't
	isUnknown
)

// put stores merged: the key's record first, for it must be there when its account runs.
func (w *write) put(ctx context.Context) (outcome, error) {
	known := w.owner.Proved && w.owner.Account == w.entry.name && w.stored != nil && w.stored.credentials() == w.merged.credentials()
	if err := w.fresh.keeper.Claim(ctx, w.entry.name, w.proved || known); err != nil {
		return isAsBefore, err // a record without a config that bears it out means nothing
	}
	return settle(ctx, w.storage, w.entry.name, w.merged, w.stored, put(ctx, w.storage, w.entry.name, w.merged))
}

// settle finds out what an attempt to change a stored config has come to. want is what was to be stored, before what was there; nil: none. err is how the
// attempt ended; it is nil in the end if the change is there all the same.
func settle(ctx context.Context, storage logical.Storage, name string, want, before *Config, err error) (outcome, error) {
	switch {
	case err == nil:
		return isStored, nil
	case errors.Is(err, logical.ErrReadOnly):
		return isAsBefore, err // Vault repeats the request where storage can be written
	case ctx.Err() != nil:
		return isUnknown, err // it may be stored yet
	}
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	found, lookErr := Read(look, storage, name)
	switch {
	case lookErr != nil:
		return isUnknown, err
	case equal(found, want):
		return isStored, nil
	case equal(found, before):
		return isAsBefore, err
	default:
		return isUnknown, err
	}
}

func equal(one, other *Config) bool {
	return one == nil && other == nil || one != nil && other != nil && *one == *other
}

// unclaim deletes the record of a key that an account had, if it was never used. If that fails, a record is left that means nothing.
func (as *Accounts) unclaim(ctx context.Context, storage logical.Storage, name, apiKey string) {
	end, err := as.beginStoring(ctx, apiKey, name, false)
	if err != nil {
		return // another account is about to have it
	}
	defer end()
	if again, err := holds(ctx, storage, name, apiKey); again || err != nil {
		return // a later write has brought it back
	}
	k, err := as.keepers.Hold(apiKey, newKeyStore(storage, apiKey))
	if err != nil {
		return // the mount is being closed
	}
	defer as.keepers.Release(k)
	if err := k.Unclaim(ctx, name); err != nil {
		as.options.Logger.Debug("an API key's record was not deleted", "account", name, "error", err)
	}
}

// beginChange waits until no other change of an account is being stored, and then begins one if that is ready, which is asked with as.mu held.
// Reads don't wait for it. It must be ended.
func (as *Accounts) beginChange(ctx context.Context, e *entry, ready func() error) error {
	for {
		as.mu.Lock()
		busy := e.changing
		if as.closed || busy == nil {
			defer as.mu.Unlock()
			if as.closed {
				return ErrClosed
			}
			if err := ready(); err != nil {
				return err
			}
			e.changing = make(chan struct{})
			e.changes++
			as.work.Add(1)
			return nil
		}
		as.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// endChange ends a change. apply, which has as.mu, lets run what is stored.
func (as *Accounts) endChange(e *entry, apply func()) {
	as.mu.Lock()
	defer as.mu.Unlock()
	defer as.work.Done()
	apply()
	e.changes++
	close(e.changing)
	e.changing = nil
}

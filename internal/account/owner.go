package account

import (
	"context"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
)

// This file says which account owns an API key, because one keeper must issue its nonces and count its calls. The key's record names the owner.

// checkOwner refuses an API key that another account of the mount holds. A claim that was never
// proved yields to a write that proves the pair: else anybody who knows a public key could keep it out.
func (w *write) checkOwner(ctx context.Context) (err error) {
	var owned, other bool
	if w.owner, owned, err = w.keeper.Owner(ctx); err != nil || !owned || w.owner.Account == w.entry.name {
		return err
	}
	if other, err = holds(ctx, w.storage, w.owner.Account, w.merged.APIKey); err != nil || !other {
		return err
	}
	if !w.owner.Proved && (w.proved || w.change.needsProof(w.stored, w.merged)) {
		return nil
	}
	return &KeyInUseError{Account: w.owner.Account}
}

// holds tells whether an API key stands in an account. The key's record tells in which one to look, so that no scan over all is needed; the config found
// there decides, for it may have another key by now.
func holds(ctx context.Context, storage logical.Storage, name, apiKey string) (bool, error) {
	config, err := Read(ctx, storage, name)
	return config != nil && config.APIKey == apiKey, err
}

// beginStoring lets an account become the owner of an API key, and no other account until end is called. Where another one is about to become it, who
// waits has its turn afterwards, and who doesn't is refused. So is, meanwhile, what comes later of that other one, or a loop of its claims would have no end.
//
// The error is a *KeyInUseError, or the cause of ctx's end.
func (as *Accounts) beginStoring(ctx context.Context, apiKey, name string, waits bool) (end func(), err error) {
	id := keeper.ID(apiKey)
	for {
		as.mu.Lock()
		owner := as.storing[id]
		if owner == nil {
			owner = &newOwner{name: name, ended: make(chan struct{})}
			as.storing[id] = owner
		}
		if owner.name == name && (waits || !owner.wanted) {
			owner.users++
			as.mu.Unlock()
			return func() { as.endStoring(id, owner) }, nil
		}
		owner.wanted = owner.wanted || waits
		as.mu.Unlock()
		if !waits {
			return nil, &KeyInUseError{Account: owner.name}
		}
		select {
		case <-owner.ended:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (as *Accounts) endStoring(id string, owner *newOwner) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if owner.users--; owner.users == 0 {
		delete(as.storing, id)
		close(owner.ended)
	}
}

// claim makes the account the owner of its key again, if the one that the key was last stored in has none or another by now, and isn't about to have it.
func (a *Account) claim(ctx context.Context, owner string) error {
	key := a.settings.Load().apiKey
	end, err := a.all.beginStoring(ctx, key, a.name, false)
	if err != nil {
		return err
	}
	defer end()
	lost, err := holds(ctx, a.storage, owner, key)
	if lost {
		err = &KeyInUseError{Account: owner, Lost: true}
	}
	if err != nil {
		return err
	}
	return a.keeper.Claim(ctx, a.name, false)
}

// newOwner is the account that is about to become the owner of an API key. Accounts.mu guards users and wanted.
type newOwner struct {
	name  string
	users int           // requests that are about that
	ended chan struct{} // closed when there are none any more
	// wanted: another account waits.
	wanted bool
}

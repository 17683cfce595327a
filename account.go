package krakensecrets

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/tokensource"
)

// account is an account's config and what runs by it. It doesn't change; a config write puts another in its place.
type account struct {
	name      string
	config    *config
	key       *apiKey
	transport *transport
	client    *kraken.Client

	// The links of the chain, innermost first.
	guard *tokensource.Guard
	retry *tokensource.Retry
	meter *tokensource.Meter
	reuse *tokensource.Reuse
}

// newAccount builds what runs by a validated config. Nothing else knows of it until replaceAccount.
func (b *backend) newAccount(storage logical.Storage, name string, c *config) (*account, error) {
	privateKey, err := kraken.ParsePrivateKey(c.APISecret)
	if err != nil {
		return nil, badField(fieldAPISecret, err.Error(), pairRemedy)
	}
	secondFactor, err := c.secondFactor()
	if err != nil {
		return nil, badField(fieldTOTPSecret, err.Error(), "write it again")
	}
	transport, err := b.transports.use(c.CACert)
	if err != nil {
		return nil, badField(fieldCACert, err.Error(), "write it again, with the pair")
	}
	key := b.key(storage, c.APIKey, c.Tier)
	a := &account{name: name, config: c, key: key, transport: transport}
	a.client = &kraken.Client{
		BaseURL:      c.APIURL,
		APIKey:       c.APIKey,
		PrivateKey:   privateKey,
		SecondFactor: secondFactor,
		Nonce:        key.nonce,
		Transport:    transport,
		UserAgent:    "vault-plugin-secrets-kraken/" + Version,
		Now:          time.Now,
	}
	a.guard = tokensource.NewGuard(key.counter, key.nonce.Advance, tokensource.SourceFunc(func(ctx context.Context) (tokensource.Token, error) { return b.mint(ctx, a) }))
	a.retry = tokensource.NewRetry(time.Duration(c.RequestTimeout)*time.Second, a.guard)
	a.meter = tokensource.NewMeter(a.retry)
	a.reuse = tokensource.NewReuse(time.Duration(c.CacheTTL)*time.Second, b.announce(name, a.meter))
	return a, nil
}

// mint is the end of the chain: a token from Kraken.
func (b *backend) mint(ctx context.Context, a *account) (token tokensource.Token, err error) {
	err = b.detached(ctx, a, func(ctx context.Context) error {
		made, err := a.client.GetWebSocketsToken(ctx)
		if err == nil {
			token = tokensource.Token{Value: made.Token, RequestedAt: made.RequestedAt, ExpiresAt: made.RequestedAt.Add(made.Expires)}
		}
		return err
	})
	return token, err
}

// detached makes a call to Kraken with a context that has ctx's deadline, but doesn't end when the reader goes away: a
// signed request left behind in the network could arrive after the next one, whose nonce is higher, and Kraken would
// count it against the account. It ends with the mount, as tokensource.ErrClosed.
func (b *backend) detached(ctx context.Context, a *account, call func(context.Context) error) error {
	a.transport.hold()
	defer a.transport.release()
	detached, cancel := context.WithoutCancel(ctx), context.CancelFunc(nil)
	if deadline, ok := ctx.Deadline(); ok {
		detached, cancel = context.WithDeadline(detached, deadline)
	} else {
		detached, cancel = context.WithCancel(detached)
	}
	defer cancel()
	defer context.AfterFunc(b.lifetime, cancel)()
	err := call(detached)
	if errors.Is(err, context.Canceled) && b.lifetime.Err() != nil {
		return tokensource.ErrClosed
	}
	return err
}

// account returns what runs for a configured account, and builds it when it is asked for the first time. The error is
// one to answer with.
func (b *backend) account(ctx context.Context, req *logical.Request, name string) (*account, error) {
	if a := b.runningAccount(name); a != nil {
		return a, nil
	}
	b.changing.Lock()
	defer b.changing.Unlock()
	if a := b.runningAccount(name); a != nil {
		return a, nil
	}
	stored, err := getConfig(ctx, req.Storage, name)
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, notConfigured(req.MountPoint, name)
	}
	a, err := b.newAccount(req.Storage, name, stored)
	if err != nil {
		return nil, err
	}
	b.replaceAccount(name, a)
	return a, nil
}

func (b *backend) runningAccount(name string) *account {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.accounts[name]
}

// storeAccount stores an account's config and lets reads use it. If it fails, nothing has changed but, at most, the key's
// claim, which is void without a config that bears it out.
func (b *backend) storeAccount(ctx context.Context, storage logical.Storage, a *account) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	// Again, now that no other write can come in between.
	if err := b.checkOwner(ctx, storage, a.name, a.config.APIKey); err != nil {
		return err
	}
	if err := a.key.entry.claim(ctx, a.name); err != nil {
		return err
	}
	if err := setConfig(ctx, storage, a.name, a.config); err != nil {
		return err
	}
	b.replaceAccount(a.name, a)
	return nil
}

// removeAccount deletes an account's config, and what runs by it.
func (b *backend) removeAccount(ctx context.Context, storage logical.Storage, name string) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	if err := storage.Delete(ctx, configPath(name)); err != nil {
		return err
	}
	b.replaceAccount(name, nil)
	return nil
}

// replaceAccount lets reads use another account from now on, or none (nil). Requests under way with the old one finish
// undisturbed. b.changing is held.
func (b *backend) replaceAccount(name string, a *account) {
	b.mu.Lock()
	old := b.accounts[name]
	if a == nil {
		delete(b.accounts, name)
	} else {
		b.accounts[name] = a
		tokensource.SetTier(a.key.counter, a.config.Tier)
	}
	b.mu.Unlock()
	if old != nil {
		old.retire()
	}
}

// retire is the end of an account that no read will find any more. It is called once. Requests under way finish
// undisturbed.
func (a *account) retire() {
	a.reuse.Retire()
	a.transport.release()
}

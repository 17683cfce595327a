// Package account runs the accounts of one mount: their configs, what runs by them, and how a write or a delete changes both.
//
// A read's way is straight: [Accounts.Token] finds the [Account] that runs, its cache or its retries ask the keeper of its API key, and that lets
// the Kraken client ask. The package knows Vault's storage, but nothing of its paths and answers: its errors are typed.
package account

import (
	"context"
	"crypto/x509"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// Options are what Accounts need from outside. Zero values stand for what is said here.
type Options struct {
	Logger    hclog.Logger // none
	UserAgent string       // "vault-plugin-secrets-kraken"
	// Minted is called with each token that was asked for, and what came of it. It must not block. Default: nothing.
	Minted func(account string, err error)
	// Passive tells whether another node of the cluster asks Kraken, so that this one must not. It must not block for long. Default: never.
	Passive func() bool
	// Transport makes what carries requests to servers whose certificates verify by the roots (nil: the system's). Default: kraken.NewTransport.
	Transport func(roots *x509.CertPool) http.RoundTripper
	// Clock is the clock of the nonces. Default: time.Now.
	Clock func() time.Time
	// Allowed are the places where api_url may point. Default: Kraken itself.
	Allowed Places
	// BadAllowed is why it can't be known which these are. Then there are none. Default: it is known.
	BadAllowed error
}

// Accounts are the accounts of one mount. Its methods may be called by any number of goroutines at once. Their waits end with their context.
type Accounts struct {
	options    Options
	transports *transports
	keepers    *keeper.Keepers
	proofs     proofs
	calls      histogram    // how long calls to Kraken took
	waits      histogram    // how long they had waited for their turn
	allowed    func() error // for the keepers: logical.ErrReadOnly while another node of the cluster asks Kraken

	// lifetime ends with Close, and with it all that runs.
	lifetime context.Context
	end      context.CancelCauseFunc

	mu      sync.RWMutex // guards all below, and what an entry says that it guards; never held over storage, network or a callback
	closed  bool
	entries map[string]*entry    // by the account's name; those of use only
	storing map[string]*newOwner // by the keeper.ID of an API key
	work    sync.WaitGroup       // what Close waits for
}

// entry is what is known of one account's name. Accounts.mu guards all of it.
type entry struct {
	name     string
	users    int               // requests that hold it
	running  *Account          // nil: not loaded, or not configured
	meter    *meter            // the account's, whatever config it runs by
	proving  map[*Account]bool // what proofs under way are about
	changing chan struct{}     // closed when the write or delete under way has changed storage; nil: none is
	// changes counts what may have changed the stored config: the beginnings and ends of writes and deletes, and invalidations. What was read
	// from storage is worth something as long as it stays the same.
	changes uint64
}

// New returns Accounts without any. They must be closed.
func New(options Options) *Accounts {
	if options.Logger == nil {
		options.Logger = hclog.NewNullLogger()
	}
	if options.UserAgent == "" {
		options.UserAgent = "vault-plugin-secrets-kraken"
	}
	if options.Minted == nil {
		options.Minted = func(string, error) {}
	}
	if options.Passive == nil {
		options.Passive = func() bool { return false }
	}
	if options.Transport == nil {
		options.Transport = func(roots *x509.CertPool) http.RoundTripper { return kraken.NewTransport(roots) }
	}
	if options.Clock == nil {
		options.Clock = time.Now
	}
	if options.Allowed == nil {
		options.Allowed = defaultPlaces()
	}
	as := &Accounts{
		options:    options,
		transports: &transports{create: options.Transport, byBundle: map[string]*transport{}},
		keepers:    keeper.NewKeepers(options.Clock, options.Logger),
		proofs:     proofs{underWay: map[string]int{}},
		entries:    map[string]*entry{},
		storing:    map[string]*newOwner{},
	}
	as.allowed = func() error {
		if as.options.Passive() {
			return logical.ErrReadOnly // Vault has the active node answer
		}
		return nil
	}
	as.lifetime, as.end = context.WithCancelCause(context.Background())
	return as
}

// Token is a token of an account: from its cache where there is one, else minted.
//
// The error is a *NotConfiguredError, *DisabledError, *PlaceError, *KeyInUseError, ErrClosed, one of the keeper's, a *kraken.Error, the storage's, or the
// cause of ctx's end. So it is with Mint and KeyInfo.
func (as *Accounts) Token(ctx context.Context, storage logical.Storage, name string) (Token, error) {
	if token, ok := as.cached(name); ok {
		return token, nil
	}
	return as.tokenOf(ctx, storage, name, (*Account).token)
}

// Mint is a new token of an account, past its cache. It becomes the cached one.
func (as *Accounts) Mint(ctx context.Context, storage logical.Storage, name string) (Token, error) {
	return as.tokenOf(ctx, storage, name, (*Account).freshToken)
}

// tokenOf has a token got from what runs for an account, and counts what comes of it.
func (as *Accounts) tokenOf(ctx context.Context, storage logical.Storage, name string, get func(*Account, context.Context) (Token, error)) (token Token, err error) {
	var asked *Account // last
	err = as.on(ctx, storage, name, func(ctx context.Context, a *Account) (err error) {
		asked = a
		token, err = get(a, ctx)
		return err
	})
	if err != nil {
		token = Token{} // not that of an account that was replaced meanwhile
	}
	if asked == nil {
		asked = as.running(name) // it may be one that asks nothing, because it is disabled
	}
	if asked != nil {
		asked.meter.read(ctx, token, err)
	}
	return token, err
}

// KeyInfo is what Kraken says of an account's API key, field by field.
func (as *Accounts) KeyInfo(ctx context.Context, storage logical.Storage, name string) (info kraken.KeyInfo, err error) {
	err = as.on(ctx, storage, name, func(ctx context.Context, a *Account) (err error) {
		info, err = a.keyInfo(ctx)
		return err
	})
	return info, err
}

// Exists tells whether an account is configured. Of one that runs, storage isn't asked.
func (as *Accounts) Exists(ctx context.Context, storage logical.Storage, name string) (bool, error) {
	if as.running(name) != nil {
		return true, nil
	}
	stored, err := Read(ctx, storage, name)
	return stored != nil, err
}

// Status is what is known of an account without asking Kraken.
func (as *Accounts) Status(ctx context.Context, storage logical.Storage, name string) (Status, error) {
	a, err := as.get(ctx, storage, name)
	if err != nil {
		return Status{}, err
	}
	return a.status(), nil
}

// cached is a cached token that needs no more than a look.
func (as *Accounts) cached(name string) (Token, bool) {
	a := as.running(name)
	if a == nil {
		return Token{}, false
	}
	cached, due := a.cache.hit(a.now(), a.settings.Load().cacheTTL)
	if cached == nil || due || a.current.Err() != nil || a.refuses() != nil {
		return Token{}, false
	}
	token := cached.handOut()
	a.meter.answered(token)
	return token, true
}

// on asks what runs for an account. Where that is replaced meanwhile, the answer is no longer good, and what has taken its place is asked: all
// within request_timeout.
func (as *Accounts) on(ctx context.Context, storage logical.Storage, name string, ask func(context.Context, *Account) error) error {
	began := time.Now()
	for {
		a, err := as.get(ctx, storage, name)
		if err != nil {
			return err
		}
		if err = a.refuses(); err == nil {
			err = a.whileCurrent(ctx, began, ask)
		}
		switch {
		case a.current.Err() == nil:
			return err
		case ctx.Err() != nil:
			return ended(ctx)
		}
	}
}

// whileCurrent asks with a context that ends with the caller, when request_timeout has passed since it began, and with the account.
func (a *Account) whileCurrent(ctx context.Context, began time.Time, ask func(context.Context, *Account) error) error {
	ctx, cancel := context.WithDeadline(ctx, began.Add(a.settings.Load().timeout))
	defer cancel()
	ctx, letGo := a.current.bind(ctx)
	defer letGo()
	return ask(ctx, a)
}

// get is what runs for a configured account. It is loaded when it is asked for the first time.
func (as *Accounts) get(ctx context.Context, storage logical.Storage, name string) (*Account, error) {
	if a := as.running(name); a != nil {
		return a, nil
	}
	e, err := as.hold(name)
	if err != nil {
		return nil, err
	}
	defer as.drop(e)
	for {
		stored, seen, err := as.read(ctx, storage, e)
		if err != nil {
			return nil, err
		}
		if stored == nil {
			return nil, &NotConfiguredError{Account: name}
		}
		loaded, err := as.build(storage, e, stored)
		if err != nil {
			return nil, err
		}
		a, used := as.install(e, loaded, seen)
		if !used {
			loaded.giveUp()
		}
		if a != nil {
			return a, nil
		}
	}
}

// install puts a loaded account in its place, unless there is one by now, or storage has changed since it was read. It returns what runs, and whether
// that is the one given; nil: load it again.
func (as *Accounts) install(e *entry, loaded *Account, seen uint64) (running *Account, used bool) {
	as.mu.Lock()
	defer as.mu.Unlock()
	switch {
	case as.closed:
		return nil, false // the next look for it is refused
	case e.running != nil:
		return e.running, false
	case e.changes != seen:
		return nil, false
	}
	e.running = loaded
	return loaded, true
}

// running is what runs for an account, nil if nothing does.
func (as *Accounts) running(name string) *Account {
	as.mu.RLock()
	defer as.mu.RUnlock()
	if e := as.entries[name]; e != nil {
		return e.running
	}
	return nil
}

// hold returns the entry of a name, for a request that must drop it.
func (as *Accounts) hold(name string) (*entry, error) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.closed {
		return nil, ErrClosed
	}
	e := as.entries[name]
	if e == nil {
		e = &entry{name: name, meter: newMeter()}
		as.entries[name] = e
	}
	e.users++
	return e, nil
}

// drop gives up an entry. One that nobody needs is forgotten.
func (as *Accounts) drop(e *entry) {
	as.mu.Lock()
	defer as.mu.Unlock()
	e.users--
	as.forget(e)
}

// forget forgets an entry that nobody needs. as.mu is held.
func (as *Accounts) forget(e *entry) {
	if e.users == 0 && e.running == nil && as.entries[e.name] == e {
		delete(as.entries, e.name)
	}
}

// read returns a stored config, nil if there is none, and the entry's changes before it was read.
func (as *Accounts) read(ctx context.Context, storage logical.Storage, e *entry) (stored *Config, seen uint64, err error) {
	as.mu.RLock()
	seen, closed := e.changes, as.closed
	as.mu.RUnlock()
	if closed {
		return nil, 0, ErrClosed
	}
	stored, err = Read(ctx, storage, e.name)
	return stored, seen, err
}

// StepDown forgets what is known of the API keys' records, for another node of the cluster may change them from now on.
func (as *Accounts) StepDown() { as.keepers.ReloadAll() }

// Invalidate drops what runs from a storage entry that another node has changed.
func (as *Accounts) Invalidate(path string) {
	if id, ok := cutKeyPath(path); ok {
		as.keepers.Reload(id)
		return
	}
	name, ok := configOf(path)
	if !ok {
		return
	}
	as.mu.Lock()
	e := as.entries[name]
	if e == nil {
		as.mu.Unlock()
		return
	}
	old := e.running
	e.running = nil
	e.changes++
	as.forget(e)
	as.mu.Unlock()
	if old != nil {
		old.giveUp()
	}
}

// launch begins work that Close waits for; false if it is too late for that.
func (as *Accounts) launch(work func()) bool {
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.closed {
		return false
	}
	as.work.Go(work)
	return true
}

// Close ends all that runs, and waits for it. What is asked later is answered ErrClosed. It may be called again.
func (as *Accounts) Close() {
	as.mu.Lock()
	first := !as.closed
	as.closed = true
	var running, proving []*Account
	for _, e := range as.entries {
		if e.running != nil {
			running = append(running, e.running)
			e.running = nil
		}
		proving = slices.AppendSeq(proving, maps.Keys(e.proving))
	}
	as.mu.Unlock()
	for _, a := range proving {
		a.current.end(ErrClosed)
	}
	for _, a := range running { // before their calls are cut off, which would be failures of theirs
		a.giveUp()
	}
	as.end(ErrClosed)
	if first {
		as.keepers.Close()
	}
	as.work.Wait()
}

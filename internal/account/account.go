package account

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// The methods that are called at Kraken, as a keeper knows them.
const (
	methodToken   = "GetWebSocketsToken"
	methodKeyInfo = "GetApiKeyInfo"
)

// Account is what runs by a config. What it signs with and where it sends to never changes: a write of that puts another Account in
// its place. All else of its config may change while it runs.
type Account struct {
	name      string
	all       *Accounts
	settings  atomic.Pointer[settings]
	keeper    *keeper.Keeper
	transport *transport
	storage   logical.Storage
	unusable  error // why nothing can be asked with its config, a *PlaceError or *FieldError; nil: it can

	// What its calls are signed with.
	privateKey kraken.PrivateKey
	factor     kraken.SecondFactor // nil: none

	// What a config brings to a call: see keeper.Use.
	credentials keeper.Fingerprint
	upstream    string
	codes       time.Duration

	// current ends when the account doesn't run any more: with errReplaced, or ErrClosed. Then no call begins.
	current life
	// wire ends when what is on its way to Kraken goes to the wrong place, and that with it. It also ends with the mount.
	wire life
	// users is who needs the above: one for the account while it isn't given up, and one for each ask under way.
	users atomic.Int64

	cache cache
	meter *meter
	// keyExpires is when the API key expires, as Kraken last said; nil: it doesn't, or Kraken wasn't asked.
	keyExpires atomic.Pointer[time.Time]
}

// build makes what would run by a config. Nothing uses it until it is put in its place. It must be given up: see giveUp.
func (as *Accounts) build(storage logical.Storage, e *entry, c *Config) (*Account, error) {
	privateKey, err := kraken.ParsePrivateKey(c.APISecret)
	if err != nil {
		return nil, &FieldError{FieldAPISecret, err.Error(), pairRemedy}
	}
	factor, codes, err := c.secondFactor()
	if err != nil {
		return nil, &FieldError{FieldTOTPSecret, err.Error(), "write it again"}
	}
	transport, err := as.transports.use(c.CACert)
	if err != nil {
		return nil, &FieldError{FieldCACert, err.Error(), "write it again, with the pair"}
	}
	k, err := as.keepers.Hold(c.APIKey, newKeyStore(storage, c.APIKey))
	if err != nil {
		transport.release()
		return nil, err
	}
	a := &Account{
		name: e.name, all: as, keeper: k, transport: transport, storage: storage, unusable: as.CheckPlace(c), meter: as.meter(e),
		privateKey: privateKey, factor: factor, credentials: c.credentials(), upstream: shared(c.upstream()), codes: codes,
	}
	if isPrivateKey(c.APIKey, c.APISecret) { // as an early version may have stored it; it would be sent as a public one
		a.unusable = &FieldError{FieldAPIKey, "is a private key", swappedRemedy}
	}
	a.settings.Store(c.settings())
	a.users.Store(1)
	a.cache.source = a
	return a, nil
}

// client makes the account's calls.
func (a *Account) client() *kraken.Client {
	settings := a.settings.Load()
	return &kraken.Client{
		BaseURL:      settings.apiURL,
		APIKey:       settings.apiKey,
		PrivateKey:   a.privateKey,
		SecondFactor: a.factor,
		Transport:    a.transport,
		UserAgent:    a.all.options.UserAgent,
		Now:          time.Now,
	}
}

// runsBy tells whether the account signs with a config's credentials and sends to its place.
func (a *Account) runsBy(c *Config) bool {
	return a.credentials == c.credentials() && a.upstream == c.upstream()
}

// goesOnBy tells whether what runs can go on by another config. Otherwise it ends, with its cached token, and another takes its place.
func (a *Account) goesOnBy(c *Config) bool {
	settings := a.settings.Load()
	return a.runsBy(c) && settings.webSocketURL == c.WebSocketURL && settings.disabled == c.Disabled
}

// giveUp is the end of an account that doesn't run any more, or never did. It is called once. What is on its way to Kraken goes on.
func (a *Account) giveUp() {
	a.current.end(errReplaced)
	a.release()
}

// hold keeps what the account has of others, its keeper and its connections above all, until release is called. It is false if the account has been given up
// by all.
func (a *Account) hold() bool {
	for {
		users := a.users.Load()
		if users == 0 {
			return false
		}
		if a.users.CompareAndSwap(users, users+1) {
			return true
		}
	}
}

// release gives up what hold gave, or build.
func (a *Account) release() {
	if a.users.Add(-1) == 0 {
		a.transport.release()
		a.all.keepers.Release(a.keeper)
	}
}

// refuses is why the account asks Kraken nothing, and hands out nothing; nil: it does.
func (a *Account) refuses() error {
	if a.settings.Load().disabled {
		return &DisabledError{Account: a.name}
	}
	return a.unusable
}

// use is what the account's config brings to a call.
func (a *Account) use(method string) keeper.Use {
	return keeper.Use{
		Account: a.name, Credentials: a.credentials, Upstream: a.upstream, Method: method, Tier: a.settings.Load().tier, Codes: a.codes,
		Allowed: a.all.allowed, While: a.current.Err,
	}
}

// token is a token for a reader: from the cache where there is one, else minted.
func (a *Account) token(ctx context.Context) (Token, error) {
	if ttl := a.settings.Load().cacheTTL; ttl > 0 {
		return a.cache.get(ctx, ttl)
	}
	return a.mint(ctx)
}

// freshToken mints a token past the cache, and makes it the cached one.
func (a *Account) freshToken(ctx context.Context) (Token, error) {
	token, err := a.mint(ctx)
	if err == nil {
		a.keep(token)
	}
	return token, err
}

// keep makes a token the cached one, if there is a cache.
func (a *Account) keep(token Token) {
	if a.settings.Load().cacheTTL > 0 {
		a.cache.keep(token)
	}
}

// The cache's source: see there.

func (a *Account) launch(fly func()) bool { return a.all.launch(fly) }
func (a *Account) now() time.Time         { return time.Now() }

func (a *Account) mintShared() (token Token, err error) {
	err = a.whileCurrent(context.Background(), time.Now(), func(ctx context.Context, a *Account) (err error) {
		token, err = a.mint(ctx)
		return err
	})
	return token, err
}

// mint has a token made, and tells of it.
func (a *Account) mint(ctx context.Context) (Token, error) {
	token, err := a.askToken(ctx, a.use(methodToken))
	switch {
	case err == nil:
		a.minted()
	case a.current.Err() != nil, isAnsweredElsewhere(ctx, err):
		// That is no failure.
	default:
		a.failed(err)
	}
	return token, err
}

func (a *Account) minted() {
	a.meter.minted()
	a.all.options.Minted(a.name, nil)
}

// failed tells of a token that couldn't be had. Of those that weren't asked for, no event tells: what they were kept from asking for has had its own.
func (a *Account) failed(err error) {
	if times, log := a.meter.failed(err); log {
		a.all.options.Logger.Warn("no token could be had", "account", a.name, "kind", KindName(err), "times", times, "error", err)
	}
	if !keeper.NotAsked(err) {
		a.all.options.Minted(a.name, err)
	}
}

// askToken asks Kraken for a token.
func (a *Account) askToken(ctx context.Context, use keeper.Use) (token Token, err error) {
	err = a.ask(ctx, use, func(ctx context.Context, nonce uint64) error {
		made, err := a.client().GetWebSocketsToken(ctx, nonce)
		if err != nil {
			return err
		}
		token = Token{
			Value: made.Token, WebSocketURL: a.settings.Load().webSocketURL, RequestedAt: made.RequestedAt, ExpiresAt: made.RequestedAt.Add(made.Expires),
		}
		return nil
	})
	if err != nil {
		return Token{}, err
	}
	return token, nil
}

// keyInfo asks Kraken about the API key.
func (a *Account) keyInfo(ctx context.Context) (info kraken.KeyInfo, err error) {
	err = a.ask(ctx, a.use(methodKeyInfo), func(ctx context.Context, nonce uint64) (err error) {
		info, err = a.client().GetAPIKeyInfo(ctx, nonce)
		return err
	})
	if err == nil {
		a.keyExpires.Store(nil)
		if until, expires := info.ValidUntil(); expires {
			a.keyExpires.Store(&until)
		}
	}
	return info, err
}

// ended is the error for a ctx that is done: its deadline is a timeout, a caller gone is just that.
func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &kraken.Error{Kind: kraken.KindTimeout, Detail: "no token could be had in time", Err: ctx.Err()}
	}
	return context.Cause(ctx)
}

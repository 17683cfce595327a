package account

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
)

// Status is what is known of an account without asking Kraken.
type Status struct {
	Account string
	// Disabled tells whether the account is disabled.
	Disabled bool
	Stats
	// CachedUntil is when the cached token expires, whatever its age, and CachedAge how old it is; zero if there is none, or it has expired.
	CachedUntil time.Time
	CachedAge   time.Duration
	// KeyExpires is when the API key expires, as Kraken last said when it was asked by KeyInfo; the zero time if it doesn't, or that isn't known.
	KeyExpires time.Time
	// Key is what the API key's keeper tells.
	Key keeper.Status
}

// takeOver takes over what is known of the account from what ran before; nil: nothing did. Accounts.mu is held.
func (a *Account) takeOver(e *entry, old *Account) {
	a.meter = e.meter // another than when it was built, if the account has been deleted since
	if old != nil && old.settings.Load().apiKey == a.settings.Load().apiKey {
		a.keyExpires.Store(old.keyExpires.Load())
	}
}

func (a *Account) status() Status {
	settings := a.settings.Load()
	status := Status{Account: a.name, Disabled: settings.disabled, Stats: a.meter.snapshot(), Key: a.keeper.Status(a.use(methodToken))}
	now := a.now()
	if cached := a.cache.token.Load(); settings.cacheTTL > 0 && cached != nil && cached.left(now) > 0 {
		status.CachedUntil, status.CachedAge = now.Add(cached.left(now)), cached.age(now)
	}
	if expires := a.keyExpires.Load(); expires != nil {
		status.KeyExpires = *expires
	}
	return status
}

// Metrics is what is known of a mount without asking Kraken.
type Metrics struct {
	// Accounts are those that run, in the order of their names. One runs from its first use after the process's start until its end, or its delete.
	Accounts []Status
	// Configured is how many accounts there are; -1 if the storage doesn't tell.
	Configured int
	// Keepers is how many API keys something is known of: those of the accounts that run, of proofs under way, and those that were held back or used lately.
	Keepers int
	// Calls is how long calls to Kraken took that may have reached it, and Waits how long those that were made had waited for their turn: for the calls before
	// them, for the counter, and for the end of a hold-off.
	Calls, Waits Histogram
}

// Metrics tells of all that goes on. Nobody waits for it. The error is ErrClosed.
func (as *Accounts) Metrics(ctx context.Context, storage logical.Storage) (Metrics, error) {
	m := Metrics{Configured: count(ctx, storage), Keepers: as.keepers.Len(), Calls: as.calls.snapshot(), Waits: as.waits.snapshot()}
	running, err := as.allRunning()
	if err != nil {
		return Metrics{}, err
	}
	m.Accounts = make([]Status, len(running))
	for i, a := range running {
		m.Accounts[i] = a.status()
	}
	slices.SortFunc(m.Accounts, func(a, b Status) int { return cmp.Compare(a.Account, b.Account) })
	return m, nil
}

func (as *Accounts) allRunning() ([]*Account, error) {
	as.mu.RLock()
	defer as.mu.RUnlock()
	if as.closed {
		return nil, ErrClosed
	}
	running := make([]*Account, 0, len(as.entries))
	for _, e := range as.entries {
		if e.running != nil {
			running = append(running, e.running)
		}
	}
	return running, nil
}

// countTimeout bounds the look into storage for Metrics: Prometheus gives up after 10 s, and all the rest is worth knowing when storage hangs.
const countTimeout = 2 * time.Second

// count is how many accounts are configured, -1 if the storage doesn't tell.
func count(ctx context.Context, storage logical.Storage) int {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	names, err := List(ctx, storage)
	if err != nil {
		return -1
	}
	unnamed, err := storage.Get(ctx, ConfigStorage)
	switch {
	case err != nil:
		return -1
	case unnamed != nil:
		return len(names) + 1
	default:
		return len(names)
	}
}

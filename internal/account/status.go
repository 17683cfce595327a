package account

import (
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
)

// Status is what is known of an account without asking Kraken.
type Status struct {
	Stats
	// CacheHits is how many reads were answered with a token minted for an earlier read, late ones included.
	CacheHits uint64
	// Coalesced is how many reads were answered, with a token or an error, by a flight begun for another read or for the background.
	Coalesced uint64
	// CachedUntil is when the cached token expires, whatever its age; the zero time if there is none, or it has expired.
	CachedUntil time.Time
	// Key is what the API key's keeper tells.
	Key keeper.Status
}

func (a *Account) status() Status {
	status := Status{
		Stats:     a.meter.snapshot(),
		CacheHits: a.cache.hits.Load(),
		Coalesced: a.cache.coalesced.Load(),
		Key:       a.keeper.Status(a.use(methodToken)),
	}
	now := a.cache.now()
	if cached := a.cache.token.Load(); a.config.Load().CacheTTL > 0 && cached != nil && cached.Left(now) > 0 {
		status.CachedUntil = cached.Expiry(now)
	}
	return status
}

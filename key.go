package krakensecrets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/tokensource"
	"golang.org/x/time/rate"
)

// keyStorage is where an API key's entry is: "nonce/<keyID>". Entries stay when their account goes: the same key may come
// back, and its nonce must not go back.
const keyStorage = "nonce/"

// keyEntry is what is stored of an API key beside the configs.
type keyEntry struct {
	// Account is the last account that the key was stored in. It may have another key by now; its config tells.
	Account string `json:"account"`
	// Ceiling: every nonce used so far is below it.
	Ceiling uint64 `json:"ceiling"`
}

// keyID names an API key's entry in storage.
func keyID(apiKey string) string {
	sum := sha256.Sum256([]byte(apiKey))
	return hex.EncodeToString(sum[:])
}

// apiKey is what all requests with one API key share, whatever account and config they are made for: the nonce and the
// call counter. It is safe for concurrent use.
type apiKey struct {
	nonce   *kraken.Nonce
	counter *rate.Limiter
	entry   keyStore
}

// key returns the one keeper of an API key in this mount. The tier is for a key that is new here; another takes effect
// with the config that is stored with it.
func (b *backend) key(storage logical.Storage, public, tier string) *apiKey {
	id := keyID(public)
	b.mu.Lock()
	defer b.mu.Unlock()
	key := b.keys[id]
	if key == nil {
		key = &apiKey{counter: tokensource.NewCounter(tier), entry: keyStore{storage: storage, path: keyStorage + id}}
		key.nonce = kraken.NewNonce(&key.entry, b.nonceClock)
		b.keys[id] = key
	}
	return key
}

// keyStore reads and writes a key's entry.
type keyStore struct {
	storage logical.Storage
	path    string
	mu      sync.Mutex // held for each change of the entry
}

func (s *keyStore) load(ctx context.Context) (keyEntry, error) {
	var entry keyEntry
	stored, err := s.storage.Get(ctx, s.path)
	if err != nil || stored == nil {
		return entry, err
	}
	err = stored.DecodeJSON(&entry)
	return entry, err
}

func (s *keyStore) change(ctx context.Context, change func(*keyEntry)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry, err := s.load(ctx)
	if err != nil {
		return err
	}
	before := entry
	if change(&entry); entry == before {
		return nil
	}
	stored, err := logical.StorageEntryJSON(s.path, entry)
	if err != nil {
		return err
	}
	return s.storage.Put(ctx, stored)
}

// LoadCeiling is kraken.CeilingStore's.
func (s *keyStore) LoadCeiling(ctx context.Context) (uint64, error) {
	entry, err := s.load(ctx)
	return entry.Ceiling, err
}

// SaveCeiling is kraken.CeilingStore's.
func (s *keyStore) SaveCeiling(ctx context.Context, ceiling uint64) error {
	return s.change(ctx, func(entry *keyEntry) { entry.Ceiling = max(entry.Ceiling, ceiling) })
}

// claim notes that an account holds the key.
func (s *keyStore) claim(ctx context.Context, account string) error {
	return s.change(ctx, func(entry *keyEntry) { entry.Account = account })
}

// checkOwner refuses an API key that another account of the mount holds, for its nonce has one keeper and its limits one
// counter. The key's entry tells where to look, so that no scan over all accounts is needed; the config found there
// decides, for it may have another key by now.
func (b *backend) checkOwner(ctx context.Context, storage logical.Storage, name, public string) error {
	entry, err := (&keyStore{storage: storage, path: keyStorage + keyID(public)}).load(ctx)
	if err != nil || entry.Account == name {
		return err
	}
	owner, err := getConfig(ctx, storage, entry.Account)
	if err != nil {
		return err
	}
	if owner != nil && owner.APIKey == public {
		return badField(fieldAPIKey, fmt.Sprintf("is in use by %s of this mount", accountTitle(entry.Account)),
			"an API key stands in one account only: read its tokens there, or create another API key at Kraken")
	}
	return nil
}

package account

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
)

const (
	// ConfigStorage is where the default account's config is stored; a named account's is below it.
	ConfigStorage = "config"
	// keyStorage is where an API key's record is: "nonce/<keeper.ID>". Records stay when their account goes, if the key was used: the same key may
	// come back, and its nonce must not go back.
	keyStorage = "nonce/"
)

// Path is the path, of the API or in storage, that an account has under a base: the base itself for the default account.
func Path(base, name string) string {
	if name == "" {
		return base
	}
	return base + "/" + name
}

// Read returns an account's stored config, nil if there is none. What v0.1.0 stored is read as this version would have it.
func Read(ctx context.Context, storage logical.Storage, name string) (*Config, error) {
	entry, err := storage.Get(ctx, Path(ConfigStorage, name))
	if err != nil || entry == nil {
		return nil, err
	}
	stored := new(Config)
	if err := entry.DecodeJSON(stored); err != nil {
		// The decoder's own error may quote what it read.
		return nil, fmt.Errorf("the stored config of %s can't be decoded; delete it, then write it again", Title(name))
	}
	if stored.WebSocketURL == "" {
		stored.WebSocketURL = DefaultWebSocketURL
	}
	stored.RequestTimeout = min(stored.RequestTimeout, int(maxRequestTimeout.Seconds()))
	return stored, nil
}

// List returns the names of the named accounts.
func List(ctx context.Context, storage logical.Storage) ([]string, error) {
	return storage.List(ctx, ConfigStorage+"/")
}

func put(ctx context.Context, storage logical.Storage, name string, c *Config) error {
	entry, err := logical.StorageEntryJSON(Path(ConfigStorage, name), c)
	if err != nil {
		return err
	}
	return vaultError(storage.Put(ctx, entry))
}

// vaultError is the error of a storage that was to be changed. Over the plugin boundary it comes as a text; the one by which Vault has the active node answer
// is known by that.
func vaultError(err error) error {
	if err != nil && strings.Contains(err.Error(), logical.ErrReadOnly.Error()) {
		return logical.ErrReadOnly
	}
	return err
}

// cutKeyPath is the keeper.ID of the API key whose record is at a storage path; false if none is.
func cutKeyPath(path string) (id string, ok bool) { return strings.CutPrefix(path, keyStorage) }

// configOf is the account whose config is at a storage path; false if none is.
func configOf(path string) (name string, ok bool) {
	if path == ConfigStorage {
		return "", true
	}
	return strings.CutPrefix(path, ConfigStorage+"/")
}

// keyStore is an API key's keeper.Store.
type keyStore struct {
	storage logical.Storage
	apiKey  string
}

func newKeyStore(storage logical.Storage, apiKey string) keyStore { return keyStore{storage, apiKey} }

func (s keyStore) path() string { return keyStorage + keeper.ID(s.apiKey) }

func (s keyStore) Load(ctx context.Context) (record keeper.Record, ok bool, err error) {
	entry, err := s.storage.Get(ctx, s.path())
	if err != nil || entry == nil {
		return record, false, err
	}
	return record, true, entry.DecodeJSON(&record)
}

func (s keyStore) Save(ctx context.Context, record keeper.Record) error {
	entry, err := logical.StorageEntryJSON(s.path(), record)
	if err != nil {
		return err
	}
	return vaultError(s.storage.Put(ctx, entry))
}

func (s keyStore) Delete(ctx context.Context) error {
	return vaultError(s.storage.Delete(ctx, s.path()))
}

// Package krakensecrets is a HashiCorp Vault secrets engine that keeps Kraken API key pairs and hands out the short-lived
// tokens that open Kraken's private WebSocket feeds. The private key is used inside the engine and never comes out.
package krakensecrets

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/helper/locksutil"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// Version is the plugin's version, "vX.Y.Z" as Vault wants it. The build sets it.
var Version = "v0.1.0-dev"

const backendHelp = `
The Kraken secrets engine keeps Kraken API key pairs and hands out the short-lived tokens that open Kraken's private
WebSocket feeds. The private key never leaves Vault.

Store a key pair with "config", then read "ws-token". Both, and "key-info" and "status", exist for one default account
and, with a name behind them, for as many named accounts as you like ("config/desk-a", "ws-token/desk-a").
`

// backend is one mount of the engine.
type backend struct {
	*framework.Backend

	nonceClock func() time.Time // replaced in tests only
	transports *transports

	// lifetime ends with the mount's Cleanup, and with it all that runs detached from a request.
	lifetime context.Context
	end      context.CancelFunc

	// writing serialises the writes of one account's config, whose verification may take a while.
	writing []*locksutil.LockEntry
	// changing is held while accounts are loaded, stored and replaced: short, and never while Kraken is asked.
	changing sync.Mutex

	mu       sync.RWMutex // guards the maps
	accounts map[string]*account
	keys     map[string]*apiKey // by keyID; kept while the mount lives, for the nonce's sake
}

// Factory makes the engine for one mount.
func Factory(ctx context.Context, conf *logical.BackendConfig) (logical.Backend, error) {
	if conf == nil {
		return nil, errors.New("no backend configuration was given")
	}
	b := newBackend()
	if err := b.Setup(ctx, conf); err != nil {
		return nil, err
	}
	return b, nil
}

func newBackend() *backend {
	b := &backend{
		nonceClock: time.Now,
		transports: &transports{
			create:   func(roots *x509.CertPool) http.RoundTripper { return kraken.NewTransport(roots) },
			byBundle: map[string]*transport{},
		},
		writing:  locksutil.CreateLocks(),
		accounts: map[string]*account{},
		keys:     map[string]*apiKey{},
	}
	b.lifetime, b.end = context.WithCancel(context.Background())
	b.Backend = &framework.Backend{
		Help:        strings.TrimSpace(backendHelp),
		BackendType: logical.TypeLogical,
		PathsSpecial: &logical.Paths{
			SealWrapStorage: []string{configStorage, configStorage + "/"},
		},
		Paths: framework.PathAppend(
			b.pathConfig(),
			b.pathToken(),
			b.pathKeyInfo(),
			b.pathStatus(),
		),
		RunningVersion: Version,
		Invalidate:     b.invalidate,
		Clean:          b.clean,
	}
	return b
}

// HandleRequest is framework.Backend's, but tells whoever mistyped a name or a value what is right. The framework itself
// answers "unsupported path", or an error that quotes the value, secret or not.
func (b *backend) HandleRequest(ctx context.Context, req *logical.Request) (*logical.Response, error) {
	if err := checkConfigInput(req); err != nil {
		return nil, err
	}
	response, err := b.Backend.HandleRequest(ctx, req)
	if errors.Is(err, logical.ErrUnsupportedPath) {
		if base, name, _ := strings.Cut(req.Path, "/"); name != "" && isAccountPath(base) {
			return nil, badInput(fmt.Sprintf("%.100q is not an account name: give letters, digits, _, - and ., with a letter or digit at both ends", name))
		}
	}
	return response, err
}

// HandleExistenceCheck is framework.Backend's without a look at the values, which HandleRequest checks.
func (b *backend) HandleExistenceCheck(ctx context.Context, req *logical.Request) (checkFound, exists bool, err error) {
	withoutData := *req
	withoutData.Data = nil
	return b.Backend.HandleExistenceCheck(ctx, &withoutData)
}

func isAccountPath(base string) bool {
	return base == pathConfigBase || base == pathTokenBase || base == pathKeyInfoBase || base == pathStatusBase
}

// invalidate drops what this node runs from a storage entry that another node has changed.
func (b *backend) invalidate(_ context.Context, storageKey string) {
	if id, isKey := strings.CutPrefix(storageKey, keyStorage); isKey {
		b.mu.RLock()
		key := b.keys[id]
		b.mu.RUnlock()
		if key != nil {
			key.nonce.Reload()
		}
		return
	}
	name, isNamed := strings.CutPrefix(storageKey, configStorage+"/")
	if !isNamed {
		if storageKey != configStorage {
			return
		}
		name = ""
	}
	b.changing.Lock()
	defer b.changing.Unlock()
	b.replaceAccount(name, nil)
}

// clean ends everything that the mount has running and waits for it.
func (b *backend) clean(context.Context) {
	b.end()
	b.mu.Lock()
	accounts := b.accounts
	b.accounts = map[string]*account{}
	b.mu.Unlock()
	for _, account := range accounts {
		account.reuse.Close()
		account.retire()
	}
}

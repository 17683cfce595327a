package account

import (
	"context"
	"crypto/x509"
	"net/http"
	"sync"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// transports are the connections to Kraken. All accounts with the same ca_cert share theirs. They are safe for concurrent
// use.
type transports struct {
	create func(roots *x509.CertPool) http.RoundTripper

	mu       sync.Mutex // guards byBundle, and the users of each
	byBundle map[string]*transport
}

// transport is what carries requests to servers whose certificates verify by one PEM bundle, or by the system's roots.
type transport struct {
	http.RoundTripper
	all    *transports
	bundle string
	users  int // accounts, and requests under way
}

// use returns the transport for a ca_cert, held for the caller, who must release it.
func (ts *transports) use(bundle string) (*transport, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.byBundle[bundle]
	if t == nil {
		var roots *x509.CertPool
		if bundle != "" {
			var err error
			if roots, err = kraken.ParseCertificates(bundle); err != nil {
				return nil, err
			}
		}
		t = &transport{RoundTripper: ts.create(roots), all: ts, bundle: bundle}
		ts.byBundle[bundle] = t
	}
	t.users++
	return t, nil
}

// hold keeps the connections open until release is called.
func (t *transport) hold() {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	t.users++
}

// release gives up what use or hold gave. The last one closes the connections.
func (t *transport) release() {
	t.all.mu.Lock()
	t.users--
	last := t.users == 0
	if last && t.all.byBundle[t.bundle] == t {
		delete(t.all.byBundle, t.bundle)
	}
	t.all.mu.Unlock()
	if idle, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok && last {
		idle.CloseIdleConnections()
	}
}

// holding is a call that keeps the connections open while it is made, whatever becomes of its account.
func (t *transport) holding(call keeper.Call) keeper.Call {
	return func(ctx context.Context, nonce uint64) error {
		t.hold()
		defer t.release()
		return call(ctx, nonce)
	}
}

package account

import (
	"crypto/x509"
	"net/http"
	"sync"

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
	users  int // accounts
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

// release gives up what use gave. The last one closes the connections.
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

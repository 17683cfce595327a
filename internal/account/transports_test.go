package account

import (
	"crypto/x509"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// connections is a transport that counts how often its idle connections were closed.
type connections struct {
	http.RoundTripper
	roots  *x509.CertPool
	closed int
}

func (c *connections) CloseIdleConnections() { c.closed++ }

func newTransports() *transports {
	return &transports{
		create:   func(roots *x509.CertPool) http.RoundTripper { return &connections{roots: roots} },
		byBundle: map[string]*transport{},
	}
}

func TestAccountsWithTheSameCACertShareTheirConnections(t *testing.T) {
	ts := newTransports()
	bundle := certificate(t)
	use := func(bundle string) *transport {
		t.Helper()
		used, err := ts.use(bundle)
		require.NoError(t, err)
		return used
	}
	system, private := use(""), use(bundle)
	require.NotSame(t, system, private)
	require.Nil(t, system.RoundTripper.(*connections).roots)
	require.NotNil(t, private.RoundTripper.(*connections).roots)
	require.Same(t, private, use(bundle))
	require.Same(t, system, use(""))
	require.NotSame(t, private, use(bundle+"\n"))

	_, err := ts.use("no PEM")
	require.Error(t, err)
	require.Len(t, ts.byBundle, 3)
}

func TestTheLastToReleaseConnectionsClosesThem(t *testing.T) {
	ts := newTransports()
	used, err := ts.use("")
	require.NoError(t, err)
	counting := used.RoundTripper.(*connections)
	again, err := ts.use("")
	require.NoError(t, err)
	again.release()
	require.Zero(t, counting.closed)

	used.release()
	require.Equal(t, 1, counting.closed)
	require.Empty(t, ts.byBundle)

	anew, err := ts.use("")
	require.NoError(t, err)
	require.NotSame(t, used, anew)
}

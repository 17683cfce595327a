package krakensecrets

import (
	"testing"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
)

// testCertificate is some CA certificate in PEM.
func testCertificate(t *testing.T) string {
	t.Helper()
	sim, err := krakensim.Start(krakensim.Options{TLS: true})
	require.NoError(t, err)
	defer sim.Close()
	return sim.CACertPEM()
}

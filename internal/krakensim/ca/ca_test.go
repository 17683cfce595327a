package ca

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhoTrustsTheCATrustsItsServers(t *testing.T) {
	made, err := New()
	require.NoError(t, err)
	parsed, err := Parse(made.CertificatePEM(), made.KeyPEM())
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM([]byte(made.CertificatePEM())))
	for _, ca := range []*CA{made, parsed} {
		config, err := ca.ServerConfig([]string{"api.kraken.test", "127.0.0.1"})
		require.NoError(t, err)
		leaf, err := x509.ParseCertificate(config.Certificates[0].Certificate[0])
		require.NoError(t, err)
		for name, valid := range map[string]bool{"api.kraken.test": true, "127.0.0.1": true, "127.0.0.2": false, "kraken.test": false} {
			_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name})
			assert.Equal(t, valid, err == nil, name)
		}
	}
}

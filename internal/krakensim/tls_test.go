package krakensim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAServersCAIsTheOneGiven(t *testing.T) {
	ca, err := NewCA()
	require.NoError(t, err)
	again, err := ParseCA(ca.CertificatePEM(), ca.KeyPEM())
	require.NoError(t, err)
	first := startServer(t, Options{TLS: true, CA: ca})
	transport := trusting(t, first)
	for _, server := range []*Server{first, startServer(t, Options{TLS: true, CA: again})} {
		assert.Equal(t, ca.CertificatePEM(), server.CACertPEM())
		q := newRequest(tokenPath, 1)
		q.base = server.RESTURL()
		assert.Empty(t, q.do(t, transport).Error, "who trusts the one trusts the other")
	}
	assert.NotEqual(t, ca.CertificatePEM(), startServer(t, Options{TLS: true}).CACertPEM())
}

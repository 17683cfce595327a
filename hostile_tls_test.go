package krakensecrets

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tlsServer answers well over TLS, by a certificate of its own that the change makes worse. It returns what it serves,
// the certificate in PEM, and how many requests came through.
func tlsServer(t *testing.T, change func(*x509.Certificate, *tls.Config)) (url, bundle string, requests *atomic.Int64) {
	t.Helper()
	certificate := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	config := &tls.Config{}
	change(certificate, config)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, &key.PublicKey, key)
	require.NoError(t, err)
	config.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	requests = new(atomic.Int64)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.Header().Set("X-Protocol", r.Proto)
		_, _ = io.WriteString(w, `{"error":[],"result":{"token":"`+r.Proto+`","expires":900}}`)
	}))
	server.TLS, server.EnableHTTP2 = config, true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), requests
}

func TestServersWhoseTLSIsBad(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*x509.Certificate, *tls.Config)
		code   int
		want   string
	}{
		"expired":       {func(c *x509.Certificate, _ *tls.Config) { c.NotAfter = time.Now().Add(-24 * time.Hour) }, 502, "has expired or is not valid yet"},
		"not valid yet": {func(c *x509.Certificate, _ *tls.Config) { c.NotBefore = time.Now().Add(30 * time.Minute) }, 502, "has expired or is not valid yet"},
		"not for servers": {func(c *x509.Certificate, _ *tls.Config) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}, 502, "doesn't verify"},
		"another address":         {func(c *x509.Certificate, _ *tls.Config) { c.IPAddresses[0] = net.IPv4(127, 0, 0, 2) }, 502, "for another host"},
		"a name, not the address": {func(c *x509.Certificate, _ *tls.Config) { c.IPAddresses, c.DNSNames = nil, []string{"127.0.0.1"} }, 502, "for another host"},
		"TLS 1.1 at most": {func(_ *x509.Certificate, c *tls.Config) {
			c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		}, 502, "TLS"},
		"wants a certificate": {func(_ *x509.Certificate, c *tls.Config) {
			c.MaxVersion, c.ClientAuth = tls.VersionTLS12, tls.RequireAnyClientCert
		}, 502, "TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			url, bundle, requests := tlsServer(t, test.change)
			err := readsHostile(t, url, map[string]any{fieldAPIURL: url, fieldCACert: bundle, fieldVerify: false})("ws-token")
			requireCode(t, test.code, err)
			assert.Contains(t, err.Error(), test.want)
			assert.Zero(t, requests.Load(), "a signed request was sent")
		})
	}
}

func TestAServerThatSpeaksHTTP2(t *testing.T) {
	for version, maxVersion := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(version, func(t *testing.T) {
			url, bundle, _ := tlsServer(t, func(_ *x509.Certificate, c *tls.Config) { c.MaxVersion = maxVersion })
			e := newEngine(t)
			e.configure("", map[string]any{fieldAPIURL: url, fieldCACert: bundle})
			for range 3 {
				assert.Equal(t, "HTTP/2.0", e.mustRead("ws-token")[fieldToken])
			}
		})
	}
}

package kraken

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"

	"github.com/hashicorp/go-cleanhttp"
)

// Transport carries requests to Kraken.
type Transport struct{ http1 *http.Transport }

// RoundTrip is http.RoundTripper's.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	return t.http1.RoundTrip(request)
}

// CloseIdleConnections closes the connections that carry no request, HTTP/2 ones included.
func (t *Transport) CloseIdleConnections() { t.http1.CloseIdleConnections() }

// NewTransport returns an HTTP transport that keeps connections alive, verifies certificates against roots (nil: the
// system's) and speaks TLS 1.2 or later. Share one among all clients with the same roots; it is safe for concurrent
// use. Its CloseIdleConnections is the caller's to call in the end.
func NewTransport(roots *x509.CertPool) *Transport {
	transport := cleanhttp.DefaultPooledTransport()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	transport.MaxResponseHeaderBytes = 64 << 10 // Kraken's are a few kilobytes; Go's default is 10 MB
	// Requests of one API key go out one at a time; more connections than this to one host come from many accounts.
	transport.MaxIdleConnsPerHost = 16
	transport.MaxIdleConns = 64
	return &Transport{transport}
}

// ParseCertificates reads a PEM bundle of CA certificates; text around the certificates is passed over. The error says
// what is wrong with it. A bundle with anything but certificates in it, a private key above all, is an error.
func ParseCertificates(bundle string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	rest := []byte(bundle)
	for found := false; ; found = true {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		switch {
		case block == nil && !found:
			return nil, errors.New("holds no PEM certificate (-----BEGIN CERTIFICATE-----)")
		case block == nil:
			return pool, nil
		case block.Type != "CERTIFICATE":
			return nil, errors.New("holds PEM that is not a certificate")
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("holds a certificate that can't be read")
		}
		pool.AddCert(certificate)
	}
}

package krakensim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// certLife is how long a server's certificates last. They are made anew with each server, and never stored.
const certLife = 30 * 24 * time.Hour

// newCertificate makes a certificate authority and a certificate of it for the names and IP addresses given. It
// returns the server's TLS configuration and the authority's certificate in PEM.
func newCertificate(hosts []string) (*tls.Config, string, error) {
	ca := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Kraken simulator CA"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	caDER, caKey, err := issue(ca, nil, nil)
	if err != nil {
		return nil, "", fmt.Errorf("making a CA certificate: %w", err)
	}
	leaf := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "Kraken simulator"},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, host)
		}
	}
	leafDER, leafKey, err := issue(leaf, ca, caKey)
	if err != nil {
		return nil, "", fmt.Errorf("making a server certificate: %w", err)
	}
	config := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{leafDER}, PrivateKey: leafKey}},
	}
	return config, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})), nil
}

// issue completes a certificate and signs it with the parent's key, or with its own if it has no parent.
func issue(cert, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	cert.SerialNumber = serial
	cert.NotBefore = time.Now().Add(-time.Hour) // the client's clock may be slow
	cert.NotAfter = time.Now().Add(certLife)
	if parent == nil {
		parent, parentKey = cert, key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, parentKey)
	return der, key, err
}

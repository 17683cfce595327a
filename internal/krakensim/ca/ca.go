// Package ca is a certificate authority for simulated servers.
package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

const (
	// certLife is how long a server's certificate lasts. It is made anew with each server, and never stored.
	certLife = 30 * 24 * time.Hour
	// caLife is how long a CA lasts, which may be stored: longer than anybody keeps a simulator.
	caLife = 10 * 365 * 24 * time.Hour
)

// A CA is a certificate authority that servers can have their certificates from. It doesn't change.
type CA struct {
	certificate *x509.Certificate
	key         crypto.Signer

	certificatePEM, keyPEM string
}

// New makes a CA, which is good for ten years.
func New() (*CA, error) {
	certificate := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Kraken simulator CA"},
		NotAfter:              time.Now().Add(caLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, key, err := issue(certificate, nil)
	if err != nil {
		return nil, fmt.Errorf("making a CA certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("making a CA certificate: %w", err)
	}
	return &CA{
		certificate, key,
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})),
	}, nil
}

// Parse is the CA of which both halves are given, as CertificatePEM and KeyPEM had them. The error says if they aren't
// two halves of a CA, or if it is too early or too late for it.
func Parse(certificatePEM, keyPEM string) (*CA, error) {
	pair, err := tls.X509KeyPair([]byte(certificatePEM), []byte(keyPEM))
	if err != nil {
		return nil, err
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	switch now := time.Now(); {
	case !ok:
		return nil, errors.New("the private key can't sign")
	case !pair.Leaf.IsCA:
		return nil, errors.New("the certificate isn't a CA's")
	case now.Before(pair.Leaf.NotBefore):
		return nil, fmt.Errorf("the certificate isn't valid before %s", pair.Leaf.NotBefore.Format(time.RFC3339))
	case now.After(pair.Leaf.NotAfter):
		return nil, fmt.Errorf("the certificate has expired on %s", pair.Leaf.NotAfter.Format(time.RFC3339))
	}
	return &CA{pair.Leaf, key, certificatePEM, keyPEM}, nil
}

// CertificatePEM is the CA's certificate, for clients to trust.
func (ca *CA) CertificatePEM() string { return ca.certificatePEM }

// KeyPEM is the CA's private key. Whoever has it can pretend to be any server to those who trust the CA.
func (ca *CA) KeyPEM() string { return ca.keyPEM }

// ServerConfig is the TLS configuration of a server with the names and IP addresses given. Its certificate lasts for 30
// days.
func (ca *CA) ServerConfig(hosts []string) (*tls.Config, error) {
	leaf := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "Kraken simulator"},
		NotAfter:    time.Now().Add(certLife),
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
	der, key, err := issue(leaf, ca)
	if err != nil {
		return nil, fmt.Errorf("making a server certificate: %w", err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}, nil
}

// issue completes a certificate and signs it with the CA's key, or with its own if there is no CA.
func issue(cert *x509.Certificate, ca *CA) ([]byte, crypto.Signer, error) {
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
	if ca == nil {
		ca = &CA{certificate: cert, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, ca.certificate, key.Public(), ca.key)
	return der, key, err
}

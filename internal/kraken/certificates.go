package kraken

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
)

// ParseCertificates reads a PEM bundle of CA certificates; text around the certificates is passed over. The error says
// what is wrong with it. A bundle with anything but certificates in it, a private key above all, is an error.
func ParseCertificates(bundle string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	block, rest := pem.Decode([]byte(bundle))
	if block == nil {
		return nil, errors.New("holds no PEM certificate (-----BEGIN CERTIFICATE-----)")
	}
	for ; block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, errors.New("holds PEM that is not a certificate")
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("holds a certificate that can't be read")
		}
		pool.AddCert(certificate)
	}
	return pool, nil
}

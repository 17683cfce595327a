package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/ca"
)

func TestItsCAIsKeptOverRestarts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	line, stop := start(t, "-tls-ca", file)
	client := trusting(t, file)
	get(t, client, restURL(t, line)+"/0/public/Time")
	stop()
	key, err := os.Stat(file + ".key")
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), key.Mode(), "of the private key")
	certificate, err := os.ReadFile(file)
	require.NoError(t, err)

	line, stop = start(t, "-tls-ca", file)
	defer stop()
	get(t, client, restURL(t, line)+"/0/public/Time") // with what was trusted before
	again, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, certificate, again)
}

func TestItsCALastsForYears(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	_, stop := start(t, "-tls-ca", file)
	stop()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	block, _ := pem.Decode(text)
	certificate, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	assert.Greater(t, time.Until(certificate.NotAfter), 9*365*24*time.Hour)
}

// Half a CA would have to be removed by hand. Here the certificate can't be made: a link is followed nowhere.
func TestNoHalfOfACAIsLeft(t *testing.T) {
	dir := t.TempDir()
	file, elsewhere := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "elsewhere")
	require.NoError(t, os.Symlink(elsewhere, file))
	var stdout, stderr bytes.Buffer
	assert.Equal(t, 1, run(t.Context(), []string{"-tls-ca", file}, &stdout, &stderr))
	assert.Contains(t, stderr.String(), "file exists")
	assert.NoFileExists(t, file+".key")
	assert.NoFileExists(t, elsewhere)

	require.NoError(t, os.Remove(file))
	_, stop := start(t, "-tls-ca", file)
	stop()
}

func TestACAThatCannotServeIsRefused(t *testing.T) {
	own, err := ca.New()
	require.NoError(t, err)
	other, err := ca.New()
	require.NoError(t, err)
	now := time.Now()
	for name, test := range map[string]struct {
		certificate, key string // "" for no such file
		want             string
	}{
		"only the certificate is there": {own.CertificatePEM(), "", "ca.pem is there, but not ca.pem.key"},
		"only the private key is there": {"", own.KeyPEM(), "ca.pem.key is there, but not ca.pem"},
		"the certificate is broken":     {"not PEM", own.KeyPEM(), "certificate"},
		"the private key is broken":     {own.CertificatePEM(), "not PEM", "key"},
		"they are empty":                {" ", " ", "certificate"},
		"the two don't belong together": {own.CertificatePEM(), other.KeyPEM(), "private key does not match"},
		"it has expired":                made(t, true, now.Add(-2*time.Hour), now.Add(-time.Hour), "expired on"),
		"it isn't valid yet":            made(t, true, now.Add(time.Hour), now.Add(2*time.Hour), "isn't valid before"),
		"it isn't a CA":                 made(t, false, now.Add(-time.Hour), now.Add(time.Hour), "isn't a CA's"),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "ca.pem")
			if test.certificate != "" {
				require.NoError(t, os.WriteFile(file, []byte(test.certificate), 0o600))
			}
			if test.key != "" {
				require.NoError(t, os.WriteFile(file+".key", []byte(test.key), 0o600))
			}
			var stdout, stderr bytes.Buffer
			assert.Equal(t, 1, run(t.Context(), []string{"-tls-ca", file}, &stdout, &stderr))
			assert.Contains(t, stderr.String(), "-tls-ca: ")
			assert.Contains(t, stderr.String(), test.want)
			assert.Contains(t, stderr.String(), "remove", "what to do")
			assert.NotContains(t, stderr.String(), own.KeyPEM())
			assert.Empty(t, stdout.String())

			left, err := os.ReadFile(file)
			if test.certificate == "" {
				assert.ErrorIs(t, err, os.ErrNotExist)
			}
			assert.Equal(t, test.certificate, string(left), "nothing is overwritten")
		})
	}
}

// made is a certificate that signs itself, with its private key, and what is wrong with it.
func made(t *testing.T, isCA bool, from, until time.Time, want string) (test struct{ certificate, key, want string }) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: until, IsCA: isCA, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	test.certificate = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	test.key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	test.want = want
	return test
}

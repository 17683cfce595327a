package kraken

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseCertificates(t *testing.T) {
	encode := func(blockType string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: der}))
	}
	one, _ := newCertificate(t, nil)
	other, _ := newCertificate(t, nil)
	first, second := encode("CERTIFICATE", one.Certificate[0]), encode("CERTIFICATE", other.Certificate[0])
	private, err := x509.MarshalPKCS8PrivateKey(one.PrivateKey)
	require.NoError(t, err)
	for name, test := range map[string]struct{ bundle, wantErr string }{
		"one":                             {first, ""},
		"two, and text around them":       {"The gateway:\n" + first + "\nand the next:\n" + second + "the end", ""},
		"none":                            {"", "holds no PEM certificate (-----BEGIN CERTIFICATE-----)"},
		"text":                            {"a certificate", "holds no PEM certificate (-----BEGIN CERTIFICATE-----)"},
		"half of one":                     {first[:len(first)/2], "holds no PEM certificate (-----BEGIN CERTIFICATE-----)"},
		"a private key":                   {encode("PRIVATE KEY", private), "holds PEM that is not a certificate"},
		"a private key behind a good one": {first + encode("PRIVATE KEY", private), "holds PEM that is not a certificate"},
		"PEM of something else":           {encode("CERTIFICATE", []byte("sesame")), "holds a certificate that can't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			pool, err := ParseCertificates(test.bundle)
			if test.wantErr != "" {
				assert.EqualError(t, err, test.wantErr)
				assert.Nil(t, pool)
				return
			}
			require.NoError(t, err)
			want := x509.NewCertPool()
			require.True(t, want.AppendCertsFromPEM([]byte(strings.Join([]string{first, second}[:strings.Count(test.bundle, "BEGIN")], ""))))
			assert.True(t, want.Equal(pool))
		})
	}
}

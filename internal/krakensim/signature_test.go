package krakensim

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

// The known answer of Kraken's authentication guide.
func TestSignatureIsThatOfKrakensGuide(t *testing.T) {
	body := "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
	want := "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
	assert.Equal(t, want, signature(ExampleAPISecret, "/0/private/AddOrder", "1616492376594", []byte(body)))
	assert.Equal(t, want, wiretest.Sign(ExampleAPISecret, "/0/private/AddOrder", "1616492376594", body))
	assert.Len(t, ExampleAPIKey, 56)
}

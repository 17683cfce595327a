package kraken

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// PrivateKey is the secret half of an API key pair. However it is printed, it shows "[private key]".
// The zero value is no key. It is safe for concurrent use.
type PrivateKey struct{ secret []byte }

// ParsePrivateKey decodes a private key as Kraken displays it: standard base64 with padding. Surrounding white
// space is dropped. The error says what is wrong and holds nothing of the input.
func ParsePrivateKey(text string) (PrivateKey, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return PrivateKey{}, errors.New("is empty")
	}
	secret, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		// base64's own error tells a position only, but nobody needs even that.
		return PrivateKey{}, errors.New("is not base64")
	}
	return PrivateKey{secret: secret}, nil
}

// Format keeps the key out of every fmt verb, %v of an enclosing struct and %#v included.
func (PrivateKey) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte("[private key]")) }

// Sign returns the API-Sign header of a request: base64 of
// HMAC-SHA512(private key, path ‖ SHA-256(nonce ‖ body)), where path starts at "/0/" and body is the raw POST data
// that carries the same nonce (docs.kraken.com/api/docs/guides/spot-rest-auth).
func (k PrivateKey) Sign(path, nonce string, body []byte) string {
	digest := sha256.New()
	digest.Write([]byte(nonce))
	digest.Write(body)

	mac := hmac.New(sha512.New, k.secret)
	mac.Write([]byte(path))
	mac.Write(digest.Sum(nil))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

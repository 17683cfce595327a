package kraken

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
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

// PrivateKeyBytes is how long Kraken's private keys are. Nothing depends on it, but one of another length was most likely not copied whole.
const PrivateKeyBytes = 64

// Len is how many bytes the key has.
func (k PrivateKey) Len() int { return len(k.secret) }

// Format keeps the key out of every fmt verb, %v of an enclosing struct and %#v included.
func (PrivateKey) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte("[private key]")) }

// Sign returns the API-Sign header of a request: base64 of
// HMAC-SHA512(private key, path ‖ SHA-256(nonce ‖ body)), where path starts at "/0/" and body is the raw POST data
// that carries the same nonce (docs.kraken.com/api/docs/guides/spot-rest-auth).
func (k PrivateKey) Sign(path, nonce string, body []byte) string {
	s := signers.Get().(*signer)
	defer signers.Put(s)
	s.text = append(append(s.text[:0], nonce...), body...)
	digest := sha256.Sum256(s.text)
	s.text = append(append(s.text[:0], path...), digest[:]...)

	mac := hmac.New(s.next, k.secret)
	mac.Write(s.text)
	s.text = mac.Sum(s.text[:0])
	var signature [(sha512.Size + 2) / 3 * 4]byte
	base64.StdEncoding.Encode(signature[:], s.text)
	return string(signature[:])
}

// signers keeps what a signature is made with, whatever the key.
var signers = sync.Pool{New: func() any {
	s := &signer{hashes: [2]hash.Hash{sha512.New(), sha512.New()}}
	s.next = s.nextHash // made once
	return s
}}

// signer is what one signature at a time is made with.
type signer struct {
	hashes [2]hash.Hash // a MAC's inner and outer one
	next   func() hash.Hash
	text   []byte
}

// nextHash is a hash as good as new, the one and the other by turns.
func (s *signer) nextHash() hash.Hash {
	s.hashes[0], s.hashes[1] = s.hashes[1], s.hashes[0]
	s.hashes[0].Reset()
	return s.hashes[0]
}

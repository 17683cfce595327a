package krakensim

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
)

// signature computes Kraken's API-Sign header: the base64 of HMAC-SHA512, under the decoded private key, of the URI
// path followed by SHA256 of nonce and body. It is "" if the private key isn't base64, which no header can match.
func signature(apiSecret, path, nonce string, body []byte) string {
	secret, err := base64.StdEncoding.DecodeString(apiSecret)
	if err != nil || len(secret) == 0 {
		return ""
	}
	inner := sha256.New()
	inner.Write([]byte(nonce))
	inner.Write(body)
	mac := hmac.New(sha512.New, secret)
	mac.Write([]byte(path))
	mac.Write(inner.Sum(nil))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signed reports, in constant time, whether header is the request's signature.
func signed(header, apiSecret, path, nonce string, body []byte) bool {
	want := signature(apiSecret, path, nonce, body)
	return want != "" && hmac.Equal([]byte(header), []byte(want))
}

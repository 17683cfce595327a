package kraken

import (
	"encoding/base64"
	"encoding/hex"
	"html"
	"net/url"
	"regexp"
	"strings"
)

// redactor takes what authenticates a request out of what is handed on of its answer: a gateway with its debugging left
// on may quote what it was sent. The private key is in no request. It is for one goroutine at a time.
type redactor struct {
	signature, nonce, otp string
	replacer              *strings.Replacer // made when it is first needed, which is seldom
}

// minRedacted is the length in bytes from which on a second factor is taken out. A shorter one is in any text.
const minRedacted = 4

func newRedactor(signature, nonce, otp string) *redactor {
	return &redactor{signature: signature, nonce: nonce, otp: otp}
}

func (r *redactor) newReplacer() *strings.Replacer {
	var pairs []string
	for _, secret := range []struct{ text, instead string }{{r.signature, "[signature]"}, {r.nonce, "[nonce]"}, {r.otp, "[otp]"}} {
		if len(secret.text) < minRedacted {
			continue
		}
		for _, quoted := range []string{
			secret.text, url.QueryEscape(secret.text), url.PathEscape(secret.text), html.EscapeString(secret.text),
			hex.EncodeToString([]byte(secret.text)), base64.RawStdEncoding.EncodeToString([]byte(secret.text)), base64.RawURLEncoding.EncodeToString([]byte(secret.text)),
		} {
			pairs = append(pairs, quoted, secret.instead)
		}
	}
	if raw, err := base64.StdEncoding.DecodeString(r.signature); err == nil && len(raw) >= minRedacted {
		pairs = append(pairs, hex.EncodeToString(raw), "[signature]", base64.RawURLEncoding.EncodeToString(raw), "[signature]")
	}
	return strings.NewReplacer(pairs...)
}

// text is a text without them, in the encodings that texts are usually quoted in.
func (r *redactor) text(text string) string {
	if r.replacer == nil {
		r.replacer = r.newReplacer()
	}
	return r.replacer.Replace(text)
}

// longRun is longer than any word of Kraken's messages, and shorter than half of a signature (88 characters) in whatever encoding. A gateway that means to
// tell what it was sent can tell it word by word, but it knows it anyway: this is for one that does so by mistake.
var longRun = regexp.MustCompile(`[^ ]{40,}`)

// message is a message of Kraken's, clean and without what authenticates a request. Its category stays.
func (r *redactor) message(message string) string {
	category, text, _ := strings.Cut(printable(r.text(message)), ":")
	return cleanMessage(longRun.ReplaceAllString(category, "[…]") + ":" + longRun.ReplaceAllString(text, "[…]"))
}

package kraken

import (
	"html"
	"net/url"
	"strings"
)

// redactor takes what authenticates a request out of what is handed on of its answer: a gateway with its debugging left
// on may quote what it was sent. The private key is in no request.
type redactor struct {
	replacer *strings.Replacer
	nonce    string
}

// minRedacted is the length in bytes from which on a second factor is taken out. A shorter one is in any text.
const minRedacted = 4

func newRedactor(signature, nonce, otp string) redactor {
	var pairs []string
	for _, secret := range []struct{ text, instead string }{{signature, "[signature]"}, {nonce, "[nonce]"}, {otp, "[otp]"}} {
		if len(secret.text) < minRedacted {
			continue
		}
		for _, quoted := range []string{secret.text, url.QueryEscape(secret.text), url.PathEscape(secret.text), html.EscapeString(secret.text)} {
			pairs = append(pairs, quoted, secret.instead)
		}
	}
	return redactor{strings.NewReplacer(pairs...), nonce}
}

func (r redactor) text(text string) string { return r.replacer.Replace(text) }

package kraken

import (
	"net/url"
	"strings"
)

// redactor takes the second factor of a request out of what is handed on of its answer: a gateway with its debugging left
// on may quote what it was sent. The private key is in no request.
type redactor struct{ replacer *strings.Replacer }

// minRedacted is the length in bytes from which on a second factor is taken out. A shorter one is in any text.
const minRedacted = 4

func newRedactor(otp string) redactor {
	if len(otp) < minRedacted {
		return redactor{}
	}
	const instead = "[otp]"
	return redactor{strings.NewReplacer(otp, instead, url.QueryEscape(otp), instead)}
}

func (r redactor) text(text string) string {
	if r.replacer == nil {
		return text
	}
	return r.replacer.Replace(text)
}

// value is a decoded JSON value with all its strings, names included, redacted.
func (r redactor) value(value any) any {
	switch value := value.(type) {
	case string:
		return r.text(value)
	case []any:
		for i := range value {
			value[i] = r.value(value[i])
		}
		return value
	case map[string]any:
		redacted := make(map[string]any, len(value))
		for name, field := range value {
			redacted[r.text(name)] = r.value(field)
		}
		return redacted
	default:
		return value
	}
}

package kraken

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Kind sorts failures by what helps against them.
type Kind int

const (
	// KindUnexpected is an error of Kraken's that this package doesn't know. It is told, not guessed at.
	KindUnexpected Kind = iota
	// KindInvalidKey: the API key is wrong, deleted or expired, or this host's address isn't on its allow-list.
	KindInvalidKey
	// KindInvalidSignature: the private key doesn't belong to the API key, or the second factor is missing or wrong.
	KindInvalidSignature
	// KindPermissionDenied: the API key lacks the permission that the call needs.
	KindPermissionDenied
	// KindInvalidNonce: the nonce wasn't above the last one that Kraken saw for this API key.
	KindInvalidNonce
	// KindRateLimited: too many calls; wait.
	KindRateLimited
	// KindLockout: too many refused calls; wait about 15 minutes.
	KindLockout
	// KindUnavailable: Kraken or the way to it is down for the moment; try again.
	KindUnavailable
	// KindTimeout: no answer came before the context's deadline.
	KindTimeout
	// KindNonsense: something answered, but not as Kraken's API does.
	KindNonsense
	// KindUntrusted: the server's certificate doesn't verify, so nothing was sent.
	KindUntrusted
	// KindNonceStore: no nonce could be reserved, so nothing was sent.
	KindNonceStore
)

var kindNames = map[Kind]string{
	KindUnexpected:       "unexpected",
	KindInvalidKey:       "invalid_key",
	KindInvalidSignature: "invalid_signature",
	KindPermissionDenied: "permission_denied",
	KindInvalidNonce:     "invalid_nonce",
	KindRateLimited:      "rate_limited",
	KindLockout:          "lockout",
	KindUnavailable:      "unavailable",
	KindTimeout:          "timeout",
	KindNonsense:         "nonsense",
	KindUntrusted:        "untrusted",
	KindNonceStore:       "nonce_store",
}

// String is the kind's name in snake case, as status shows it.
func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return "kind_" + strconv.Itoa(int(k))
}

// Error is a failed call. It never holds a secret, nor anything of the answer's body but Kraken's own error strings.
type Error struct {
	Kind Kind
	// Messages are Kraken's error strings, cleaned and bounded; empty where Kraken itself didn't speak.
	Messages []string
	// Detail says what happened where Kraken itself didn't speak.
	Detail string
	// RetryAfter is how long the answer asked to wait (its Retry-After header); zero where it didn't.
	RetryAfter time.Duration
	// Err is the cause, if there is one. It isn't part of the message.
	Err error
}

func (e *Error) Error() string {
	if len(e.Messages) > 0 {
		return "Kraken answered " + strings.Join(e.Messages, ", ")
	}
	return e.Detail
}

func (e *Error) Unwrap() error { return e.Err }

// kindByMessage is the table of Kraken's error strings worth telling apart
// (docs.kraken.com, "Spot REST errors", and what users of other clients report).
var kindByMessage = map[string]Kind{
	"EAPI:Invalid key":           KindInvalidKey,
	"EAPI:Invalid signature":     KindInvalidSignature,
	"EGeneral:Permission denied": KindPermissionDenied,
	"EAPI:Invalid nonce":         KindInvalidNonce,
	"EAPI:Rate limit exceeded":   KindRateLimited,
	"EAuth:Rate limit exceeded":  KindRateLimited,
	"EAuth:Too many requests":    KindRateLimited,
	"EGeneral:Too many requests": KindRateLimited,
	"EGeneral:Temporary lockout": KindLockout,
	"EService:Unavailable":       KindUnavailable,
	"EService:Busy":              KindUnavailable,
	"EService:Deadline elapsed":  KindUnavailable,
	"EGeneral:Internal error":    KindUnavailable,
	"EDatabase:Internal error":   KindUnavailable,
}

const (
	// Kraken's error strings are under 100 characters and come one or two at a time;
	// the bounds keep a hostile server from filling messages and logs.
	maxMessages      = 5
	maxMessageLength = 200
)

// newAPIError makes the error for Kraken's error list, without the messages that only warn. Where messages differ
// in kind, the one that asks for the most care wins: a lockout, then a rate limit, then the first that is known.
func newAPIError(messages []string, redact redactor) *Error {
	kind := KindUnexpected
	for _, message := range messages {
		known, ok := kindByMessage[message]
		switch {
		case !ok:
		case known == KindLockout,
			known == KindRateLimited && kind != KindLockout,
			kind == KindUnexpected:
			kind = known
		}
	}
	clean := make([]string, 0, min(len(messages), maxMessages))
	for _, message := range messages[:min(len(messages), maxMessages)] {
		clean = append(clean, cleanMessage(redact.text(message)))
	}
	return &Error{Kind: kind, Messages: clean}
}

// cleanMessage makes a string from outside fit for a message and a log line: control characters,
// which could forge log lines or move a terminal's cursor, become spaces, and its length is bounded.
func cleanMessage(message string) string {
	clean := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, message)
	clean = strings.TrimSpace(clean)
	if len(clean) <= maxMessageLength {
		return clean
	}
	cut := maxMessageLength
	for !utf8.RuneStart(clean[cut]) {
		cut--
	}
	return clean[:cut] + "…"
}

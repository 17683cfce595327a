package kraken

import (
	"strconv"
	"strings"
	"time"
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
	// KindAccountRefused: Kraken has disabled or not yet confirmed the account. It isn't about the API key.
	KindAccountRefused
	// KindInvalidNonce: the nonce wasn't above the last one that Kraken saw for this API key.
	KindInvalidNonce
	// KindRateLimited: too many calls; wait. Without Messages it came from the CDN in front, and is about this host's address.
	KindRateLimited
	// KindLockout: too many refused calls; wait about 15 minutes.
	KindLockout
	// KindUnavailable: Kraken or the way to it is down for the moment; try again.
	KindUnavailable
	// KindTimeout: no answer came before the context's deadline.
	KindTimeout
	// KindAborted: the context was cancelled. The Err is context.Canceled.
	KindAborted
	// KindBlocked: the CDN in front of Kraken refuses this host's address.
	KindBlocked
	// KindNonsense: something answered, but not as Kraken's API does.
	KindNonsense
	// KindUntrusted: there is no TLS connection that can be trusted: the certificate doesn't verify, above all.
	KindUntrusted
)

var kindNames = [...]string{
	KindUnexpected:       "unexpected",
	KindInvalidKey:       "invalid_key",
	KindInvalidSignature: "invalid_signature",
	KindPermissionDenied: "permission_denied",
	KindAccountRefused:   "account_refused",
	KindInvalidNonce:     "invalid_nonce",
	KindRateLimited:      "rate_limited",
	KindLockout:          "lockout",
	KindUnavailable:      "unavailable",
	KindTimeout:          "timeout",
	KindAborted:          "aborted",
	KindBlocked:          "blocked",
	KindNonsense:         "nonsense",
	KindUntrusted:        "untrusted",
}

// Kinds are all kinds, in the order of their values.
func Kinds() []Kind {
	kinds := make([]Kind, len(kindNames))
	for i := range kinds {
		kinds[i] = Kind(i)
	}
	return kinds
}

// String is the kind's name in snake case, as status shows it.
func (k Kind) String() string {
	if k >= 0 && int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind_" + strconv.Itoa(int(k))
}

// Error is a failed call. Its message holds no secret, and nothing of the answer's body but Kraken's own error strings.
type Error struct {
	Kind Kind
	// Sent says that the request, or a part of it, may have reached Kraken, so that its nonce may be used up and the call
	// counted. It is false only where it surely wasn't sent.
	Sent bool
	// Proxy says that the call came no further than to the proxy that the environment names.
	Proxy bool
	// HungUp says that the request went over a connection that had been kept, and that the server closed it without an answer, as servers do with
	// those that are idle. Another request, over another connection, may do at once.
	HungUp bool
	// Messages are Kraken's error strings, cleaned and bounded; empty where Kraken itself didn't speak.
	Messages []string
	// Detail says what happened where Kraken itself didn't speak.
	Detail string
	// KeyBytes is how long the private key is that signed, where Kraken refuses that; else zero. See PrivateKeyBytes.
	KeyBytes int
	// RetryAfter is how long the answer asked to wait, an hour at most; zero where it didn't, or where that says nothing of Kraken.
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

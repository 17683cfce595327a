package account

import (
	"fmt"
	"io"
	"time"
)

// Token is a WebSocket token and what is known of it.
type Token struct {
	// Value is the token itself, a secret: whoever has it reads the account's feeds and may trade.
	Value string
	// WebSocketURL is where the account's config says to use it.
	WebSocketURL string
	// RequestedAt is when the token was asked for, taken before the request was sent. Its age counts from here.
	RequestedAt time.Time
	// ExpiresAt is RequestedAt plus the life that Kraken gave the token, so never later than Kraken's own end of it.
	ExpiresAt time.Time
	// Cached says that the token was minted for an earlier read.
	Cached bool
	// Warning says why this token is older than the account allows, when a new one couldn't be had. Else it is empty.
	Warning string
}

// String describes the token without its value.
func (t Token) String() string {
	if t.Value == "" {
		return "no token"
	}
	return "token [redacted] requested " + t.RequestedAt.UTC().Format(time.RFC3339) +
		", expires " + t.ExpiresAt.UTC().Format(time.RFC3339)
}

// GoString is String: %#v must not show the value either.
func (t Token) GoString() string { return t.String() }

// Format writes String for every verb and flag.
func (t Token) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, t.String()) }

// MarshalText is String, so that encoders and structured loggers don't show the value.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// leastLife is what a token handed out from the cache must have left, for the reader to connect with it.
const leastLife = time.Minute

// alive says whether there is a token and enough of its life left.
func (t *Token) alive(now time.Time) bool { return t != nil && t.ExpiresAt.Sub(now) >= leastLife }

// young says whether the token may be handed out again as it is.
func (t *Token) young(now time.Time, ttl time.Duration) bool {
	return t.alive(now) && now.Sub(t.RequestedAt) < ttl
}

// renewalDue says whether a young token is old enough to be renewed.
func (t *Token) renewalDue(now time.Time, ttl time.Duration) bool {
	return now.Sub(t.RequestedAt) >= ttl*renewAfterNum/renewAfterDen
}

package account

import (
	"fmt"
	"io"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/clock"
)

// Token is a WebSocket token and what is known of it.
type Token struct {
	// Value is the token itself, a secret: whoever has it reads the account's feeds and may trade.
	Value string
	// WebSocketURL is where the account's config says to use it.
	WebSocketURL string
	// RequestedAt is when the token was asked for, taken before the request was sent. Its Age counts from here.
	RequestedAt time.Time
	// ExpiresAt is RequestedAt plus the life that Kraken gave the token, so never later than Kraken's own end of it. The clocks may have moved
	// apart since: Left and Expiry know.
	ExpiresAt time.Time
	// Cached says that the token was minted for an earlier read.
	Cached bool
	// Coalesced says that the token was minted by a call begun for another read, or for nobody yet.
	Coalesced bool
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

// Age is how long ago the token was asked for. A host that has slept, or a clock that was set, makes no token younger.
func (t *Token) Age(now time.Time) time.Duration { return clock.Age(t.RequestedAt, now) }

// Left is what is left of the token's life, less than nothing after its end.
func (t *Token) Left(now time.Time) time.Duration { return t.ExpiresAt.Sub(t.RequestedAt) - t.Age(now) }

// Expiry is when the token's life ends, as the clock will show it then.
func (t *Token) Expiry(now time.Time) time.Time { return now.Add(t.Left(now)) }

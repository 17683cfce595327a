// Package tokensource is the way from a reader to a fresh WebSocket token: a chain of small links, each a [Source]
// around the next. Outermost first:
//
//	Reuse   shares one token between readers, renews it early, hands out the last good one during an outage
//	Meter   counts, for status
//	Retry   bounds the time and tries again what is transient
//	Guard   keeps the account out of trouble: one call at a time, the call counter, hold-offs, remembered refusals
//	mint    asks Kraken; not of this package
//
// Guard stands inside Retry so that every single request passes it. Everything here may be used by any number of
// goroutines at once, runs no timers while nobody reads, and keeps token values out of errors.
package tokensource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// Token is a WebSocket token and what is known of it.
type Token struct {
	// Value is the token itself, a secret: whoever has it reads the account's feeds and may trade.
	Value string
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

// Source is a link of the chain.
//
// The error is a [*kraken.Error] (perhaps wrapped, as in [RememberedError]), a [*HeldBackError], [ErrClosed], or
// context.Canceled when the caller went away. With an error the token is the zero Token.
type Source interface {
	Token(ctx context.Context) (Token, error)
}

// SourceFunc is a function as a Source.
type SourceFunc func(ctx context.Context) (Token, error)

// Token calls the function.
func (f SourceFunc) Token(ctx context.Context) (Token, error) { return f(ctx) }

// through gets next's token by way of do, which decides whether, when and how often the call is made.
func through(
	ctx context.Context, next Source, do func(context.Context, func(context.Context) error) error,
) (Token, error) {
	var token Token
	err := do(ctx, func(ctx context.Context) error {
		var err error
		token, err = next.Token(ctx)
		return err
	})
	if err != nil {
		return Token{}, err
	}
	return token, nil
}

// leastCallTime is what a call to Kraken takes at the very least, connection included. A call that has less left
// until its deadline could only end in a timeout, which would hide what really went wrong before.
const leastCallTime = 100 * time.Millisecond

// fits says whether there is room for wait and then a call of length call before ctx's deadline.
func fits(ctx context.Context, wait, call time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) >= wait+call
}

// sleep waits, and returns ctx's error if that ends first.
func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ended is the error for a ctx that is done: the deadline is a timeout of Kraken's, a caller gone is just that.
func ended(ctx context.Context, detail string) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &kraken.Error{Kind: kraken.KindTimeout, Detail: detail, Err: ctx.Err()}
	}
	return ctx.Err()
}

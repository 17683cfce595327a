package keeper

import (
	"errors"
	"fmt"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// ErrClosed is the answer of all that is asked after Close.
var ErrClosed = errors.New("the mount is being closed")

// A HeldError says that no call was made, to keep the account from being rate limited or locked out. It doesn't unwrap to
// its cause: Kraken didn't answer this caller.
type HeldError struct {
	// Wait is how long to wait before asking again: whole seconds, rounded up, at least one. It is what the call counter or
	// Kraken asks for, and never more than a minute unless Kraken itself asked for more.
	Wait time.Duration
	// Cause is why. It is Kraken's answer where that began the hold-off.
	Cause error
}

// Why a caller is held back, where it wasn't Kraken that said so.
var (
	errCounted   = errors.New("more calls with this API key than Kraken allows at a time")
	errTooMany   = errors.New("more reads at once than can be answered within request_timeout")
	errCodeTaken = errors.New("the API key's one-time code has been used, and the next one isn't due yet")
)

// longestTold bounds the wait that a caller is told, where it isn't Kraken that asks for it.
const longestTold = time.Minute

func held(wait time.Duration, cause error) *HeldError {
	seconds := (wait + time.Second - 1) / time.Second
	return &HeldError{Wait: max(seconds, 1) * time.Second, Cause: cause}
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("held back for %d s: %v", e.Wait/time.Second, e.Cause)
}

// A RememberedError is a refusal that Kraken gave a moment ago, given again without asking Kraken.
type RememberedError struct {
	Err   error     // the refusal: a *kraken.Error, which errors.As finds, or an *AheadError around one
	Until time.Time // when Kraken will be asked again
}

func (e *RememberedError) Error() string {
	return fmt.Sprintf("%v (remembered, to protect the account: Kraken is asked again from %s on)",
		e.Err, e.Until.UTC().Format(time.RFC3339))
}

func (e *RememberedError) Unwrap() error { return e.Err }

// An OutageError says that Kraken can't be reached, and that somebody else is finding out whether it is back. It doesn't
// unwrap to its cause: nothing was asked for this caller.
type OutageError struct {
	Since time.Time     // when the first of the calls began that failed in a row
	Cause *kraken.Error // how the last one failed
}

func (e *OutageError) Error() string {
	return fmt.Sprintf("Kraken can't be reached since %s: %v", e.Since.UTC().Format(time.RFC3339), e.Cause)
}

// An AheadError says that Kraken refuses even nonces 10 minutes ahead of the clock: the API key was used with others.
type AheadError struct{ Err *kraken.Error }

func (e *AheadError) Error() string {
	return fmt.Sprintf("%v, even %d minutes ahead of the clock", e.Err, mostAhead/time.Minute)
}

func (e *AheadError) Unwrap() error { return e.Err }

// A StoreError says that the store failed, so that no nonce could be reserved and nothing was sent to Kraken.
type StoreError struct{ Err error }

func (e *StoreError) Error() string {
	return "the storage failed, so no nonce could be reserved and nothing was sent to Kraken"
}

func (e *StoreError) Unwrap() error { return e.Err }

// A NotOwnerError says that no call was made, because the API key was stored in another account since.
type NotOwnerError struct{ Owner string } // the account that the key was last stored in

func (e *NotOwnerError) Error() string { return "the API key was stored in another account since" }

// NotAsked says whether err was given without a call to Kraken.
func NotAsked(err error) bool {
	var (
		held       *HeldError
		remembered *RememberedError
		outage     *OutageError
	)
	return errors.As(err, &held) || errors.As(err, &remembered) || errors.As(err, &outage)
}

// failure finds the *kraken.Error in err, or returns nil.
func failure(err error) *kraken.Error {
	found, _ := errors.AsType[*kraken.Error](err)
	return found
}

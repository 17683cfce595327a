package tokensource

import (
	"errors"
	"fmt"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// ErrClosed is the answer of a Reuse after Close.
var ErrClosed = errors.New("the account's configuration was removed or replaced while the token was asked for")

// HeldBackError says that no call was made, to keep the account from being rate limited or locked out.
// It doesn't unwrap to its cause: Kraken didn't answer this read.
type HeldBackError struct {
	// Wait is how long to wait before reading again: whole seconds, rounded up, at least one.
	Wait time.Duration
	// Cause is the answer of Kraken's that began the hold-off, or that more reads came at once than there was time for;
	// nil if it is our count of the calls that holds back, before Kraken would.
	Cause error
}

// errTooManyAtOnce is the cause where calls are made one at a time, as they must be, and the time ran out before all had
// their turn.
var errTooManyAtOnce = errors.New("more reads at once than Kraken answers within request_timeout")

func heldBack(wait time.Duration, cause error) *HeldBackError {
	seconds := (wait + time.Second - 1) / time.Second
	return &HeldBackError{Wait: max(seconds, 1) * time.Second, Cause: cause}
}

func (e *HeldBackError) Error() string {
	seconds := int64(e.Wait / time.Second)
	if e.Cause != nil {
		return fmt.Sprintf("held back for %d s: %v", seconds, e.Cause)
	}
	return fmt.Sprintf("held back for %d s: more calls with this API key than Kraken allows at a time", seconds)
}

// RememberedError is a refusal that Kraken gave a moment ago, given again without asking Kraken.
type RememberedError struct {
	// Err is the refusal. errors.As finds it.
	Err *kraken.Error
	// Until is when the next read will ask Kraken again.
	Until time.Time
}

func (e *RememberedError) Error() string {
	return fmt.Sprintf("%v (remembered, to protect the account: Kraken is asked again from %s on)",
		e.Err, e.Until.UTC().Format(time.RFC3339))
}

func (e *RememberedError) Unwrap() error { return e.Err }

// as finds the *kraken.Error in err, or returns nil.
func as(err error) *kraken.Error {
	failure, _ := errors.AsType[*kraken.Error](err)
	return failure
}

// is says whether err is a *kraken.Error of that kind.
func is(err error, kind kraken.Kind) bool {
	failure := as(err)
	return failure != nil && failure.Kind == kind
}

// NotAsked says whether err was given without asking Kraken: a hold-off, or a remembered refusal.
func NotAsked(err error) bool {
	_, remembered := errors.AsType[*RememberedError](err)
	return remembered || isHeldBack(err)
}

// isHeldBack says whether err is a *HeldBackError.
func isHeldBack(err error) bool {
	_, ok := errors.AsType[*HeldBackError](err)
	return ok
}

// passes says whether what failed is likely to pass by itself: Kraken, the way to it or our storage is down, or the
// account is held back. What isn't so is a refusal, and needs somebody to do something about the key.
func passes(err error) bool {
	if isHeldBack(err) {
		return true
	}
	failure := as(err)
	if failure == nil {
		return false
	}
	switch failure.Kind {
	case kraken.KindUnavailable, kraken.KindTimeout, kraken.KindNonsense, kraken.KindRateLimited,
		kraken.KindLockout, kraken.KindUntrusted, kraken.KindNonceStore:
		return true
	}
	return false
}

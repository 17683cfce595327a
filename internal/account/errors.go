package account

import (
	"errors"
	"fmt"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// ErrClosed is the answer to all that is asked after Close.
var ErrClosed = keeper.ErrClosed

// ErrDeleted says that a config was deleted while a write of it was under way, and so isn't written.
var ErrDeleted = errors.New("the config was deleted while it was being written")

// errReplaced ends what waits for an account that another has taken the place of, or none. It is no answer: its reader goes on with that one.
var errReplaced = errors.New("the account's config was replaced")

// A FieldError tells of a bad value of a config's field. It never holds a secret's value.
type FieldError struct {
	Field   string // the field's name
	Problem string // what is wrong with its value, to be read behind the name
	Remedy  string // what is right
}

func (e *FieldError) Error() string { return e.Field + " " + e.Problem + "; " + e.Remedy }

// A NotConfiguredError says that an account has no config.
type NotConfiguredError struct{ Account string }

func (e *NotConfiguredError) Error() string {
	return "no key pair is configured for " + Title(e.Account)
}

// A DisabledError says that an account is disabled.
type DisabledError struct{ Account string }

func (e *DisabledError) Error() string { return Title(e.Account) + " is disabled" }

// A PlaceError says that the mount doesn't let api_url point where it does.
type PlaceError struct {
	APIURL    string
	BadOption error // why it allows none at all; nil: it allows others
}

func (e *PlaceError) Error() string {
	if e.BadOption != nil {
		return fmt.Sprintf("the mount's option is wrong, so Kraken is asked nothing: %v", e.BadOption)
	}
	const mostShown = 200 // bytes: the host is in them, and an error isn't the place for 2 KiB
	return fmt.Sprintf("%s %.*s is none that the mount's option %s allows", FieldAPIURL, mostShown, e.APIURL, OptionAllowedURLs)
}

// A KeyInUseError says that an API key belongs to another account of the mount. One keeper must issue all its nonces. Its message doesn't name that account,
// for it may be another tenant's.
type KeyInUseError struct {
	Account string // the other one
	Lost    bool   // the key was in this account, until that one proved that it has the pair
}

func (e *KeyInUseError) Error() string {
	if e.Lost {
		return "api_key stands in another account of this mount, which has proved that it has the pair"
	}
	return "api_key is in use by another account of this mount"
}

// A TooManyProofsError says that too many pairs were refused lately for another one to be proved.
type TooManyProofsError struct {
	Wait time.Duration // until one will be proved again
}

func (e *TooManyProofsError) Error() string {
	return fmt.Sprintf("too many key pairs were refused by Kraken lately; the next one is proved in %d s", wholeSeconds(e.Wait))
}

// A ProofError says that a config wasn't written because its pair couldn't be proved. It unwraps to why.
type ProofError struct{ Err error }

func (e *ProofError) Error() string { return "the pair couldn't be proved: " + e.Err.Error() }

func (e *ProofError) Unwrap() error { return e.Err }

// wholeSeconds rounds up to whole seconds, at least one.
func wholeSeconds(wait time.Duration) int {
	return max(1, int((wait+time.Second-1)/time.Second))
}

// Title is how messages call an account.
func Title(name string) string {
	if name == "" {
		return "the default account"
	}
	return fmt.Sprintf("account %q", name)
}

// KindName names the kind of a failure: that of a kraken.Kind, or "disabled", "place_not_allowed", "key_in_use", "held_back", "outage", "storage", "other"; of a write, also
// "bad_value", "too_many_proofs", "deleted".
func KindName(err error) string {
	var (
		field    *FieldError
		disabled *DisabledError
		place    *PlaceError
		inUse    *KeyInUseError
		tooMany  *TooManyProofsError
		held     *keeper.HeldError
		outage   *keeper.OutageError
		store    *keeper.StoreError
		failed   *kraken.Error
	)
	switch {
	case errors.As(err, &field):
		return "bad_value"
	case errors.As(err, &disabled):
		return "disabled"
	case errors.As(err, &place):
		return "place_not_allowed"
	case errors.As(err, &inUse):
		return "key_in_use"
	case errors.As(err, &tooMany):
		return "too_many_proofs"
	case errors.Is(err, ErrDeleted):
		return "deleted"
	case errors.As(err, &held):
		return "held_back"
	case errors.As(err, &outage):
		return "outage"
	case errors.As(err, &store):
		return "storage"
	case errors.As(err, &failed):
		return failed.Kind.String()
	default:
		return "other"
	}
}

// passes says whether what failed is likely to pass by itself: Kraken, the way to it or the storage is down, or the account is held back.
// What isn't so is a refusal, and needs somebody to do something about the key.
func passes(err error) bool {
	var (
		held   *keeper.HeldError
		outage *keeper.OutageError
		store  *keeper.StoreError
		failed *kraken.Error
	)
	if errors.As(err, &held) || errors.As(err, &outage) || errors.As(err, &store) {
		return true
	}
	if !errors.As(err, &failed) {
		return false
	}
	switch failed.Kind {
	case kraken.KindUnavailable, kraken.KindTimeout, kraken.KindNonsense, kraken.KindRateLimited, kraken.KindLockout,
		kraken.KindUntrusted, kraken.KindBlocked, kraken.KindAborted:
		return true
	}
	return false
}

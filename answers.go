package krakensecrets

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// All errors that a user may meet are logical.CodedErrors, unwrapped: the plugin boundary keeps the HTTP code of exactly that type. What an operator
// must fix is a 4xx, for Vault's Go client and Vault Agent repeat a 5xx by themselves, and each time Kraken would be asked again.

func badInput(message string) error { return logical.CodedError(http.StatusBadRequest, message) }

// What an operator can do about a failure. CONFIG stands for the path of the account's config.
const (
	remedyHeld    = "The account is held back for now, to protect it."
	remedyAhead   = "The API key was used elsewhere, with larger nonces than the clock gives: give Vault a key of its own and write it to CONFIG."
	remedyStorage = "Check the storage of the Vault server."
	remedyInUse   = "an API key stands in one account only: read its tokens there, or create another API key at Kraken and write it to CONFIG"
	remedyPlace   = "whoever administers the mount gives the whole list: vault secrets tune -options=%[1]s=URL,URL %[2]s, and then: vault write sys/plugins/reload/backend mounts=%[2]s"
	remedyOutage  = "Read again later. If it lasts, see status.kraken.com for outages, and check api_url in CONFIG."
	remedyProxy   = "See to that proxy, or to its address and login in HTTPS_PROXY. That is set where the plugin is registered (-env), or in Vault's own environment."
)

// otherPermissionNames are what Kraken's pages call the permission "Access WebSockets API" elsewhere.
const otherPermissionNames = `"WebSocket interface - On" or "Get WebSocket Token"`

// answers is what becomes of a failed call: the HTTP code, and what the operator can do.
var answers = map[kraken.Kind]struct {
	code   int
	remedy string
}{
	kraken.KindInvalidKey:       {http.StatusBadRequest, "The API key is wrong, deleted or expired, or this Vault server's address isn't on its IP allow-list: check it at Kraken, then write the pair to CONFIG again."},
	kraken.KindInvalidSignature: {http.StatusBadRequest, "The private key doesn't belong to the API key, or the second factor is missing or wrong: write api_key and api_secret (and otp_password or totp_secret) to CONFIG again."},
	kraken.KindPermissionDenied: {http.StatusBadRequest, `Enable "Access WebSockets API" on the API key at Kraken, also called ` + otherPermissionNames + "."},
	kraken.KindAccountRefused:   {http.StatusBadRequest, "It is the Kraken account that is refused, not the API key: ask Kraken's support why."},
	kraken.KindInvalidNonce:     {http.StatusBadRequest, "The API key is in use elsewhere: give Vault a key of its own and write it to CONFIG."},
	kraken.KindUnexpected:       {http.StatusBadRequest, "The engine doesn't know this error: look it up at docs.kraken.com."},
	kraken.KindRateLimited:      {http.StatusTooManyRequests, remedyHeld},
	kraken.KindLockout:          {http.StatusTooManyRequests, remedyHeld},
	kraken.KindUnavailable:      {http.StatusServiceUnavailable, remedyOutage},
	kraken.KindTimeout:          {http.StatusGatewayTimeout, "Read again, or raise request_timeout in CONFIG."},
	kraken.KindAborted:          {http.StatusServiceUnavailable, "Read again."},
	kraken.KindNonsense:         {http.StatusBadGateway, "Check api_url in CONFIG, and any gateway between Vault and Kraken."},
	kraken.KindUntrusted:        {http.StatusBadGateway, "Check api_url and ca_cert in CONFIG."},
	kraken.KindBlocked:          {http.StatusBadGateway, "What stands in front of Kraken refuses this Vault server's address: check that the address may use api_url in CONFIG."},
}

// answer makes of what went wrong for an account what Vault answers. mount is the request's MountPoint, with a slash at its end.
func answer(err error, mount, name string) error {
	config := mount + account.Path(pathConfigBase, name)
	if proof := (*account.ProofError)(nil); errors.As(err, &proof) {
		return notWritten(answer(proof.Err, mount, name))
	}
	var (
		field         *account.FieldError
		notConfigured *account.NotConfiguredError
		disabled      *account.DisabledError
		place         *account.PlaceError
		inUse         *account.KeyInUseError
		tooMany       *account.TooManyProofsError
		held          *keeper.HeldError
		outage        *keeper.OutageError
		ahead         *keeper.AheadError
		store         *keeper.StoreError
		failed        *kraken.Error
	)
	code, message, remedy := 0, err.Error(), ""
	switch {
	case errors.Is(err, logical.ErrReadOnly):
		return logical.ErrReadOnly // Vault forwards the request to the active node by this very error
	case errors.As(err, &field):
		return badInput(message) // it begins with the field's name
	case errors.As(err, &notConfigured):
		return badInput(fmt.Sprintf("%s; write one: vault write %s api_key=PUBLIC_KEY api_secret=@FILE", capital(message), config))
	case errors.As(err, &inUse):
		return badInput(message + "; " + strings.ReplaceAll(remedyInUse, "CONFIG", config))
	case errors.As(err, &disabled):
		code, remedy = http.StatusBadRequest, "Whoever may write its config can enable it: vault write CONFIG disabled=false"
	case errors.As(err, &place):
		return badInput(message + "; " + fmt.Sprintf(remedyPlace, account.OptionAllowedURLs, strings.TrimSuffix(mount, "/")))
	case errors.Is(err, account.ErrDeleted):
		code, remedy = http.StatusBadRequest, "Write it again, with the key pair, if it is still wanted."
	case errors.Is(err, account.ErrClosed):
		code, remedy = http.StatusServiceUnavailable, "Read again."
	case errors.As(err, &tooMany):
		code, remedy = http.StatusTooManyRequests, "To store the pair unproved, add verify=false."
	case errors.As(err, &held):
		code = http.StatusTooManyRequests
	case errors.As(err, &outage):
		code, remedy = http.StatusServiceUnavailable, remedyOutage
		if outage.Cause.Proxy {
			remedy = remedyProxy
		}
	case errors.As(err, &ahead):
		code, remedy = http.StatusBadRequest, remedyAhead
	case errors.As(err, &store):
		code, remedy = http.StatusInternalServerError, remedyStorage
	case errors.As(err, &failed):
		code, remedy = answers[failed.Kind].code, answers[failed.Kind].remedy
		if failed.Proxy {
			remedy = remedyProxy
		}
		if hint := lengthHint(failed.KeyBytes); hint != "" {
			remedy += " " + hint
		}
		if failed.RetryAfter > 0 && code == http.StatusTooManyRequests {
			remedy += fmt.Sprintf(" Read again in %d s.", int(math.Ceil(failed.RetryAfter.Seconds())))
		}
	default:
		return err // the reader went away, or Vault's storage failed
	}
	message = sentence(message)
	if remedy != "" {
		message += " " + strings.ReplaceAll(remedy, "CONFIG", config)
	}
	return logical.CodedError(code, message)
}

// lengthHint tells of a private key whose length, in bytes, isn't that of Kraken's; empty where there is nothing to tell, or the length isn't known (0).
func lengthHint(bytes int) string {
	const told = "api_secret decodes to %d bytes, and Kraken's private keys to %d: %s."
	switch {
	case bytes == 0 || bytes == kraken.PrivateKeyBytes:
		return ""
	case bytes < kraken.PrivateKeyBytes:
		return fmt.Sprintf(told, bytes, kraken.PrivateKeyBytes, "it may have lost its end in copying")
	default:
		return fmt.Sprintf(told, bytes, kraken.PrivateKeyBytes, "more than the key may have been copied")
	}
}

// notWritten makes of a proof's answer that of the write. Where the pair wasn't refused but couldn't be proved, it tells how to store it all the same.
func notWritten(err error) error {
	var coded logical.HTTPCodedError
	if !errors.As(err, &coded) {
		return err
	}
	message := "The config was not written. " + coded.Error()
	if coded.Code() != http.StatusBadRequest {
		message += " To store the pair unproved, add verify=false."
	}
	return logical.CodedError(coded.Code(), message)
}

func capital(message string) string { return strings.ToUpper(message[:1]) + message[1:] }

// sentence is a message with a capital and a full stop.
func sentence(message string) string { return capital(message) + "." }

// rfc3339 is how answers give times.
func rfc3339(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// secondsUntil is how many whole seconds there are until a time, 0 if it has passed.
func secondsUntil(at time.Time) int64 {
	return int64(math.Max(0, math.Floor(time.Until(at).Seconds())))
}

package krakensecrets

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/tokensource"
)

// All errors that a user may meet are logical.CodedErrors, unwrapped: the plugin boundary keeps the HTTP code of
// exactly that type. What an operator must fix is a 4xx, for Vault's clients repeat a 5xx by themselves.

func badInput(message string) error { return logical.CodedError(http.StatusBadRequest, message) }

// badField tells of a bad value of a config field: what is wrong with it, and what is right. No argument may hold a
// secret's value.
func badField(field, problem, remedy string) error {
	return badInput(field + " " + problem + "; " + remedy)
}

// notConfigured tells how to configure an account. mount is the request's MountPoint, with a slash at its end.
func notConfigured(mount, name string) error {
	return badInput(fmt.Sprintf("No key pair is configured for %s; write one: vault write %s%s api_key=PUBLIC_KEY api_secret=@FILE",
		accountTitle(name), mount, configPath(name)))
}

// answers is what becomes of a failed call: the HTTP code, and what the operator can do. CONFIG stands for the config's full path.
var answers = map[kraken.Kind]struct {
	code   int
	remedy string
}{
	kraken.KindInvalidKey:       {http.StatusBadRequest, "The API key is wrong, deleted or expired, or this Vault server's address isn't on its IP allow-list: check it at Kraken, then write the pair to CONFIG again."},
	kraken.KindInvalidSignature: {http.StatusBadRequest, "The private key doesn't belong to the API key, or the second factor is missing or wrong: write api_key and api_secret (and otp_password or totp_secret) to CONFIG again."},
	kraken.KindPermissionDenied: {http.StatusBadRequest, `Enable "Access WebSockets API" on the API key at Kraken.`},
	kraken.KindInvalidNonce:     {http.StatusBadRequest, "The API key is in use elsewhere, with a nonce ahead of this one: give Vault a key of its own and write it to CONFIG."},
	kraken.KindUnexpected:       {http.StatusBadRequest, "The engine doesn't know this error: look it up at docs.kraken.com."},
	kraken.KindRateLimited:      {http.StatusTooManyRequests, "The account is held back for now, to protect it."},
	kraken.KindLockout:          {http.StatusTooManyRequests, "The account is held back for now, to protect it."},
	kraken.KindUnavailable:      {http.StatusServiceUnavailable, "Read again later; status.kraken.com tells of outages, and api_url in CONFIG where requests go."},
	kraken.KindTimeout:          {http.StatusGatewayTimeout, "Read again, or raise request_timeout in CONFIG."},
	kraken.KindNonsense:         {http.StatusBadGateway, "Check api_url in CONFIG, and what stands between it and Kraken."},
	kraken.KindUntrusted:        {http.StatusBadGateway, "Check api_url and ca_cert in CONFIG."},
	kraken.KindNonceStore:       {http.StatusInternalServerError, "Check the storage of the Vault server."},
}

// answerError makes of a failed call for an account what Vault answers. prefix stands in front of the message.
func (a *account) answerError(err error, mount, prefix string) error {
	var held *tokensource.HeldBackError
	var failed *kraken.Error
	switch {
	case errors.Is(err, logical.ErrReadOnly):
		return logical.ErrReadOnly // Vault forwards the request to the active node by this very error
	case errors.As(err, &held):
		return logical.CodedError(http.StatusTooManyRequests, prefix+sentence(held.Error()))
	case errors.Is(err, tokensource.ErrClosed):
		return logical.CodedError(http.StatusServiceUnavailable, prefix+sentence(err.Error())+" Read again.")
	case !errors.As(err, &failed):
		return err // the reader went away
	}
	answer := answers[failed.Kind]
	message := prefix + sentence(err.Error())
	if answer.remedy != "" {
		message += " " + strings.ReplaceAll(answer.remedy, "CONFIG", mount+configPath(a.name))
	}
	if until := a.guard.HeldUntil(); answer.code == http.StatusTooManyRequests && !until.IsZero() {
		message += fmt.Sprintf(" Read again in %d s.", int(math.Ceil(time.Until(until).Seconds())))
	}
	return logical.CodedError(answer.code, message)
}

// sentence is a message with a capital and a full stop.
func sentence(message string) string {
	return strings.ToUpper(message[:1]) + message[1:] + "."
}

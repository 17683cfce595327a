package krakensecrets

import (
	"context"
	"net/http"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
)

const (
	pathStatusBase = "status"

	fieldSince         = "since"
	fieldTokensMinted  = "tokens_minted"
	fieldFailures      = "failures"
	fieldReadsAnswered = "reads_answered"
	fieldCacheHits     = "cache_hits"
	fieldCoalesced     = "coalesced_reads"
	fieldReadsFailed   = "reads_failed"
	fieldCalls         = "calls"
	fieldProofs        = "proofs"
	fieldWritesRefused = "config_writes_refused"
	fieldNonceRefusals = "nonce_refusals"
	fieldNonceAhead    = "nonce_ahead"
	fieldHoldOffs      = "hold_offs"
	fieldHeldUntil     = "held_back_until"
	fieldHeldFor       = "held_back_for"
	fieldHeldKind      = "held_back_kind"
	fieldOutageSince   = "outage_since"
	fieldOutageFor     = "outage_error"
	fieldLastSuccess   = "last_success"
	fieldLastError     = "last_error"
	fieldLastErrorKind = "last_error_kind"
	fieldLastErrorAt   = "last_error_at"
	fieldCachedAge     = "cached_token_age"
	fieldCachedTTL     = "cached_token_ttl"
	fieldKeyExpires    = "key_expires"
	fieldCallsLeft     = "calls_left"
	fieldCallsWaiting  = "calls_waiting"

	statusSynopsis = "Tell what goes on with an account, without asking Kraken."
	statusHelp     = `
What the engine has seen of an account since the time in "since". Kraken isn't asked, and nothing of it is stored.

    vault read {mount}/status
    vault read {mount}/status/desk-a

The node that serves the account answers, which is the active one. The other nodes of a cluster forward the request to it.

The counts begin anew when the plugin's process starts (after a restart, a reload, an upgrade or an unseal), when another
node becomes active, and after a delete of the config. A config write lets them go on. "nonce_refusals", "hold_offs" and
"nonce_ahead" are the API key's, so they also begin anew with another API key.

A field that may be missing is there only if there is something to tell. "metrics" tells the same of all accounts.
`
)

// statusFields are the fields of a status, in the order in which its help lists them.
var statusFields = []answerField{
	always(account.FieldDisabled, framework.TypeBool, "Whether the account is disabled. Then Kraken isn't asked."),
	always(fieldSince, framework.TypeString, "When counting began: with the account's first use or write after the plugin's start. A time in RFC 3339 and UTC, as all times here."),
	always(fieldTokensMinted, framework.TypeInt64, "Number of tokens got from Kraken: for reads, for the cache, and as proofs of written pairs."),
	always(fieldFailures, framework.TypeMap, "Number of failed attempts to get a token, by kind. One attempt may have been for many reads."),
	always(fieldReadsAnswered, framework.TypeInt64, "Number of reads that got a token: a new one, a cached one, or a coalesced one."),
	always(fieldCacheHits, framework.TypeInt64, "Of these, reads that got a token minted for an earlier read."),
	always(fieldCoalesced, framework.TypeInt64, "Of these, reads that got a token from a call that was under way for another read."),
	always(fieldReadsFailed, framework.TypeMap, "Number of reads that got no token, by kind."),
	always(fieldCalls, framework.TypeMap, `Number of requests that may have reached Kraken, by method and outcome: "success", or a kind.`),
	always(fieldProofs, framework.TypeInt64, "Number of key pairs that Kraken was asked about before they were stored."),
	always(fieldWritesRefused, framework.TypeMap, "Number of config writes that were refused, or failed, by kind."),
	always(fieldNonceRefusals, framework.TypeInt64, "Number of nonces that Kraken refused. The API key is used elsewhere as well, or a clock was set back."),
	always(fieldNonceAhead, framework.TypeFloat, "How far the last nonce is ahead of the clock, in seconds: 0 to 600."),
	always(fieldHoldOffs, framework.TypeMap, "Number of Kraken's answers after which the account was held back, by kind: rate_limited, lockout."),
	sometimes(fieldHeldUntil, framework.TypeString, "Until when Kraken isn't asked, after a rate limit, a lockout, or a refusal that is remembered. It doesn't cover waits for the call counter: see calls_left."),
	sometimes(fieldHeldFor, framework.TypeString, "Why Kraken isn't asked until then: the error."),
	sometimes(fieldHeldKind, framework.TypeString, "The kind of that error."),
	sometimes(fieldOutageSince, framework.TypeString, "Since when Kraken can't be reached, as far as the last call has shown."),
	sometimes(fieldOutageFor, framework.TypeString, "How that call failed."),
	sometimes(fieldLastSuccess, framework.TypeString, "When a token was last got from Kraken."),
	sometimes(fieldLastError, framework.TypeString, "The error of the last attempt to get a token that failed."),
	sometimes(fieldLastErrorKind, framework.TypeString, "The kind of that error."),
	sometimes(fieldLastErrorAt, framework.TypeString, "When that was."),
	sometimes(fieldCachedAge, framework.TypeInt64, "How old the cached token is, in seconds."),
	always(fieldCachedTTL, framework.TypeInt64, "How long the cached token has to live, in seconds. 0: no token is cached."),
	sometimes(fieldKeyExpires, framework.TypeString, "When the API key expires, as Kraken said when key-info was last read. Missing if it doesn't expire, or key-info wasn't read."),
	sometimes(fieldCallsLeft, framework.TypeInt64, "How many calls Kraken's counter allows now, by the account's tier. At 0 a read waits, or is refused with a 429. Missing with the tier none."),
	always(fieldCallsWaiting, framework.TypeInt64, "How many calls wait for their turn now. Calls with one API key are made one at a time."),
}

// Made once, not for each mount.
var (
	statusResponses   = withErrors(okResponse(statusFields), http.StatusBadRequest, http.StatusInternalServerError, http.StatusServiceUnavailable)
	statusDescription = helpText(statusHelp, fieldsHelp(statusFields), kindsHelp())
)

func (b *backend) pathStatus() []*framework.Path {
	return accountPaths(pathStatusBase, framework.Path{
		DisplayAttrs: &framework.DisplayAttributes{OperationPrefix: operationPrefix, OperationSuffix: "status"},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation: onActiveNode(framework.PathOperation{
				Callback: b.readStatus, Summary: statusSynopsis, Responses: statusResponses,
			}),
		},
		HelpSynopsis:    statusSynopsis,
		HelpDescription: statusDescription,
	})
}

func (b *backend) readStatus(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	status, err := b.accounts.Status(ctx, req.Storage, accountName(data))
	if err != nil {
		return nil, answer(err, req.MountPoint, accountName(data))
	}
	told := map[string]any{
		account.FieldDisabled: status.Disabled,

		fieldSince:         rfc3339(status.Since),
		fieldTokensMinted:  status.Minted,
		fieldFailures:      tellCounts(status.Failures),
		fieldReadsAnswered: status.Answered(),
		fieldCacheHits:     status.Cached,
		fieldCoalesced:     status.Coalesced,
		fieldReadsFailed:   tellCounts(status.FailedReads),
		fieldCalls:         tellCalls(status.Calls),
		fieldProofs:        status.Proofs,
		fieldWritesRefused: tellCounts(status.RefusedWrites),
		fieldNonceRefusals: status.Key.NonceRefusals,
		fieldNonceAhead:    status.Key.NonceAhead.Seconds(),
		fieldHoldOffs:      tellCounts(status.Key.HoldOffs),
		fieldCachedTTL:     secondsUntil(status.CachedUntil),
		fieldCallsWaiting:  status.Key.Waiting,
	}
	for field, at := range map[string]time.Time{
		fieldHeldUntil:   status.Key.HeldUntil,
		fieldOutageSince: status.Key.OutageSince,
		fieldLastSuccess: status.LastSuccess,
		fieldLastErrorAt: status.LastErrorAt,
		fieldKeyExpires:  status.KeyExpires,
	} {
		if !at.IsZero() {
			told[field] = rfc3339(at)
		}
	}
	if why := status.Key.HeldFor; why != nil {
		told[fieldHeldFor], told[fieldHeldKind] = why.Error(), account.KindName(why)
	}
	if why := status.Key.OutageCause; why != nil {
		told[fieldOutageFor] = why.Error()
	}
	if status.LastError != "" {
		told[fieldLastError], told[fieldLastErrorKind] = status.LastError, status.LastErrorKind
	}
	if !status.CachedUntil.IsZero() {
		told[fieldCachedAge] = int64(status.CachedAge.Seconds())
	}
	if status.Key.Counted {
		told[fieldCallsLeft] = status.Key.CallsLeft
	}
	return &logical.Response{Data: told}, nil
}

func tellCounts(counts map[string]uint64) map[string]any {
	told := make(map[string]any, len(counts))
	for kind, count := range counts {
		told[kind] = count
	}
	return told
}

// tellCalls has a map of outcomes for each method.
func tellCalls(calls map[account.Call]uint64) map[string]any {
	told := map[string]any{}
	for call, count := range calls {
		outcomes, _ := told[call.Method].(map[string]any)
		if outcomes == nil {
			outcomes = map[string]any{}
			told[call.Method] = outcomes
		}
		outcomes[call.Outcome] = count
	}
	return told
}

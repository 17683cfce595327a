package krakensecrets

import (
	"context"
	"strings"
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
Answers what this node has seen of the account since the time in "since", when the account was first used or written after the plugin's start.
Nothing of it is stored; a config write lets the counts go on, a delete ends them. What is missing never came, or isn't so now.
"metrics" tells the same of all accounts.
`
)

func (b *backend) pathStatus() []*framework.Path {
	return accountPaths(pathStatusBase, framework.Path{
		DisplayAttrs: &framework.DisplayAttributes{OperationPrefix: operationPrefix, OperationSuffix: "status"},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation: onActiveNode(framework.PathOperation{
				Callback: b.readStatus, Summary: statusSynopsis,
				Responses: okResponse(map[string]*framework.FieldSchema{
					account.FieldDisabled: {Type: framework.TypeBool, Required: true, Description: "Whether the account is disabled, and so asks Kraken nothing."},

					fieldSince:         {Type: framework.TypeString, Required: true, Description: "When counting began (RFC 3339, UTC, as all times here)."},
					fieldTokensMinted:  {Type: framework.TypeInt64, Required: true, Description: "Tokens had from Kraken: for reads, for the cache, and as proofs of written pairs."},
					fieldFailures:      {Type: framework.TypeMap, Required: true, Description: "Tokens that couldn't be had, by kind: one for all reads that would have shared it."},
					fieldReadsAnswered: {Type: framework.TypeInt64, Required: true, Description: "Reads that got a token: one minted for them, a cached one, or a coalesced one."},
					fieldCacheHits:     {Type: framework.TypeInt64, Required: true, Description: "Of these, with a token minted for an earlier one."},
					fieldCoalesced:     {Type: framework.TypeInt64, Required: true, Description: "Of these, with a token minted by a call under way for another one."},
					fieldReadsFailed:   {Type: framework.TypeMap, Required: true, Description: "Reads that got no token, by kind."},
					fieldCalls:         {Type: framework.TypeMap, Required: true, Description: "Requests that may have reached Kraken, by method, and by outcome."},
					fieldProofs:        {Type: framework.TypeInt64, Required: true, Description: "Key pairs that Kraken was asked about before they were stored."},
					fieldWritesRefused: {Type: framework.TypeMap, Required: true, Description: "Config writes that were refused, or failed, by kind."},
					fieldNonceRefusals: {Type: framework.TypeInt64, Required: true, Description: "Nonces that Kraken refused: the API key is used elsewhere as well, or a clock was set back."},
					fieldNonceAhead:    {Type: framework.TypeFloat, Required: true, Description: "Seconds that the last nonce is ahead of the clock."},
					fieldHoldOffs:      {Type: framework.TypeMap, Required: true, Description: "Answers of Kraken that the account was held back for, by kind."},
					fieldHeldUntil:     {Type: framework.TypeString, Description: "Until when Kraken isn't asked, after a refusal, rate limit or lockout."},
					fieldHeldFor:       {Type: framework.TypeString, Description: "Why it isn't asked."},
					fieldHeldKind:      {Type: framework.TypeString, Description: "The kind of that."},
					fieldOutageSince:   {Type: framework.TypeString, Description: "Since when Kraken can't be reached, as far as the last call has shown."},
					fieldOutageFor:     {Type: framework.TypeString, Description: "How that call failed."},
					fieldLastSuccess:   {Type: framework.TypeString, Description: "When a token was last had from Kraken."},
					fieldLastError:     {Type: framework.TypeString, Description: "Why a token couldn't be had, the last time that it couldn't."},
					fieldLastErrorKind: {Type: framework.TypeString, Description: "The kind of that error."},
					fieldLastErrorAt:   {Type: framework.TypeString, Description: "When that was."},
					fieldCachedAge:     {Type: framework.TypeDurationSecond, Description: "Seconds since the cached token was asked for."},
					fieldCachedTTL:     {Type: framework.TypeDurationSecond, Required: true, Description: "Seconds that the cached token has to live; 0: none is cached."},
					fieldKeyExpires:    {Type: framework.TypeString, Description: "When the API key expires, as Kraken said when key-info was last read."},
					fieldCallsLeft:     {Type: framework.TypeInt64, Description: "Calls that Kraken's counter for the account's tier allows now."},
					fieldCallsWaiting:  {Type: framework.TypeInt64, Required: true, Description: "Calls that wait for their turn now."},
				}),
			}),
		},
		HelpSynopsis:    statusSynopsis,
		HelpDescription: strings.TrimSpace(statusHelp),
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

package krakensecrets

import (
	"context"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

const (
	pathStatusBase = "status"

	fieldSince          = "since"
	fieldTokensMinted   = "tokens_minted"
	fieldCacheHits      = "cache_hits"
	fieldCoalescedReads = "coalesced_reads"
	fieldFailures       = "failures"
	fieldNonceRefusals  = "nonce_refusals"
	fieldLastSuccess    = "last_success"
	fieldLastError      = "last_error"
	fieldLastErrorKind  = "last_error_kind"
	fieldLastErrorAt    = "last_error_at"
	fieldCachedTokenTTL = "cached_token_ttl"
	fieldHeldBackUntil  = "held_back_until"

	statusSynopsis = "Tell what goes on with an account, without asking Kraken."
	statusHelp     = `
Answers what this node has seen of the account since the time in "since", when the account was first used or written after the plugin's start.
Nothing of it is stored. Times that are missing never came.
`
)

func (b *backend) pathStatus() []*framework.Path {
	return accountPaths(pathStatusBase, framework.Path{
		DisplayAttrs: &framework.DisplayAttributes{OperationPrefix: operationPrefix, OperationSuffix: "status"},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation: onActiveNode(framework.PathOperation{
				Callback: b.readStatus, Summary: statusSynopsis,
				Responses: okResponse(map[string]*framework.FieldSchema{
					fieldSince:          {Type: framework.TypeString, Required: true, Description: "When counting began (RFC 3339, UTC, as all times here)."},
					fieldTokensMinted:   {Type: framework.TypeInt64, Required: true, Description: "Tokens had from Kraken."},
					fieldCacheHits:      {Type: framework.TypeInt64, Required: true, Description: "Reads answered with a token minted for an earlier one."},
					fieldCoalescedReads: {Type: framework.TypeInt64, Required: true, Description: "Reads answered by a call under way for another one."},
					fieldFailures:       {Type: framework.TypeMap, Required: true, Description: "Tokens that couldn't be had, by kind."},
					fieldNonceRefusals:  {Type: framework.TypeInt64, Required: true, Description: "Nonces that Kraken refused: the API key is used elsewhere as well, or a clock was set back."},
					fieldLastSuccess:    {Type: framework.TypeString, Description: "When a token was last had from Kraken."},
					fieldLastError:      {Type: framework.TypeString, Description: "What went wrong last."},
					fieldLastErrorKind:  {Type: framework.TypeString, Description: "The kind of that error."},
					fieldLastErrorAt:    {Type: framework.TypeString, Description: "When that was."},
					fieldCachedTokenTTL: {Type: framework.TypeDurationSecond, Required: true, Description: "Seconds that the cached token has to live; 0: none is cached."},
					fieldHeldBackUntil:  {Type: framework.TypeString, Description: "Until when Kraken isn't asked, after a refusal, rate limit or lockout."},
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
	failures := make(map[string]any, len(status.Failures))
	for kind, count := range status.Failures {
		failures[kind] = count
	}
	told := map[string]any{
		fieldSince:          rfc3339(status.Since),
		fieldTokensMinted:   status.Minted,
		fieldCacheHits:      status.CacheHits,
		fieldCoalescedReads: status.Coalesced,
		fieldFailures:       failures,
		fieldNonceRefusals:  status.Key.NonceRefusals,
		fieldCachedTokenTTL: secondsUntil(status.CachedUntil),
	}
	for field, at := range map[string]time.Time{
		fieldLastSuccess:   status.LastSuccess,
		fieldLastErrorAt:   status.LastErrorAt,
		fieldHeldBackUntil: status.Key.HeldUntil,
	} {
		if !at.IsZero() {
			told[field] = rfc3339(at)
		}
	}
	if status.LastError != "" {
		told[fieldLastError], told[fieldLastErrorKind] = status.LastError, status.LastErrorKind
	}
	return &logical.Response{Data: told}, nil
}

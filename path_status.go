package krakensecrets

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/tokensource"
)

const (
	pathStatusBase = "status"

	fieldSince          = "since"
	fieldTokensMinted   = "tokens_minted"
	fieldCacheHits      = "cache_hits"
	fieldCoalescedReads = "coalesced_reads"
	fieldFailures       = "failures"
	fieldLastSuccess    = "last_success"
	fieldLastError      = "last_error"
	fieldLastErrorKind  = "last_error_kind"
	fieldLastErrorAt    = "last_error_at"
	fieldCachedTokenTTL = "cached_token_ttl"
	fieldHeldBackUntil  = "held_back_until"

	statusSynopsis = "Tell what goes on with an account, without asking Kraken."
	statusHelp     = `
Answers what the node that serves the account has seen since the time in "since": the last write of the account's config, or the
start of the plugin on this node. Nothing of it is stored. Times that are missing never came.
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
	account, err := b.account(ctx, req, accountName(data))
	if err != nil {
		return nil, err
	}
	stats := tokensource.Snapshot(account.meter, account.reuse)
	failures := make(map[string]any, len(stats.Failures))
	for kind, count := range stats.Failures {
		failures[kind] = count
	}
	status := map[string]any{
		fieldSince:          rfc3339(stats.Since),
		fieldTokensMinted:   stats.Minted,
		fieldCacheHits:      stats.CacheHits,
		fieldCoalescedReads: stats.Coalesced,
		fieldFailures:       failures,
		fieldCachedTokenTTL: int64(0),
	}
	if token, ok := account.reuse.Cached(); ok {
		status[fieldCachedTokenTTL] = secondsUntil(token.ExpiresAt)
	}
	for field, at := range map[string]time.Time{
		fieldLastSuccess:   stats.LastSuccess,
		fieldLastErrorAt:   stats.LastErrorAt,
		fieldHeldBackUntil: account.guard.HeldUntil(),
	} {
		if !at.IsZero() {
			status[field] = rfc3339(at)
		}
	}
	if stats.LastError != "" {
		status[fieldLastError], status[fieldLastErrorKind] = stats.LastError, stats.LastErrorKind
	}
	return &logical.Response{Data: status}, nil
}

func rfc3339(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// secondsUntil is how many whole seconds there are until a time, 0 if it has passed.
func secondsUntil(at time.Time) int64 {
	return int64(math.Max(0, math.Floor(time.Until(at).Seconds())))
}

package krakensecrets

import (
	"context"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
)

const (
	pathTokenBase = "ws-token"

	fieldToken        = "token"
	fieldTTL          = "ttl"
	fieldExpiresAt    = "expires_at"
	fieldWebSocketURL = "websocket_url"
	fieldCached       = "cached"

	tokenSynopsis = "Get a token for Kraken's private WebSocket feeds."
	tokenHelp     = `
A read answers a token that opens the account's private WebSocket feeds. Connect to websocket_url and send the token
within ttl. A subscription made in time lasts as long as its connection.

    vault read {mount}/ws-token
    vault write -f {mount}/ws-token     always mints a new token, even if one is cached

With cache_ttl in the account's config, reads share a token while it is younger than that; "cached" tells. The answer has
no lease, because Kraken can't revoke a token. When Kraken answers "ESession:Invalid session" on the WebSocket, get a new
token with the write.
`
)

// tokenFields are the fields of a token's answer.
var tokenFields = []answerField{
	{fieldToken, &framework.FieldSchema{Type: framework.TypeString, Required: true, Description: "The token.", DisplayAttrs: &framework.DisplayAttributes{Sensitive: true}}},
	always(fieldTTL, framework.TypeInt64, "Seconds left to connect and send the token. Kraken's 900 seconds, counted from before the token was asked for."),
	always(fieldExpiresAt, framework.TypeString, "When these seconds are over (RFC 3339, UTC)."),
	always(fieldWebSocketURL, framework.TypeString, "Where to use the token: websocket_url of the account's config."),
	always(fieldCached, framework.TypeBool, "Whether the token was minted for an earlier read."),
}

// Made once, not for each mount.
var (
	tokenResponses   = withErrors(okResponse(tokenFields), asksKraken...)
	tokenDescription = helpText(tokenHelp, fieldsHelp(tokenFields))
)

func (b *backend) pathToken() []*framework.Path {
	return accountPaths(pathTokenBase, framework.Path{
		DisplayAttrs: &framework.DisplayAttributes{OperationPrefix: operationPrefix, OperationSuffix: "websocket-token"},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation: onActiveNode(framework.PathOperation{
				Callback: b.readToken, Summary: tokenSynopsis, Responses: tokenResponses,
			}),
			logical.UpdateOperation: onActiveNode(framework.PathOperation{
				Callback: b.mintToken, Summary: "Mint a new token, even if one is cached.", Responses: tokenResponses,
				DisplayAttrs: &framework.DisplayAttributes{OperationVerb: "mint"},
			}),
		},
		HelpSynopsis:    tokenSynopsis,
		HelpDescription: tokenDescription,
	})
}

func (b *backend) readToken(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	token, err := b.accounts.Token(ctx, req.Storage, accountName(data))
	return tokenResponse(token, err, req, data)
}

func (b *backend) mintToken(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	token, err := b.accounts.Mint(ctx, req.Storage, accountName(data))
	return tokenResponse(token, err, req, data)
}

func tokenResponse(token account.Token, err error, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	if err != nil {
		return nil, answer(err, req.MountPoint, accountName(data))
	}
	expiry := token.Expiry(time.Now())
	response := &logical.Response{Data: map[string]any{
		fieldToken:        token.Value,
		fieldTTL:          secondsUntil(expiry),
		fieldExpiresAt:    rfc3339(expiry),
		fieldWebSocketURL: token.WebSocketURL,
		fieldCached:       token.Cached,
	}}
	if token.Warning != "" {
		response.AddWarning(token.Warning)
	}
	return response, nil
}

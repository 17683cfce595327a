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
	pathTokenBase = "ws-token"

	fieldToken        = "token"
	fieldTTL          = "ttl"
	fieldExpiresAt    = "expires_at"
	fieldWebSocketURL = "websocket_url"
	fieldCached       = "cached"

	tokenSynopsis = "Get a token for Kraken's private WebSocket feeds."
	tokenHelp     = `
A read answers a token that opens the account's private WebSocket feeds. Connect to websocket_url and send the token
within ttl; a subscription made with it in time lasts as long as its connection.

    vault read kraken/ws-token
    vault write -f kraken/ws-token      always mints a new token, past the cache

With cache_ttl in the account's config, reads share a token while it is young enough; cached tells. The answer has no
lease: Kraken can't revoke a token, so there would be nothing to revoke. When Kraken answers "ESession:Invalid session"
on the WebSocket, get a new one with the write.
`
)

func (b *backend) pathToken() []*framework.Path {
	responses := okResponse(map[string]*framework.FieldSchema{
		fieldToken:        {Type: framework.TypeString, Required: true, Description: "The token.", DisplayAttrs: &framework.DisplayAttributes{Sensitive: true}},
		fieldTTL:          {Type: framework.TypeDurationSecond, Required: true, Description: "Seconds left to use the token, counted from before it was asked for."},
		fieldExpiresAt:    {Type: framework.TypeString, Required: true, Description: "When the token must have been used (RFC 3339, UTC)."},
		fieldWebSocketURL: {Type: framework.TypeString, Required: true, Description: "Where to use the token: websocket_url of the account's config."},
		fieldCached:       {Type: framework.TypeBool, Required: true, Description: "Whether the token was minted for an earlier read."},
	})
	return accountPaths(pathTokenBase, framework.Path{
		DisplayAttrs: &framework.DisplayAttributes{OperationPrefix: operationPrefix, OperationSuffix: "websocket-token"},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation: onActiveNode(framework.PathOperation{
				Callback: b.readToken, Summary: tokenSynopsis, Responses: responses,
			}),
			logical.UpdateOperation: onActiveNode(framework.PathOperation{
				Callback: b.mintToken, Summary: "Mint a new token, past the cache.", Responses: responses,
				DisplayAttrs: &framework.DisplayAttributes{OperationVerb: "mint"},
			}),
		},
		HelpSynopsis:    tokenSynopsis,
		HelpDescription: strings.TrimSpace(tokenHelp),
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

package krakensecrets

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

const (
	pathKeyInfoBase = "key-info"

	keyInfoSynopsis = "Ask Kraken what the stored API key is and may do."
	keyInfoHelp     = `
Asks Kraken about the stored API key and answers its name, permissions, restrictions and last use, field by field as
Kraken gives them. A warning tells when the key may do more than a token needs (to query and trade is fine, to
withdraw is not), or expires within 14 days. The call counts against the key's limits, as minting a token does.
`
	// keyExpiresSoon is when key-info begins to warn that the API key expires.
	keyExpiresSoon = 14 * 24 * time.Hour
)

func (b *backend) pathKeyInfo() []*framework.Path {
	return accountPaths(pathKeyInfoBase, framework.Path{
		DisplayAttrs: &framework.DisplayAttributes{OperationPrefix: operationPrefix, OperationSuffix: "key-info"},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation: onActiveNode(framework.PathOperation{
				Callback: b.readKeyInfo, Summary: keyInfoSynopsis,
				// Kraken may add fields, so that no schema is complete.
				Responses: okResponse(map[string]*framework.FieldSchema{
					"apiKeyName":  {Type: framework.TypeString, Description: "The key's name."},
					"permissions": {Type: framework.TypeStringSlice, Description: "What the key may do."},
					"validUntil":  {Type: framework.TypeString, Description: "When the key expires, in seconds since 1970; 0: never."},
				}),
			}),
		},
		HelpSynopsis:    keyInfoSynopsis,
		HelpDescription: strings.TrimSpace(keyInfoHelp),
	})
}

func (b *backend) readKeyInfo(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	info, err := b.accounts.KeyInfo(ctx, req.Storage, accountName(data))
	if err != nil {
		return nil, answer(err, req.MountPoint, accountName(data))
	}
	response := &logical.Response{Data: info}
	for field := range info {
		// These names would make Vault answer something else than data; no field of Kraken's has them.
		if field == "error" || strings.HasPrefix(field, "http_") {
			delete(info, field)
		}
	}
	for _, warning := range keyWarnings(info, time.Now()) {
		response.AddWarning(warning)
	}
	return response, nil
}

// permissionsToTrade are the permissions, beside the query-… ones, that an application with a token may need
// (docs.kraken.com, "Get API Key Info", and names seen in the wild).
var permissionsToTrade = []string{
	"create-ws-token", "access-websockets", "create-orders", "modify-orders", "cancel-orders", "close-orders", "modify-trades", "close-trades",
}

// keyWarnings tells what is wrong with a key that Kraken accepts.
func keyWarnings(info map[string]any, now time.Time) []string {
	var warnings, excess []string
	permissions, _ := info["permissions"].([]any)
	for _, permission := range permissions {
		text := fmt.Sprint(permission)
		if !strings.HasPrefix(text, "query-") && !slices.Contains(permissionsToTrade, text) {
			excess = append(excess, fmt.Sprintf("%.50q", text))
		}
	}
	if len(excess) > 0 {
		warnings = append(warnings, fmt.Sprintf("This API key may do more than a WebSocket token needs: %s. Take that away from it at Kraken.",
			strings.Join(excess[:min(len(excess), 20)], ", ")))
	}
	if until, limited := validUntil(info); limited && until.Before(now.Add(keyExpiresSoon)) {
		warnings = append(warnings, fmt.Sprintf("This API key expires at %s. Create another at Kraken and write the new pair to the config.",
			until.UTC().Format(time.RFC3339)))
	}
	return warnings
}

// validUntil is when the key expires, if it does. Kraken gives seconds since 1970, as text or number, 0 for never.
func validUntil(info map[string]any) (time.Time, bool) {
	var text string
	switch value := info["validUntil"].(type) {
	case string:
		text = value
	case json.Number:
		text = value.String()
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(seconds, 0), err == nil && seconds > 0
}

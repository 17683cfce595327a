package krakensecrets

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

const (
	pathKeyInfoBase = "key-info"

	keyInfoSynopsis = "Ask Kraken what the stored API key is and may do."
	keyInfoHelp     = `
Asks Kraken about the stored API key, and answers its name, permissions, restrictions and last use: field by field as
Kraken gives them.

    vault read {mount}/key-info

Kraken names them in snake case (valid_until), its documentation in camel case (validUntil); the engine
takes both. A number may come as text, and always does where JSON's readers would round it. Characters that could confuse
a terminal or a log are replaced by spaces.

Warnings tell when the key may do more than a token needs (to query and to trade is fine, to withdraw is not), can't make
tokens, works from any address, has a nonce window, or expires within 14 days. The call counts against the key's limits,
as minting a token does.
`
	// keyExpiresSoon is when key-info begins to warn that the API key expires.
	keyExpiresSoon = 14 * 24 * time.Hour
	// maxNamed is how many permissions a warning names, and maxNamedLength how many characters of each: Kraken has under 20, of
	// 22 characters at most, and a hostile server any number.
	maxNamed       = 20
	maxNamedLength = 50
)

// Made once, not for each mount.
var (
	keyInfoResponses   = withErrors(okResponse(keyInfoFields()), asksKraken...)
	keyInfoDescription = helpText(keyInfoHelp, fieldsHelp(keyInfoFields()))
)

func (b *backend) pathKeyInfo() []*framework.Path {
	return accountPaths(pathKeyInfoBase, framework.Path{
		DisplayAttrs: &framework.DisplayAttributes{OperationPrefix: operationPrefix, OperationSuffix: "key-info"},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation: onActiveNode(framework.PathOperation{
				Callback: b.readKeyInfo, Summary: keyInfoSynopsis, Responses: keyInfoResponses,
			}),
		},
		HelpSynopsis:    keyInfoSynopsis,
		HelpDescription: keyInfoDescription,
	})
}

// keyInfoFields are the fields that are known, by both of their names. Kraken may add some, so no list is complete.
func keyInfoFields() (fields []answerField) {
	for _, field := range []struct {
		snake, camel string
		fieldType    framework.FieldType
		description  string
	}{
		{"api_key_name", "apiKeyName", framework.TypeString, "The key's name."},
		{"api_key", "apiKey", framework.TypeString, "The public key."},
		{"permissions", "", framework.TypeStringSlice, "What the key may do."},
		{"ip_allowlist", "ipAllowlist", framework.TypeStringSlice, "The addresses that the key may be used from. Empty: any."},
		{"nonce", "", framework.TypeString, "The last nonce that was used with the key."},
		{"nonce_window", "nonceWindow", framework.TypeString, "By how much a nonce may be lower than the last one."},
		{"valid_until", "validUntil", framework.TypeString, "When the key expires, in seconds since 1970. 0: never."},
		{"query_from", "queryFrom", framework.TypeString, "From when on the key may query, in seconds since 1970. 0: any time."},
		{"query_to", "queryTo", framework.TypeString, "Until when the key may query, in seconds since 1970. 0: any time."},
		{"created_time", "createdTime", framework.TypeString, "When the key was made, in seconds since 1970."},
		{"modified_time", "modifiedTime", framework.TypeString, "When the key was last changed, in seconds since 1970."},
		{"last_used", "lastUsed", framework.TypeString, "When the key was last used, in seconds since 1970."},
		{"iban", "", framework.TypeString, "The number of the Kraken account."},
	} {
		fields = append(fields, sometimes(field.snake, field.fieldType, field.description))
		if field.camel != "" {
			fields = append(fields, sometimes(field.camel, field.fieldType, field.description))
		}
	}
	return fields
}

func (b *backend) readKeyInfo(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	info, err := b.accounts.KeyInfo(ctx, req.Storage, accountName(data))
	if err != nil {
		return nil, answer(err, req.MountPoint, accountName(data))
	}
	for name := range info {
		if isVaults(name) {
			delete(info, name)
		}
	}
	if len(info) == 0 {
		return nil, answer(&kraken.Error{Kind: kraken.KindNonsense, Detail: "what answered doesn't speak Kraken's API: its result is not the API key's data"}, req.MountPoint, accountName(data))
	}
	response := &logical.Response{Data: info}
	for _, warning := range keyWarnings(info, time.Now()) {
		response.AddWarning(warning)
	}
	return response, nil
}

// isVaults reports whether a field of this very name would be taken for something else than data: by Vault, which answers
// otherwise, or by its Agent, which reads again when others tell it to, and crashes where they aren't what it expects. No field of Kraken's has such a name.
func isVaults(name string) bool {
	return name == "error" || strings.HasPrefix(name, "http_") ||
		name == "rotation_period" || name == "secret_id" || name == "certificate"
}

// harmless are the permissions, beside the query-… ones, that an application with a token may need, or that move no money
// (docs.kraken.com, "Get API Key Info", and names seen in the wild).
var harmless = []string{
	"create-orders", "modify-orders", "cancel-orders", "close-orders", "modify-trades", "close-trades", "export-data",
}

// toMakeTokens are the names of the permission that Kraken's pages call "Access WebSockets API".
var toMakeTokens = []string{"create-ws-token", "access-websockets"}

// keyWarnings tells what is wrong with a key that Kraken accepts. Of what Kraken doesn't say, nothing is told.
func keyWarnings(info kraken.KeyInfo, now time.Time) []string {
	var warnings []string
	warn := func(format string, arguments ...any) { warnings = append(warnings, fmt.Sprintf(format, arguments...)) }
	if permissions, told := info.Permissions(); told {
		if excess := slices.DeleteFunc(slices.Clone(permissions), isHarmless); len(excess) > 0 {
			warn("This API key may do more than a WebSocket token needs: %s. Take that away from it at Kraken.", named(excess))
		}
		if !slices.ContainsFunc(permissions, func(permission string) bool { return slices.Contains(toMakeTokens, permission) }) {
			warn(`This API key can't make WebSocket tokens. Enable "Access WebSockets API" on it at Kraken, also called %s.`, otherPermissionNames)
		}
	}
	if addresses, told := info.IPAllowList(); told && len(addresses) == 0 {
		warn("This API key has no IP allow-list, so that whoever has the pair can use it from anywhere. Allow this Vault server's addresses alone, at Kraken.")
	}
	if window, told := info.NonceWindow(); told && window != 0 {
		warn("This API key has a nonce window of %d, within which Kraken takes older nonces. The engine needs none: set it to 0 at Kraken.", window)
	}
	if until, limited := info.ValidUntil(); limited && until.Before(now.Add(keyExpiresSoon)) {
		expires := "expires"
		if until.Before(now) {
			expires = "expired"
		}
		warn("This API key %s at %s. Create another at Kraken and write the new pair to the config.", expires, until.Format(time.RFC3339))
	}
	return warnings
}

func isHarmless(permission string) bool {
	return strings.HasPrefix(permission, "query-") || slices.Contains(harmless, permission) || slices.Contains(toMakeTokens, permission)
}

// named lists permissions, each quoted.
func named(permissions []string) string {
	var quoted []string
	for _, permission := range permissions[:min(len(permissions), maxNamed)] {
		quoted = append(quoted, fmt.Sprintf("%.*q", maxNamedLength, permission))
	}
	list := strings.Join(quoted, ", ")
	if more := len(permissions) - len(quoted); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

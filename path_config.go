package krakensecrets

import (
	"context"
	"slices"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
)

const (
	pathConfigBase = "config"

	configSynopsis = "Store a Kraken API key pair and how to use it."
	configHelp     = `
Create an API key at Kraken with the permission "Access WebSockets API" (under "Other") and what the application needs
to query or trade, but not to withdraw. Put its private key into a file that only you can read, and store the pair:

    vault write kraken/config api_key=PUBLIC_KEY api_secret=@FILE

The pair is proved by getting a token from Kraken, and is not stored if that fails; verify=false skips that. A later
write changes the fields given and keeps the rest; api_key and api_secret change only together, api_url, websocket_url
and ca_cert only with them. A write with the pair drops a second factor that it doesn't name. The pair is proved again
when the pair, the second factor, api_url or ca_cert change, or with verify=true. A failed write changes nothing. A
read shows everything but the secrets, and in their place two_factor (none, password or totp) and pair_written_at.

In an incident, stop the account and keep the pair, and later let it go on:

    vault write kraken/config disabled=true
    vault write kraken/config disabled=false

Use the API key for nothing else: whoever else uses it takes away the nonce that Kraken's requests are numbered with.
Other accounts go under names of their own, as in kraken/config/desk-a, each with an API key of its own.
`
	configListSynopsis = "List the named accounts."
)

func (b *backend) pathConfig() []*framework.Path {
	given, shown := map[string]*framework.FieldSchema{}, map[string]*framework.FieldSchema{}
	for _, field := range account.Fields {
		if field.Given() {
			given[field.Name] = fieldSchema(field)
			given[field.Name].Default, given[field.Name].Required = field.Default, field.Required
		}
		if field.Shown() {
			shown[field.Name] = fieldSchema(field)
			shown[field.Name].Required = field.Name != account.FieldPairWrittenAt
		}
	}
	answers := okResponse(shown)
	paths := accountPaths(pathConfigBase, framework.Path{
		DisplayAttrs:   &framework.DisplayAttributes{OperationPrefix: operationPrefix, OperationSuffix: "configuration"},
		Fields:         given,
		ExistenceCheck: b.configExists,
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.CreateOperation: onActiveNode(framework.PathOperation{Callback: b.writeConfig, Summary: configSynopsis, Responses: answers}),
			logical.UpdateOperation: onActiveNode(framework.PathOperation{Callback: b.writeConfig, Summary: configSynopsis, Responses: answers}),
			logical.ReadOperation:   &framework.PathOperation{Callback: b.readConfig, Summary: "Read how an account is configured, without its secrets.", Responses: answers},
			logical.DeleteOperation: onActiveNode(framework.PathOperation{Callback: b.deleteConfig, Summary: "Forget an account's key pair.", Responses: noContent()}),
		},
		HelpSynopsis:    configSynopsis,
		HelpDescription: strings.TrimSpace(configHelp),
	})
	list := &framework.Path{
		Pattern:      pathConfigBase + "/$",
		DisplayAttrs: &framework.DisplayAttributes{OperationPrefix: operationPrefix, OperationSuffix: "configurations"},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ListOperation: &framework.PathOperation{Callback: b.listConfigs, Summary: configListSynopsis, Responses: okResponse(map[string]*framework.FieldSchema{
				"keys": {Type: framework.TypeStringSlice, Description: "Names of the accounts; the default account has none."},
			})},
		},
		HelpSynopsis:    configListSynopsis,
		HelpDescription: "The default account has no name and is not in the list; kraken/config shows it.",
	}
	return append(paths, list)
}

// fieldSchema describes a config's field to the framework.
func fieldSchema(field *account.Field) *framework.FieldSchema {
	schema := &framework.FieldSchema{
		Type:        map[account.Type]framework.FieldType{account.Text: framework.TypeString, account.Seconds: framework.TypeDurationSecond, account.Bool: framework.TypeBool}[field.Type],
		Description: field.Description,
	}
	for _, value := range field.Allowed {
		schema.AllowedValues = append(schema.AllowedValues, value)
	}
	if field.Title != "" || field.Secret || field.Multiline {
		schema.DisplayAttrs = &framework.DisplayAttributes{Name: field.Title, Sensitive: field.Secret}
		if field.Multiline {
			schema.DisplayAttrs.EditType = "textarea"
		}
	}
	return schema
}

func (b *backend) configExists(ctx context.Context, req *logical.Request, data *framework.FieldData) (bool, error) {
	return b.accounts.Exists(ctx, req.Storage, accountName(data))
}

func (b *backend) readConfig(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	stored, err := account.Read(ctx, req.Storage, accountName(data))
	if err != nil || stored == nil {
		return nil, err
	}
	return b.configResponse(stored), nil
}

// configResponse shows a config, and warns where it can't be used.
func (b *backend) configResponse(stored *account.Config) *logical.Response {
	response := &logical.Response{Data: stored.Shown()}
	if err := b.accounts.CheckPlace(stored); err != nil {
		response.AddWarning(sentence(err.Error()) + " No token is handed out.")
	}
	return response
}

func (b *backend) listConfigs(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	names, err := account.List(ctx, req.Storage)
	if err != nil {
		return nil, err
	}
	return logical.ListResponse(names), nil
}

// writeConfig answers what a read shows.
func (b *backend) writeConfig(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	name := accountName(data)
	change, err := account.ParseChange(data.Raw)
	if err != nil {
		return nil, b.refuseConfig(ctx, req, name, err)
	}
	written, err := b.accounts.Write(ctx, req.Storage, name, change)
	if err != nil {
		return nil, b.refuseConfig(ctx, req, name, err)
	}
	b.announceWrite(req, name, written)
	response := b.configResponse(written.Config)
	if hint := lengthHint(written.Config.PrivateKeyBytes()); hint != "" && !written.Proved && slices.Contains(written.Changed, account.FieldAPISecret) {
		response.AddWarning("The pair was stored without asking Kraken. " + hint)
	}
	if written.Config.Disabled && slices.Contains(written.Changed, account.FieldAPISecret) {
		response.AddWarning("The pair is stored unproved, for a disabled account asks Kraken nothing. Add verify=true when you enable the account.")
	}
	return response, nil
}

// refuseConfig is the answer to a write of a config that was refused, or failed.
func (b *backend) refuseConfig(ctx context.Context, req *logical.Request, name string, err error) error {
	refusal := answer(err, req.MountPoint, name)
	b.announceRefusal(ctx, req, name, err, refusal)
	return refusal
}

func (b *backend) deleteConfig(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	name := accountName(data)
	existed, err := b.accounts.Delete(ctx, req.Storage, name)
	if err != nil {
		return nil, answer(err, req.MountPoint, name)
	}
	if existed {
		b.announceDelete(req, name)
	}
	return nil, nil
}

package krakensecrets

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
)

const (
	pathConfigBase = "config"

	configSynopsis = "Store a Kraken API key pair and how to use it."
	configHelp     = `
Create an API key at Kraken with the permission "Access WebSockets API" (also called "WebSocket interface - On" or "Get
WebSocket Token") and what the application needs to query or trade, but not to withdraw. Put its private key into a file
that only you can read, and store the pair:

    vault write {mount}/config api_key=PUBLIC_KEY api_secret=@FILE

First the engine gets a token with the pair. If that fails, nothing is stored. verify=false skips this proof.

A later write changes the fields given and keeps the rest. A write that fails changes nothing.

  * api_key and api_secret can change only together.
  * api_url, websocket_url and ca_cert can change only in a write that includes api_key and api_secret.
  * A write that includes api_key and api_secret removes a second factor that it doesn't name.
  * The pair is proved again if the pair, the second factor, api_url or ca_cert change, or with verify=true.

The answer of a read or write shows everything but the secrets, and instead of these
two_factor (none, password or totp) and pair_written_at. A write's answer leaves out ca_cert, which may be long.

In an incident, stop the account and keep the pair, and later let it go on:

    vault write {mount}/config disabled=true
    vault write {mount}/config disabled=false

Use the API key for nothing else. Kraken refuses a request whose nonce isn't higher than all before it, and a second user
of the key would raise it. Other accounts have names, as {mount}/config/desk-a, and each needs an API key of its own.
`
	configListSynopsis = "List the named accounts."
	configListHelp     = `
The default account has no name and is not in the list. To see whether there is one, read {mount}/config.

    vault list {mount}/config
`
)

// listFields are the fields of a list's answer.
var listFields = []answerField{
	sometimes("keys", framework.TypeStringSlice, "Names of the accounts. The default account has none."),
}

// Made once, not for each mount.
var (
	configGiven       = givenSchemas()
	configShown       = withErrors(okResponse(shownFields()), http.StatusBadRequest, http.StatusNotFound, http.StatusInternalServerError)
	configWritten     = withErrors(okResponse(writtenFields()), asksKraken...)
	configDeleted     = withErrors(noContent(), http.StatusBadRequest, http.StatusInternalServerError, http.StatusServiceUnavailable)
	configDescription = helpText(configHelp, fieldsHelp(shownFields()))
	configsListed     = withErrors(okResponse(listFields), http.StatusNotFound, http.StatusInternalServerError)
	listDescription   = helpText(configListHelp, fieldsHelp(listFields))
)

// shownFields are the fields of a config that a read shows.
func shownFields() (fields []answerField) {
	for _, field := range account.Fields {
		if field.Shown() {
			schema := fieldSchema(field)
			schema.Required = field.Name != account.FieldPairWrittenAt
			fields = append(fields, answerField{field.Name, schema})
		}
	}
	return fields
}

// writtenFields are those that a write shows.
func writtenFields() []answerField {
	return slices.DeleteFunc(shownFields(), func(field answerField) bool { return field.name == account.FieldCACert })
}

func (b *backend) pathConfig() []*framework.Path {
	paths := accountPaths(pathConfigBase, framework.Path{
		DisplayAttrs:   &framework.DisplayAttributes{OperationPrefix: operationPrefix, OperationSuffix: "configuration"},
		Fields:         configGiven,
		ExistenceCheck: b.configExists,
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.CreateOperation: onActiveNode(framework.PathOperation{Callback: b.writeConfig, Summary: configSynopsis, Responses: configWritten}),
			logical.UpdateOperation: onActiveNode(framework.PathOperation{Callback: b.writeConfig, Summary: configSynopsis, Responses: configWritten}),
			logical.ReadOperation:   &framework.PathOperation{Callback: b.readConfig, Summary: "Read how an account is configured, without its secrets.", Responses: configShown},
			logical.DeleteOperation: onActiveNode(framework.PathOperation{Callback: b.deleteConfig, Summary: "Delete an account's key pair and how to use it.", Responses: configDeleted}),
		},
		HelpSynopsis:    configSynopsis,
		HelpDescription: configDescription,
	})
	list := &framework.Path{
		Pattern:      pathConfigBase + "/$",
		DisplayAttrs: &framework.DisplayAttributes{OperationPrefix: operationPrefix, OperationSuffix: "configurations"},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ListOperation: &framework.PathOperation{Callback: b.listConfigs, Summary: configListSynopsis, Responses: configsListed},
		},
		HelpSynopsis:    configListSynopsis,
		HelpDescription: listDescription,
	}
	return append(paths, list)
}

// givenSchemas describe the fields that a write may give.
func givenSchemas() map[string]*framework.FieldSchema {
	given := map[string]*framework.FieldSchema{}
	for _, field := range account.Fields {
		if !field.Given() {
			continue
		}
		schema := fieldSchema(field)
		schema.Default, schema.Required = field.Default, field.Required
		switch { // the framework's help tells neither
		case field.Required:
			schema.Description += " Required in an account's first write."
		case field.Type == account.Seconds:
			schema.Type, schema.Default = framework.TypeDurationSecond, fmt.Sprintf("%ds", field.Default)
			schema.Description += fmt.Sprintf(" Default: %s.", schema.Default)
		case field.Default != nil:
			schema.Description += fmt.Sprintf(" Default: %v.", field.Default)
		}
		given[field.Name] = schema
	}
	return given
}

// fieldSchema describes a config's field, as an answer shows it, to the framework.
func fieldSchema(field *account.Field) *framework.FieldSchema {
	schema := &framework.FieldSchema{
		Type:        map[account.Type]framework.FieldType{account.Text: framework.TypeString, account.Seconds: framework.TypeInt, account.Bool: framework.TypeBool}[field.Type],
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

// writeConfig answers what a read shows, but for the CA certificates: who has just given them needn't see them scroll by.
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
	delete(response.Data, account.FieldCACert)
	if hint := lengthHint(written.Config.PrivateKeyBytes()); hint != "" && !written.Proved && slices.Contains(written.Changed, account.FieldAPISecret) {
		response.AddWarning("The pair was stored without asking Kraken. " + hint)
	}
	if keptPlace(written) && data.Raw[account.FieldWebSocketURL] == nil {
		response.AddWarning(fmt.Sprintf("websocket_url is still %s, as it was with the pair that was replaced. Readers send the new pair's tokens there. If somebody else may have set it, write the pair again with websocket_url=%s.",
			written.Config.WebSocketURL, account.DefaultWebSocketURL))
	}
	if written.Config.Disabled && slices.Contains(written.Changed, account.FieldAPISecret) {
		response.AddWarning("The pair is stored unproved, for a disabled account asks Kraken nothing. Add verify=true when you enable the account.")
	}
	return response, nil
}

// keptPlace tells whether another pair was written, and readers are still sent where somebody has chosen to before. That may have been done with a made-up
// private key and the API key that a read shows, so that it is the private key that counts.
func keptPlace(written account.Written) bool {
	return slices.Contains(written.Changed, account.FieldAPISecret) && !slices.Contains(written.Changed, account.FieldWebSocketURL) &&
		written.Config.WebSocketURL != account.DefaultWebSocketURL
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

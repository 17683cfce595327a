package krakensecrets

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-secure-stdlib/parseutil"
	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/helper/locksutil"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/tokensource"
)

const (
	pathConfigBase = "config"

	fieldAPIKey         = "api_key"
	descAPIKey          = "Public key of the Kraken API key pair."
	fieldAPISecret      = "api_secret"
	descAPISecret       = "Private key of the pair, base64 as Kraken displays it. Never returned. Changes only together with api_key. Best given from a file: api_secret=@FILE."
	fieldOTPPassword    = "otp_password"
	descOTPPassword     = "Password, where the API key has a static password as second factor. Never returned. An empty one drops it."
	fieldTOTPSecret     = "totp_secret"
	descTOTPSecret      = "Base32 seed, where the API key has an authenticator as second factor. Never returned. Excludes otp_password. An empty one drops it."
	fieldAPIURL         = "api_url"
	descAPIURL          = "Where Kraken's REST API is: https, or http on a loopback host. Changes only in a write that carries the key pair."
	fieldCACert         = "ca_cert"
	descCACert          = "PEM bundle of the CA certificates that verify a private gateway at api_url; without it, the system's. Changes only in a write that carries the key pair."
	fieldRequestTimeout = "request_timeout"
	descRequestTimeout  = "How long one read may take, retries included: 1s to 60s."
	fieldCacheTTL       = "cache_ttl"
	descCacheTTL        = "How old a token may be to be handed out again: 0 (every read mints its own) to 14m."
	fieldTier           = "tier"
	descTier            = "Kraken tier of the account, whose API call counter the engine keeps to: starter, intermediate, pro, or none to keep to no limit."
	fieldVerify         = "verify"
	descVerify          = "Prove the pair by getting a token from Kraken before storing it. Not stored."
	fieldTwoFactor      = "two_factor"
	descTwoFactor       = "Second factor that is stored: none, password or totp."

	configSynopsis = "Store a Kraken API key pair and how to use it."
	configHelp     = `
Create an API key at Kraken with the permission "Access WebSockets API" (under "Other") and what the application needs
to query or trade, but not to withdraw. Put its private key into a file that only you can read, and store the pair:

    vault write kraken/config api_key=PUBLIC_KEY api_secret=@FILE

The pair is proved by getting a token from Kraken, and is not stored if that fails; verify=false skips that. A later
write changes the fields given and keeps the rest; api_key and api_secret change only together, api_url and ca_cert
only with them. A failed write changes nothing. A read shows everything but the secrets.

Use the API key for nothing else: whoever else uses it takes away the nonce that Kraken's requests are numbered with.
Other accounts go under names of their own, as in kraken/config/desk-a, each with an API key of its own.
`
	configListSynopsis = "List the named accounts."
)

func (b *backend) pathConfig() []*framework.Path {
	paths := accountPaths(pathConfigBase, framework.Path{
		DisplayAttrs: &framework.DisplayAttributes{OperationPrefix: operationPrefix, OperationSuffix: "configuration"},
		Fields: map[string]*framework.FieldSchema{
			fieldAPIKey:         {Type: framework.TypeString, Required: true, Description: descAPIKey, DisplayAttrs: &framework.DisplayAttributes{Name: "API key"}},
			fieldAPISecret:      {Type: framework.TypeString, Required: true, Description: descAPISecret, DisplayAttrs: &framework.DisplayAttributes{Name: "Private key", Sensitive: true}},
			fieldOTPPassword:    {Type: framework.TypeString, Description: descOTPPassword, DisplayAttrs: &framework.DisplayAttributes{Name: "2FA password", Sensitive: true}},
			fieldTOTPSecret:     {Type: framework.TypeString, Description: descTOTPSecret, DisplayAttrs: &framework.DisplayAttributes{Name: "2FA authenticator seed", Sensitive: true}},
			fieldAPIURL:         {Type: framework.TypeString, Default: kraken.DefaultURL, Description: descAPIURL, DisplayAttrs: &framework.DisplayAttributes{Name: "API URL"}},
			fieldCACert:         {Type: framework.TypeString, Description: descCACert, DisplayAttrs: &framework.DisplayAttributes{Name: "CA certificates", EditType: "textarea"}},
			fieldRequestTimeout: {Type: framework.TypeDurationSecond, Default: int(defaultRequestTimeout.Seconds()), Description: descRequestTimeout},
			fieldCacheTTL:       {Type: framework.TypeDurationSecond, Default: 0, Description: descCacheTTL, DisplayAttrs: &framework.DisplayAttributes{Name: "Cache TTL"}},
			fieldTier:           {Type: framework.TypeString, Default: defaultTier, AllowedValues: allowed(tokensource.Tiers()...), Description: descTier},
			fieldVerify:         {Type: framework.TypeBool, Default: true, Description: descVerify},
		},
		ExistenceCheck: b.configExists,
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.CreateOperation: onActiveNode(framework.PathOperation{Callback: b.writeConfig, Summary: configSynopsis, Responses: okResponse(configResponseFields)}),
			logical.UpdateOperation: onActiveNode(framework.PathOperation{Callback: b.writeConfig, Summary: configSynopsis, Responses: okResponse(configResponseFields)}),
			logical.ReadOperation:   &framework.PathOperation{Callback: b.readConfig, Summary: "Read how an account is configured, without its secrets.", Responses: okResponse(configResponseFields)},
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

var configResponseFields = map[string]*framework.FieldSchema{
	fieldAPIKey:         {Type: framework.TypeString, Required: true, Description: descAPIKey},
	fieldTwoFactor:      {Type: framework.TypeString, Required: true, AllowedValues: allowed("none", "password", "totp"), Description: descTwoFactor},
	fieldAPIURL:         {Type: framework.TypeString, Required: true, Description: descAPIURL},
	fieldCACert:         {Type: framework.TypeString, Required: true, Description: descCACert},
	fieldRequestTimeout: {Type: framework.TypeDurationSecond, Required: true, Description: descRequestTimeout},
	fieldCacheTTL:       {Type: framework.TypeDurationSecond, Required: true, Description: descCacheTTL},
	fieldTier:           {Type: framework.TypeString, Required: true, AllowedValues: allowed(tokensource.Tiers()...), Description: descTier},
}

// response is what a read shows, and a write answers: everything but the secrets.
func (c *config) response() *logical.Response {
	return &logical.Response{Data: map[string]any{
		fieldAPIKey:         c.APIKey,
		fieldTwoFactor:      c.twoFactor(),
		fieldAPIURL:         c.APIURL,
		fieldCACert:         c.CACert,
		fieldRequestTimeout: c.RequestTimeout,
		fieldCacheTTL:       c.CacheTTL,
		fieldTier:           c.Tier,
	}}
}

func (b *backend) configExists(ctx context.Context, req *logical.Request, data *framework.FieldData) (bool, error) {
	stored, err := getConfig(ctx, req.Storage, accountName(data))
	return stored != nil, err
}

func (b *backend) readConfig(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	stored, err := getConfig(ctx, req.Storage, accountName(data))
	if err != nil || stored == nil {
		return nil, err
	}
	return stored.response(), nil
}

func (b *backend) listConfigs(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	names, err := req.Storage.List(ctx, configStorage+"/")
	if err != nil {
		return nil, err
	}
	return logical.ListResponse(names), nil
}

// writeConfig checks, proves and stores a config, in this order, and only then lets reads use it. Whatever fails on the
// way, the stored config and the running account stay as they were.
func (b *backend) writeConfig(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	name := accountName(data)
	lock := locksutil.LockForKey(b.writing, name)
	lock.Lock()
	defer lock.Unlock()

	stored, err := getConfig(ctx, req.Storage, name)
	if err != nil {
		return nil, err
	}
	merged, err := stored.merge(data)
	if err != nil {
		return nil, err
	}
	if err := b.checkOwner(ctx, req.Storage, name, merged.APIKey); err != nil {
		return nil, err
	}
	fresh, err := b.newAccount(req.Storage, name, merged)
	if err != nil {
		return nil, err
	}
	if data.Get(fieldVerify).(bool) {
		if _, err := fresh.reuse.Fresh(ctx); err != nil {
			fresh.retire()
			return nil, unproved(fresh.answerError(err, req.MountPoint, "The config was not written. "))
		}
	}
	if err := b.storeAccount(ctx, req.Storage, fresh); err != nil {
		fresh.retire()
		return nil, err
	}
	b.sendEvent(ctx, eventConfigWrite, pathConfigBase, name, "write", nil)
	return merged.response(), nil
}

// unproved adds, where the pair wasn't refused but couldn't be proved, how to store it all the same.
func unproved(err error) error {
	if coded, ok := err.(logical.HTTPCodedError); ok && coded.Code() != http.StatusBadRequest {
		return logical.CodedError(coded.Code(), coded.Error()+" To store the pair unproved, add verify=false.")
	}
	return err
}

func (b *backend) deleteConfig(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	name := accountName(data)
	lock := locksutil.LockForKey(b.writing, name)
	lock.Lock()
	defer lock.Unlock()
	if err := b.removeAccount(ctx, req.Storage, name); err != nil {
		return nil, err
	}
	b.sendEvent(ctx, eventConfigDelete, pathConfigBase, name, "delete", nil)
	return nil, nil
}

// checkConfigInput refuses values of the wrong type in a write of a config, before the framework does so in words that
// quote the value.
func checkConfigInput(req *logical.Request) error {
	if req.Operation != logical.CreateOperation && req.Operation != logical.UpdateOperation {
		return nil
	}
	if base, _, _ := strings.Cut(req.Path, "/"); base != pathConfigBase {
		return nil
	}
	for _, field := range []string{fieldAPIKey, fieldAPISecret, fieldOTPPassword, fieldTOTPSecret, fieldAPIURL, fieldCACert, fieldTier} {
		switch req.Data[field].(type) {
		case nil, string, json.Number:
		default:
			return badField(field, "is not text", "give one string")
		}
	}
	const durations = "give whole seconds, as 30, or with a unit, as 30s or 5m"
	for _, field := range []string{fieldRequestTimeout, fieldCacheTTL} {
		value, given := req.Data[field]
		if !given {
			continue
		}
		duration, err := parseutil.ParseDurationSecond(value)
		if err != nil || value == nil || value == "" {
			return badField(field, "is not a duration", durations)
		}
		if duration < 0 {
			return badField(field, "is negative", durations)
		}
		if duration%time.Second != 0 {
			return badField(field, "is not a number of whole seconds", durations)
		}
	}
	if value, given := req.Data[fieldVerify]; given {
		if _, err := strconv.ParseBool(fmt.Sprint(value)); err != nil {
			return badField(fieldVerify, "is neither true nor false", "give true or false")
		}
	}
	return nil
}

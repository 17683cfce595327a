// Package krakensecrets is a HashiCorp Vault secrets engine that keeps Kraken API key pairs and hands out the short-lived
// tokens that open Kraken's private WebSocket feeds. The private key is used inside the engine and never comes out.
//
// The package is the engine as Vault sees it: its paths, and what it answers. What an account does stands in internal/account.
package krakensecrets

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"golang.org/x/sync/singleflight"
)

const backendHelp = `
The Kraken secrets engine keeps Kraken API key pairs and hands out the short-lived tokens that open Kraken's private
WebSocket feeds. The private key never leaves Vault.

    vault write {mount}/config api_key=PUBLIC_KEY api_secret=@FILE
    vault read {mount}/ws-token

"config", "ws-token", "key-info" and "status" exist for one default account, as here, and with a name behind them for any
number of named accounts: "config/desk-a", "ws-token/desk-a". "metrics" tells Prometheus of all accounts.

Where the server has events (Vault Enterprise does), the engine sends some. They hold neither a secret nor a token, but
the account's name and an outcome: "success", or the kind of a failure, as "status" explains them. To see them:

    vault events subscribe kraken/config-write
`

// backend is one mount of the engine.
type backend struct {
	*framework.Backend
	accounts *account.Accounts
	events   *eventQueue
	refusals refusalLog
	scrapes  singleflight.Group // of metrics
}

var _ logical.Factory = Factory

// Factory makes the engine for one mount.
func Factory(ctx context.Context, conf *logical.BackendConfig) (logical.Backend, error) {
	if conf == nil {
		return nil, errors.New("no backend configuration was given")
	}
	return newBackend(ctx, conf, account.Options{})
}

// newBackend makes the engine with options that are its own only in tests.
func newBackend(ctx context.Context, conf *logical.BackendConfig, options account.Options) (*backend, error) {
	allowed, badAllowed := account.ParsePlaces(conf.Config[account.OptionAllowedURLs])
	if badAllowed != nil && !mustComeUp(ctx, conf.StorageView) {
		return nil, badAllowed
	}
	b := &backend{}
	b.Backend = &framework.Backend{
		Help:        helpText(backendHelp, eventsHelp()),
		BackendType: logical.TypeLogical,
		PathsSpecial: &logical.Paths{
			SealWrapStorage: []string{account.ConfigStorage, account.ConfigStorage + "/"},
		},
		Paths: framework.PathAppend(
			b.pathToken(), // first, for the framework looks for a request's path in this order
			b.pathConfig(),
			b.pathKeyInfo(),
			b.pathStatus(),
			b.pathMetrics(),
		),
		RunningVersion: Version,
		Invalidate:     func(_ context.Context, path string) { b.accounts.Invalidate(path) },
		Clean:          func(context.Context) { b.accounts.Close(); b.events.close() },
	}
	setup := *conf
	if conf.System != nil {
		system := newSystemView(conf.System)
		system.stepsDown = func() { b.accounts.StepDown() }
		setup.System, options.Passive = system, system.passive
	}
	if err := b.Setup(ctx, &setup); err != nil {
		return nil, err
	}
	b.events = newEventQueue(b.Backend, b.Logger())
	options.Logger = b.Logger()
	options.UserAgent = "vault-plugin-secrets-kraken/" + Version
	options.Minted = b.announceMint
	options.Allowed, options.BadAllowed = allowed, badAllowed
	if badAllowed != nil {
		b.Logger().Error("the mount's option is wrong, so Kraken is asked nothing", "error", badAllowed)
	}
	b.accounts = account.New(options)
	return b, nil
}

// mustComeUp tells whether a mount comes up although its option is wrong. A new one doesn't, and neither does one that is reloaded: what ran before goes on.
// But while Vault unseals, an error here would leave a mount that answers 404 and, until the next unsealing, fails to store even when the option
// is right again. Vault lets nobody write while it mounts or unseals.
func mustComeUp(ctx context.Context, storage logical.Storage) bool {
	keys, err := storage.List(ctx, "")
	isNew := err == nil && len(keys) == 0
	return !isNew && storage.Delete(ctx, "none") != nil
}

// HandleRequest is framework.Backend's, but tells whoever mistyped a name or a value what is right. The framework itself
// answers "unsupported path", or an error that quotes the value, secret or not.
func (b *backend) HandleRequest(ctx context.Context, req *logical.Request) (*logical.Response, error) {
	base, name, _ := strings.Cut(req.Path, "/")
	// What an older version stored under another name can still be deleted.
	mayBeStored := req.Operation == logical.DeleteOperation && len(name) <= longestStoredName
	if rule := brokenNameRule(req); rule != "" && !mayBeStored {
		return nil, badInput(fmt.Sprintf("%s is not an account name: give %s", quoted(name), rule))
	}
	if base == pathConfigBase && (req.Operation == logical.CreateOperation || req.Operation == logical.UpdateOperation) {
		if _, err := account.ParseChange(req.Data); err != nil {
			b.accounts.Refused(ctx, name, err)
			return nil, b.refuseConfig(ctx, req, name, err)
		}
	}
	if req.Operation == logical.HelpOperation {
		return b.answerHelp(ctx, req)
	}
	if len(req.Data) > 0 {
		bounded := *req
		bounded.Data = b.boundedData(req)
		req = &bounded
	}
	return b.Backend.HandleRequest(ctx, req)
}

// mostUnknownNames bounds the unknown names of a request that its warning lists: a mistyped one or two. Vault takes requests of 32 MiB.
const mostUnknownNames = 10

// boundedData is a request's data as the framework may see it, which lists all unknown names in a warning, and quotes values that it can't convert in an error.
// Only writes have values: those of a config, which are checked.
func (b *backend) boundedData(req *logical.Request) map[string]any {
	path := b.Route(req.Path)
	if path == nil {
		return nil
	}
	isWrite := req.Operation == logical.CreateOperation || req.Operation == logical.UpdateOperation
	bounded, unknown := map[string]any{}, 0
	for name, value := range req.Data {
		if _, known := path.Fields[name]; known {
			if isWrite && name != fieldName { // which the path gives
				bounded[name] = value
			}
		} else if unknown++; unknown <= mostUnknownNames {
			if !plainName.MatchString(name) {
				name = quoted(name)
			}
			bounded[name] = nil
		}
	}
	return bounded
}

// plainName is a name of a field that can be told as it is.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,40}$`)

// quoted is the beginning of a name that can't be told as it is, in ASCII, so that a letter that looks like another one is told apart.
func quoted(name string) string { return fmt.Sprintf("%+.30q", name) }

// longestStoredName bounds in bytes what an older version may have stored an account under: raft's longest key. Routing a name of a megabyte takes a third of a second.
const longestStoredName = 32 << 10

// HandleExistenceCheck is framework.Backend's without a look at the values and names, which HandleRequest checks.
func (b *backend) HandleExistenceCheck(ctx context.Context, req *logical.Request) (checkFound, exists bool, err error) {
	if brokenNameRule(req) != "" {
		return true, false, nil
	}
	withoutData := *req
	withoutData.Data = nil
	return b.Backend.HandleExistenceCheck(ctx, &withoutData)
}

// brokenNameRule is what is right for the account's name in a request's path; empty if it is right, or there is none.
func brokenNameRule(req *logical.Request) string {
	base, name, _ := strings.Cut(req.Path, "/")
	if name == "" || !isAccountPath(base) {
		return ""
	}
	if valid, rule := account.ValidName(name); !valid {
		return rule
	}
	return ""
}

func isAccountPath(base string) bool {
	return base == pathConfigBase || base == pathTokenBase || base == pathKeyInfoBase || base == pathStatusBase
}

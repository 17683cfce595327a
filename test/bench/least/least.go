// Package least is what the plugins are made of that the secrets engine is measured against: the least that Vault takes for a plugin, and an answer.
package least

import (
	"context"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/plugin"
)

// Token is an answer with the fields of the engine's ws-token, and about its length.
func Token() *logical.Response {
	return &logical.Response{Data: map[string]any{
		"token":         "EXAMPLEtokenEXAMPLEtokenEXAMPLEtokenEXAMPLE",
		"ttl":           int64(899),
		"expires_at":    "2026-01-02T03:04:05Z",
		"websocket_url": "wss://ws-auth.kraken.com/v2",
		"cached":        true,
	}}
}

// Backend answers each request with a token, past the SDK's framework and without a call back to Vault.
type Backend struct {
	system logical.SystemView
	log    hclog.Logger
}

var _ logical.Backend = &Backend{}

// New is what a logical.Factory makes a Backend with.
func New(conf *logical.BackendConfig) *Backend {
	return &Backend{system: conf.System, log: conf.Logger}
}

// HandleRequest is logical.Backend's, as all that follow are.
func (*Backend) HandleRequest(context.Context, *logical.Request) (*logical.Response, error) {
	return Token(), nil
}

func (*Backend) HandleExistenceCheck(context.Context, *logical.Request) (checkFound, exists bool, err error) {
	return false, false, nil
}

func (*Backend) Initialize(context.Context, *logical.InitializationRequest) error { return nil }
func (*Backend) SpecialPaths() *logical.Paths                                     { return nil }
func (b *Backend) System() logical.SystemView                                     { return b.system }
func (b *Backend) Logger() hclog.Logger                                           { return b.log }
func (*Backend) Cleanup(context.Context)                                          {}
func (*Backend) InvalidateKey(context.Context, string)                            {}
func (*Backend) Setup(context.Context, *logical.BackendConfig) error              { return nil }
func (*Backend) Type() logical.BackendType                                        { return logical.TypeLogical }

// Serve serves a plugin, as the engine's own main does: multiplexed.
func Serve(factory logical.Factory) error {
	meta := &api.PluginAPIClientMeta{}
	if err := meta.FlagSet().Parse(os.Args[1:]); err != nil {
		return err
	}
	return plugin.ServeMultiplex(&plugin.ServeOpts{BackendFactoryFunc: factory, TLSProviderFunc: api.VaultPluginTLSProvider(meta.GetTLSConfig())})
}

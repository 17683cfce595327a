// Package answer is what the plugins have in common that the secrets engine is measured against: what they answer, and how Vault starts them.
package answer

import (
	"os"

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

// Serve serves a plugin, as the engine's own main does: multiplexed.
func Serve(factory logical.Factory) error {
	meta := &api.PluginAPIClientMeta{}
	if err := meta.FlagSet().Parse(os.Args[1:]); err != nil {
		return err
	}
	return plugin.ServeMultiplex(&plugin.ServeOpts{BackendFactoryFunc: factory, TLSProviderFunc: api.VaultPluginTLSProvider(meta.GetTLSConfig())})
}

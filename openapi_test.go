package krakensecrets

import (
	"slices"
	"testing"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOpenAPI: client generators name their functions after the operation IDs, so they are unique and stay.
func TestOpenAPI(t *testing.T) {
	e := newEngine(t)
	e.backend.System().(*logical.StaticSystemView).PluginEnvironment = &logical.PluginEnvironment{VaultVersion: "test"}
	response, err := e.backend.HandleRequest(t.Context(), &logical.Request{Operation: logical.HelpOperation, Storage: e.storage})
	require.NoError(t, err)
	document := response.Data["openapi"].(*framework.OASDocument)
	var ids []string
	for path, item := range document.Paths {
		for method, operation := range map[string]*framework.OASOperation{"get": item.Get, "post": item.Post, "delete": item.Delete} {
			if operation != nil {
				ids = append(ids, method+" "+path+" "+operation.OperationID)
			}
		}
	}
	slices.Sort(ids)
	assert.Equal(t, []string{
		"delete /config kraken-delete-configuration",
		"delete /config/{name} kraken-delete-named-configuration",
		"get /config kraken-read-configuration",
		"get /config/ kraken-list-configurations",
		"get /config/{name} kraken-read-named-configuration",
		"get /key-info kraken-read-key-info",
		"get /key-info/{name} kraken-read-named-key-info",
		"get /status kraken-read-status",
		"get /status/{name} kraken-read-named-status",
		"get /ws-token kraken-read-websocket-token",
		"get /ws-token/{name} kraken-read-named-websocket-token",
		"post /config kraken-write-configuration",
		"post /config/{name} kraken-write-named-configuration",
		"post /ws-token kraken-mint-websocket-token",
		"post /ws-token/{name} kraken-mint-named-websocket-token",
	}, ids)
}

package krakensecrets

import (
	"net/http"
	"slices"
	"testing"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOperationsThatNeedTheNonceOrWriteRunOnTheActiveNode(t *testing.T) {
	e := newEngine(t)
	for _, p := range e.backend.Paths {
		for operation, handler := range p.Operations {
			properties := handler.Properties()
			local := operation == logical.ListOperation || operation == logical.ReadOperation && p.HelpSynopsis == configSynopsis
			assert.Equal(t, !local, properties.ForwardPerformanceStandby, "%s %s", operation, p.Pattern)
			assert.Equal(t, !local, properties.ForwardPerformanceSecondary, "%s %s", operation, p.Pattern)
		}
	}
}

func TestEveryPathIsDocumented(t *testing.T) {
	e := newEngine(t)
	for _, p := range e.backend.Paths {
		assert.NotEmpty(t, p.HelpSynopsis, p.Pattern)
		assert.NotEmpty(t, p.HelpDescription, p.Pattern)
		assert.Equal(t, operationPrefix, p.DisplayAttrs.OperationPrefix, p.Pattern)
		for name, field := range p.Fields {
			assert.NotEmpty(t, field.Description, "%s %s", p.Pattern, name)
		}
		for operation, handler := range p.Operations {
			assert.NotEmpty(t, handler.Properties().Summary, "%s %s", operation, p.Pattern)
			assert.NotEmpty(t, handler.Properties().Responses, "%s %s", operation, p.Pattern)
		}
		for _, secret := range []string{account.FieldAPISecret, account.FieldOTPPassword, account.FieldTOTPSecret} {
			if field := p.Fields[secret]; field != nil {
				assert.True(t, field.DisplayAttrs.Sensitive, secret)
			}
		}
	}
}

func TestNamesThatAreNotNames(t *testing.T) {
	e := newEngine(t)
	for _, base := range []string{pathConfigBase, pathTokenBase, pathKeyInfoBase, pathStatusBase} {
		for _, name := range []string{"a b", "a/b", "-a", "a-", "ä", "../config", "%2e", "a\nb"} {
			_, err := e.read(base + "/" + name)
			requireCode(t, http.StatusBadRequest, err)
			assert.Contains(t, err.Error(), "is not an account name")
			assert.NotContains(t, err.Error(), "\n")
		}
	}
	_, err := e.read("nowhere")
	assert.ErrorIs(t, err, logical.ErrUnsupportedPath)
}

func TestNamesDifferInCase(t *testing.T) {
	// A policy names a path exactly: were ws-token/DESK the same account as ws-token/desk, a denied path would have
	// another way in.
	e := newEngine(t)
	e.configure("desk", nil)
	_, err := e.read("ws-token/DESK")
	requireCode(t, http.StatusBadRequest, err)
	assert.Contains(t, err.Error(), `account "DESK"`)
	_, err = e.read("ws-token/")
	assert.ErrorIs(t, err, logical.ErrUnsupportedPath)
}

// TestOpenAPI: client generators name their functions after the operation IDs, so they are unique and stay.
func TestOpenAPI(t *testing.T) {
	e := newEngine(t)
	e.system.PluginEnvironment = &logical.PluginEnvironment{VaultVersion: "test"}
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
		"get /metrics kraken-read-metrics",
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

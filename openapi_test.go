package krakensecrets

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// update has the documents written that are made from the engine: make openapi.
var update = flag.Bool("update", false, "write docs/openapi.json, and the tables of docs/api.md")

const openAPIFile = "docs/openapi.json"

// TestOpenAPIDocument: what is committed is what the engine says of itself, and is valid.
func TestOpenAPIDocument(t *testing.T) {
	made := openAPI(t)
	document, err := openapi3.NewLoader().LoadFromData(made)
	require.NoError(t, err)
	require.NoError(t, document.Validate(t.Context()))
	assert.True(t, document.Components.Schemas["KrakenWriteConfigurationRequest"].Value.Properties["api_secret"].Value.Extensions["x-vault-displayAttrs"].(map[string]any)["sensitive"].(bool))
	if *update {
		require.NoError(t, os.WriteFile(openAPIFile, made, 0o644))
	}
	committed, err := os.ReadFile(openAPIFile)
	require.NoError(t, err)
	require.Equal(t, string(committed), string(made), "run: make openapi")
}

// TestAnswersFitTheOpenAPIDocument: real ones, as JSON, with all that they may have.
func TestAnswersFitTheOpenAPIDocument(t *testing.T) {
	document, err := openapi3.NewLoader().LoadFromData(openAPI(t))
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		check := func(method, documented string, response *logical.Response, err error) map[string]any {
			t.Helper()
			require.NoError(t, err)
			text, err := json.Marshal(response.Data)
			require.NoError(t, err)
			var answer map[string]any
			require.NoError(t, json.Unmarshal(text, &answer))
			schema := document.Paths.Value(documented).GetOperation(method).Responses.Value("200").Value.Content["application/json"].Schema.Value
			require.NoError(t, schema.VisitJSON(answer))
			for field := range answer {
				assert.Contains(t, schema.Properties, field)
			}
			return answer
		}
		for path, documented := range map[string]string{"": "", "/desk-a": "/{name}"} {
			key := exampleKey
			if path != "" {
				key = krakensim.Key{APIKey: "desks", APISecret: otherSecret}
				e.sim.SetKey(key)
			}
			e.sim.Behave()
			response, err := e.write("config"+path, e.pair(map[string]any{
				account.FieldAPIKey: key.APIKey, account.FieldAPISecret: key.APISecret, account.FieldCacheTTL: "5m", account.FieldTier: "Starter",
			}))
			check(http.MethodPost, "/config"+documented, response, err)
			response, err = e.read("config" + path)
			check(http.MethodGet, "/config"+documented, response, err)
			response, err = e.read("ws-token" + path)
			check(http.MethodGet, "/ws-token"+documented, response, err)
			response, err = e.write("ws-token"+path, nil)
			check(http.MethodPost, "/ws-token"+documented, response, err)
			response, err = e.read("key-info" + path)
			check(http.MethodGet, "/key-info"+documented, response, err)
			e.sim.Misbehave(says("EGeneral:Temporary lockout"))
			_, err = e.write("ws-token"+path, nil)
			requireCode(t, http.StatusTooManyRequests, err)
			response, err = e.read("status" + path)
			answer := check(http.MethodGet, "/status"+documented, response, err)
			assert.Len(t, answer, len(statusFields)-3, "all but those of an outage, and of a key that expires")
		}
		response, err := e.do(t.Context(), logical.ListOperation, "config/", nil)
		check(http.MethodGet, "/config/", response, err)
	})
}

// openAPI is the document that the framework makes of the engine's paths, as it stands behind Vault's sys/internal/specs/openapi, with what an engine that isn't mounted doesn't
// know: its version, where it is, how to log in.
func openAPI(t *testing.T) []byte {
	t.Helper()
	e := newEngine(t)
	e.system.PluginEnvironment = &logical.PluginEnvironment{}
	response, err := e.backend.HandleRequest(t.Context(), &logical.Request{Operation: logical.HelpOperation, Storage: e.storage})
	require.NoError(t, err)
	framed := response.Data["openapi"].(*framework.OASDocument)
	for _, p := range e.backend.Paths {
		markRequired(framed, p)
	}
	text, err := json.Marshal(framed)
	require.NoError(t, err)
	var document map[string]any
	require.NoError(t, json.Unmarshal(text, &document))
	document["info"] = map[string]any{
		"title":   "Kraken secrets engine for Vault",
		"version": strings.TrimPrefix(Version, "v"),
		"description": "Paths are those below the mount's. The schema of an answer describes what stands under \"data\" in it, as in all such documents of Vault's. " +
			"api_key and api_secret are required in an account's first write only. Made by: make openapi.",
	}
	document["servers"] = []any{map[string]any{
		"url": "{vault}/v1/{mount}",
		"variables": map[string]any{
			"vault": map[string]any{"default": "https://127.0.0.1:8200", "description": "The Vault server, as in VAULT_ADDR."},
			"mount": map[string]any{"default": strings.TrimSuffix(usualMount, "/"), "description": "The path of the mount."},
		},
	}}
	document["security"] = []any{map[string]any{"token": []any{}}}
	document["components"].(map[string]any)["securitySchemes"] = map[string]any{
		"token": map[string]any{"type": "apiKey", "in": "header", "name": "X-Vault-Token", "description": "A token of Vault's."},
	}
	metrics := document["paths"].(map[string]any)["/metrics"].(map[string]any)["get"].(map[string]any)["responses"].(map[string]any)["200"].(map[string]any)
	metrics["content"] = map[string]any{"text/plain": map[string]any{"schema": map[string]any{"type": "string"}}} // the framework knows JSON only
	made, err := json.MarshalIndent(document, "", "  ")
	require.NoError(t, err)
	return append(made, '\n')
}

// markRequired marks in the schemas of a path's answers what they always have, which the framework doesn't.
func markRequired(document *framework.OASDocument, p *framework.Path) {
	item := document.Paths[openAPIPath(p)]
	for operation, made := range map[logical.Operation]*framework.OASOperation{logical.ReadOperation: item.Get, logical.UpdateOperation: item.Post} {
		handler := p.Operations[operation]
		if handler == nil || made == nil || made.Responses[http.StatusOK] == nil || made.Responses[http.StatusOK].Content["application/json"] == nil {
			continue
		}
		name := strings.TrimPrefix(made.Responses[http.StatusOK].Content["application/json"].Schema.Ref, "#/components/schemas/")
		for field, schema := range handler.Properties().Responses[http.StatusOK][0].Fields {
			if schema.Required {
				document.Components.Schemas[name].Required = append(document.Components.Schemas[name].Required, field)
			}
		}
		slices.Sort(document.Components.Schemas[name].Required)
	}
}

// openAPIPath is a path as the OpenAPI document names it.
func openAPIPath(p *framework.Path) string {
	return "/" + strings.TrimPrefix(strings.TrimSuffix(strings.Replace(p.Pattern, framework.GenericNameRegex(fieldName), "{"+fieldName+"}", 1), "$"), "^")
}

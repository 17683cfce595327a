package krakensecrets

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// help is what vault path-help prints for a path of a mount, with a space for each run of white space.
func (e *engine) help(mount, path string) string {
	e.t.Helper()
	e.system.PluginEnvironment = &logical.PluginEnvironment{VaultVersion: "test"}
	response, err := e.backend.HandleRequest(e.t.Context(), &logical.Request{Operation: logical.HelpOperation, Path: path, MountPoint: mount, Storage: e.storage})
	require.NoError(e.t, err)
	return strings.Join(strings.Fields(response.Data["help"].(string)), " ")
}

func TestHelpNamesTheMountAsItIsCalled(t *testing.T) {
	e := newEngine(t)
	for path, command := range map[string]string{
		"":                "vault write trading/kraken/config api_key=",
		"config":          "vault write trading/kraken/config api_key=",
		"config/desk-a":   "vault write trading/kraken/config api_key=",
		"ws-token":        "vault read trading/kraken/ws-token",
		"ws-token/desk-a": "vault read trading/kraken/ws-token",
		"key-info":        "vault read trading/kraken/key-info",
		"status":          "vault read trading/kraken/status",
		"metrics":         "$VAULT_ADDR/v1/trading/kraken/metrics",
		"config/":         "vault list trading/kraken/config",
	} {
		help := e.help("trading/kraken/", path)
		assert.Contains(t, help, command, path)
		assert.NotRegexp(t, `[^/]kraken/(config|ws-token|key-info|status|metrics)\b[^-]`, help, path)
		assert.NotContains(t, help, "{mount}", path)
		assert.Contains(t, e.help("", path), strings.Replace(command, "trading/", "", 1), "where Vault doesn't tell: %s", path)
	}
}

func TestHelpTellsDefaultsAndWhatIsRequired(t *testing.T) {
	help := newEngine(t).help("kraken/", "config")
	for _, want := range []string{
		"api_key (string) Public key of the Kraken API key pair. Required in an account's first write.",
		"api_secret (string) Private key of the pair, base64 as Kraken displays it.",
		"request_timeout (duration (sec)) How long one read may take, retries included: 1s to 55s. Default: 10s.",
		"tier (string) ",
		"Default: starter.",
		"Default: https://api.kraken.com.",
		"Default: wss://ws-auth.kraken.com/v2.",
		"to 14m. Default: 0s.",
		"Default: false.",
	} {
		assert.Contains(t, help, want)
	}
	assert.Equal(t, 2, strings.Count(help, "Required in an account's first write."))
	fields := newEngine(t).backend.Route("config").Fields
	for _, field := range account.Fields {
		if field.Given() {
			assert.Equal(t, field.Required, fields[field.Name].Required, field.Name)
			want := field.Default
			if field.Type == account.Seconds {
				want = fmt.Sprintf("%ds", want)
			}
			assert.Equal(t, want, fields[field.Name].Default, field.Name)
		}
	}
	assert.Nil(t, fields[account.FieldVerify].Default, "left out is neither true nor false")
}

// TestHelpListsTheFieldsOfAnswers, and what the kinds in them are.
func TestHelpListsTheFieldsOfAnswers(t *testing.T) {
	e := newEngine(t)
	for _, p := range e.backend.Paths {
		read := p.Operations[logical.ReadOperation]
		if read == nil || p.HelpSynopsis == metricsSynopsis {
			continue
		}
		for name, field := range read.Properties().Responses[200][0].Fields {
			assert.Contains(t, p.HelpDescription, "\n    "+name+" (", "%s", p.Pattern)
			assert.Contains(t, strings.Join(strings.Fields(p.HelpDescription), " "), strings.Join(strings.Fields(field.Description), " "), "%s %s", p.Pattern, name)
		}
	}
	status := e.help("kraken/", "status")
	for _, kind := range kinds {
		assert.Contains(t, status, kind.name+" "+strings.Join(strings.Fields(kind.meaning), " "))
	}
}

func TestHelpTellsOfEvents(t *testing.T) {
	help := newEngine(t).help("kraken/", "")
	for _, sent := range eventTypes {
		assert.Contains(t, help, sent.eventType+" "+sent.meaning)
	}
	assert.Contains(t, help, "vault events subscribe kraken/config-write")
}

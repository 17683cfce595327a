package krakensecrets

import (
	"maps"
	"net/http"
	"testing"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWhereRequestsGoChangesOnlyByWhoKnowsTheSecrets: else whoever may write the config could have signed requests, or
// the second factor, sent to a host of their own.
func TestWhereRequestsGoChangesOnlyByWhoKnowsTheSecrets(t *testing.T) {
	for name, test := range map[string]struct {
		stored, given map[string]any
		factor        string // that goes to the new place; "": the write is refused
	}{
		"without the pair":            {nil, map[string]any{}, ""},
		"with the pair":               {nil, map[string]any{account.FieldAPIKey: "public", account.FieldAPISecret: otherSecret}, "none"},
		"the password is given":       {map[string]any{account.FieldOTPPassword: "sesame"}, map[string]any{account.FieldAPIKey: "public", account.FieldAPISecret: otherSecret, account.FieldOTPPassword: "sesame"}, "password"},
		"the password is dropped":     {map[string]any{account.FieldOTPPassword: "sesame"}, map[string]any{account.FieldAPIKey: "public", account.FieldAPISecret: otherSecret, account.FieldOTPPassword: ""}, "none"},
		"only the password is given":  {map[string]any{account.FieldOTPPassword: "sesame"}, map[string]any{account.FieldOTPPassword: "sesame"}, ""},
		"another factor in its place": {map[string]any{account.FieldTOTPSecret: totpSeed}, map[string]any{account.FieldAPIKey: "public", account.FieldAPISecret: otherSecret, account.FieldTOTPSecret: "", account.FieldOTPPassword: "x"}, "password"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			stored := e.pair(test.stored)
			stored[account.FieldVerify] = false
			e.configure("", stored)
			test.given[account.FieldAPIURL], test.given[account.FieldVerify] = "https://elsewhere.example", false
			response, err := e.write("config", test.given)
			if test.factor != "" {
				require.NoError(t, err)
				assert.Equal(t, test.factor, response.Data[account.FieldTwoFactor])
				return
			}
			requireCode(t, http.StatusBadRequest, err)
			assert.Contains(t, err.Error(), "api_url changes only in a write that carries the key pair")
			assert.Equal(t, e.url, e.mustRead("config")[account.FieldAPIURL])
		})
	}
}

// TestAWriteOfAnotherPairTellsOfAPlaceThatItKeeps: somebody else may have set it, with a pair of theirs, and readers would bring them the new pair's tokens.
func TestAWriteOfAnotherPairTellsOfAPlaceThatItKeeps(t *testing.T) {
	const theirs = "wss://theirs.example/v2"
	second := map[string]any{account.FieldAPIKey: secondKey.APIKey, account.FieldAPISecret: secondKey.APISecret}
	for name, test := range map[string]struct {
		stored, given map[string]any
		told          bool
	}{
		"another pair":                  {map[string]any{account.FieldWebSocketURL: theirs}, second, true},
		"another pair, its place named": {map[string]any{account.FieldWebSocketURL: theirs}, with(second, account.FieldWebSocketURL, theirs), false},
		"another pair, another place":   {map[string]any{account.FieldWebSocketURL: theirs}, with(second, account.FieldWebSocketURL, "wss://ours.example"), false},
		"another pair, Kraken's place":  {nil, second, false},
		// As whoever may read and write the config, but knows no pair, can leave it.
		"the private key of a made-up pair": {map[string]any{account.FieldAPISecret: otherSecret, account.FieldWebSocketURL: theirs}, map[string]any{account.FieldAPIKey: exampleKey.APIKey, account.FieldAPISecret: exampleKey.APISecret}, true},
		"the same pair again":               {map[string]any{account.FieldWebSocketURL: theirs}, map[string]any{account.FieldAPIKey: exampleKey.APIKey, account.FieldAPISecret: exampleKey.APISecret}, false},
		"no pair":                           {map[string]any{account.FieldWebSocketURL: theirs}, map[string]any{account.FieldCacheTTL: 60}, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, exampleKey, secondKey)
			stored := e.pair(test.stored)
			stored[account.FieldVerify] = false
			e.configure("", stored)
			response, err := e.write("config", test.given)
			require.NoError(t, err)
			if !test.told {
				assert.Empty(t, response.Warnings)
				return
			}
			require.Len(t, response.Warnings, 1)
			assert.Contains(t, response.Warnings[0], "websocket_url is still "+theirs)
		})
	}
}

// with is fields with one more.
func with(fields map[string]any, name string, value any) map[string]any {
	more := maps.Clone(fields)
	more[name] = value
	return more
}

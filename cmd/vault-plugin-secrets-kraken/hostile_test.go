package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHostileInputOverGRPC is a handful of what the root package's hostile tests try, for requests cross the boundary as JSON and protobuf.
func TestHostileInputOverGRPC(t *testing.T) {
	sim, storage := startSimulator(t), &logical.InmemStorage{}
	backend, log := startPlugin(t, storage)
	pair := map[string]any{"api_key": krakensim.ExampleAPIKey, "api_secret": krakensim.ExampleAPISecret, "api_url": sim.RESTURL(), "tier": "none"}
	_, err := handle(t, backend, storage, logical.CreateOperation, "config", pair)
	require.NoError(t, err)
	var nested any = "sesame"
	for range 5_000 {
		nested = []any{map[string]any{"sesame": nested}}
	}
	many := map[string]any{}
	for i := range 10_000 {
		many[fmt.Sprint("sesame\n", i)] = "sesame"
	}
	// These the SDK itself can't read, before the engine sees them: it answers with an error of gRPC's, which Vault makes a 500 of.
	for name, value := range map[string]any{"nested": nested, "1e400": json.Number("1e400")} {
		_, err := handle(t, backend, storage, logical.UpdateOperation, "config", map[string]any{"cache_ttl": value})
		require.Error(t, err, name)
		assert.Less(t, len(err.Error()), 200, name)
	}
	for name, data := range map[string]map[string]any{
		"a megabyte":      {"otp_password": strings.Repeat("sesame", 1<<18)},
		"a long number":   {"cache_ttl": json.Number(strings.Repeat("9", 300))},
		"half a second":   {"cache_ttl": json.Number("1.5")},
		"1e300":           {"cache_ttl": json.Number("1e300")},
		"deep":            {"api_secret": strings.Repeat("[", 100_000)},
		"invalid UTF-8":   {"tier": "sesame\xff\xfe"},
		"control":         {"totp_secret": "sesame\x00\x1b[2J"},
		"bytes":           {"ca_cert": []byte("sesame")},
		"names":           many,
		"a name as a map": {"name": map[string]any{"sesame": "sesame"}},
	} {
		for _, request := range []struct {
			operation logical.Operation
			path      string
		}{{logical.UpdateOperation, "config"}, {logical.ReadOperation, "config"}, {logical.UpdateOperation, "ws-token"}, {logical.ReadOperation, "metrics"}} {
			t.Run(fmt.Sprint(name, " ", request.operation, " ", request.path), func(t *testing.T) {
				before := log()
				began := time.Now()
				response, err := handle(t, backend, storage, request.operation, request.path, data)
				assert.Less(t, time.Since(began), 10*time.Second)
				told := strings.TrimPrefix(log(), before)
				if request.path == "config" && request.operation == logical.UpdateOperation && !strings.Contains(name, "name") {
					require.Error(t, err)
				}
				if err != nil {
					coded, ok := err.(logical.HTTPCodedError)
					require.Truef(t, ok, "%T: %.200v", err, err)
					assert.Equal(t, 400, coded.Code())
					told += err.Error()
				} else if response != nil {
					require.False(t, response.IsError(), "%.200v", response.Data)
					told += strings.Join(response.Warnings, "")
				}
				assert.Less(t, len(told), 2000, "%.500q", told)
				assert.NotContains(t, told, "\x1b")
				if name != "names" {
					assert.NotContains(t, told, "sesame")
				}
			})
		}
	}
	_, err = handle(t, backend, storage, logical.ReadOperation, "ws-token", nil)
	require.NoError(t, err, "it is still there")
}

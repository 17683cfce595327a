package main

import (
	"context"
	"encoding/json"
	"sync"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// events is Vault's event bus.
type events struct {
	mu   sync.Mutex
	sent []string
}

func (e *events) SendEvent(_ context.Context, eventType logical.EventType, event *logical.EventData) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	metadata, err := json.Marshal(event.Metadata.AsMap())
	e.sent = append(e.sent, string(eventType)+" "+string(metadata))
	return err
}

// TestEventsCrossTheBoundary is here because only Vault Enterprise lets one subscribe to events.
func TestEventsCrossTheBoundary(t *testing.T) {
	sim, storage, bus := startSimulator(t), &logical.InmemStorage{}, &events{}
	backend, log := startPluginWithEvents(t, storage, bus)
	_, err := handle(t, backend, storage, logical.CreateOperation, "config/desk-a", map[string]any{
		"api_key": krakensim.ExampleAPIKey, "api_secret": krakensim.ExampleAPISecret, "api_url": sim.RESTURL(), "verify": false,
	})
	require.NoError(t, err)
	_, err = handle(t, backend, storage, logical.ReadOperation, "ws-token/desk-a", nil)
	require.NoError(t, err)
	_, err = handle(t, backend, storage, logical.DeleteOperation, "config/desk-a", nil)
	require.NoError(t, err)
	backend.Cleanup(t.Context()) // sends what nobody has waited for
	bus.mu.Lock()
	defer bus.mu.Unlock()
	assert.Equal(t, []string{
		`kraken/config-write {"account":"desk-a","data_path":"config/desk-a","display_name":"userpass-alice","entity_id":"alice-id","modified":"true","operation":"write","outcome":"success","path":"config/desk-a"}`,
		`kraken/token-mint {"account":"desk-a","data_path":"ws-token/desk-a","operation":"mint","outcome":"success","path":"ws-token/desk-a"}`,
		`kraken/config-delete {"account":"desk-a","data_path":"config/desk-a","display_name":"userpass-alice","entity_id":"alice-id","modified":"true","operation":"delete","outcome":"success","path":"config/desk-a"}`,
	}, bus.sent)
	assert.NotContains(t, log(), "event was not sent")
}

func TestAServerWithoutEventsIsNoTrouble(t *testing.T) {
	sim, storage := startSimulator(t), &logical.InmemStorage{}
	backend, log := startPlugin(t, storage)
	_, err := handle(t, backend, storage, logical.CreateOperation, "config", map[string]any{
		"api_key": krakensim.ExampleAPIKey, "api_secret": krakensim.ExampleAPISecret, "api_url": sim.RESTURL(),
	})
	require.NoError(t, err)
	assert.NotContains(t, log(), "event")
}

package krakensecrets

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTokenEventsHoldNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBubbleEngine(t)
		e.configure("desk-a", nil)
		e.events.take()
		e.mustRead("ws-token/desk-a")
		e.sim.Misbehave(krakenSays("EAPI:Invalid key"))
		_, err := e.read("ws-token/desk-a")
		require.Error(t, err)
		assert.Equal(t, []string{
			"kraken/token-mint ws-token/desk-a account=desk-a outcome=success",
			"kraken/token-mint ws-token/desk-a account=desk-a outcome=invalid_key",
		}, e.events.take())
	})
}

func TestABrokenEventBusDisturbsNobody(t *testing.T) {
	e := newEngine(t)
	e.events.err = errors.New("the bus is down")
	e.configure("", nil)
	e.mustRead("ws-token")
}

func TestFailuresAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBubbleEngine(t)
		e.configure("desk-a", nil)
		e.sim.Misbehave(krakenSays("EAPI:Invalid key\nforged=line"))
		for range 10 {
			_, err := e.read("ws-token/desk-a")
			require.Error(t, err)
		}
		lines := strings.Split(strings.TrimSpace(e.log.String()), "\n")
		require.Len(t, lines, 1, e.log.String())
		assert.Contains(t, lines[0], "[WARN]")
		assert.Contains(t, lines[0], `no token could be had: account=desk-a kind=unexpected error="Kraken answered EAPI:Invalid key forged=line"`)
	})
}

func TestConfigEvents(t *testing.T) {
	e := newEngine(t)
	e.configure("desk-a", nil)
	_, err := e.write("config/desk-a", map[string]any{account.FieldTier: "gold"})
	require.Error(t, err)
	_, err = e.do(t.Context(), logical.DeleteOperation, "config/desk-a", nil)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"kraken/token-mint ws-token/desk-a account=desk-a outcome=success",
		"kraken/config-write config/desk-a account=desk-a outcome=success",
		"kraken/config-delete config/desk-a account=desk-a outcome=success",
	}, e.events.take())
}

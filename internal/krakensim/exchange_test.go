package krakensim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

func TestEachWebSocketHasItsPath(t *testing.T) {
	const v1Greeting, v2Greeting = `"event":"systemStatus"`, `"channel":"status"`
	const v1Subscribe = `{"event":"subscribe","subscription":{"name":"openOrders","token":"`
	const v2Subscribe = `{"method":"subscribe","params":{"channel":"executions","token":"`
	server := startServer(t, Options{})
	for _, test := range []struct{ url, greeting, subscribe, channel string }{
		{server.WebSocketURL() + "/", v1Greeting, v1Subscribe, "openOrders"},
		{server.WebSocketURL() + "/v1", v1Greeting, v1Subscribe, "openOrders"},
		{server.WebSocketV2URL(), v2Greeting, v2Subscribe, "executions"},
	} {
		t.Run(test.url, func(t *testing.T) {
			socket := wiretest.Dial(t, test.url)
			assert.Contains(t, socket.Next(), test.greeting)
			token := server.NewToken(ExampleAPIKey)
			assert.NotContains(t, server.Subscribed(test.channel), token)
			socket.Send(test.subscribe + token + `"}}`)
			socket.Next()
			assert.Contains(t, server.Subscribed(test.channel), token)
		})
	}
}

func TestKeysComeAndGoAndKeepTheirNonce(t *testing.T) {
	x := New()
	assert.Zero(t, x.LastNonce(ExampleAPIKey))
	x.SetKey(exampleKey)
	require.Empty(t, newRequest(tokenPath, 1000).do(t, x.Transport()).Error)
	x.RemoveKey(ExampleAPIKey)
	assert.Equal(t, []string{"EAPI:Invalid key"}, newRequest(tokenPath, 2000).do(t, x.Transport()).Error)
	x.SetKey(exampleKey)
	assert.EqualValues(t, 1000, x.LastNonce(ExampleAPIKey))
	x.SetLastNonce(ExampleAPIKey, 10)
	assert.Empty(t, newRequest(tokenPath, 11).do(t, x.Transport()).Error)
	x.RemoveKey("never seen")
}

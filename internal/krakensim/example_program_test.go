package krakensim

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestKrakensExampleProgramGetsAToken runs the Python program that Kraken gives as an example for GetWebSocketsToken
// (support.kraken.com, "How to retrieve a WebSocket authentication token"), the one whose job this project does. Nothing
// but the key pair and the host is filled in.
func TestKrakensExampleProgramGetsAToken(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here")
	}
	server, err := Start(Options{Keys: []Key{{APIKey: ExampleAPIKey, APISecret: ExampleAPISecret}}})
	require.NoError(t, err)
	defer server.Close()

	program, err := os.ReadFile("testdata/get_websockets_token.py")
	require.NoError(t, err)
	filledIn := strings.NewReplacer(
		"COPY/PASTE API PUBLIC KEY HERE", ExampleAPIKey,
		"COPY/PASTE API PRIVATE KEY HERE", ExampleAPISecret,
		"https://api.kraken.com", server.RESTURL(),
	).Replace(string(program))
	command := exec.Command(python, "-")
	command.Stdin = strings.NewReader(filledIn)
	command.Env = append(os.Environ(), "no_proxy=*") // the simulator is on this machine
	output, err := command.CombinedOutput()
	require.NoError(t, err, string(output))
	assert.Regexp(t, `^[\w+/=-]{20,}\n$`, string(output), "it prints the token")
	require.Len(t, server.Calls(), 1)
	assert.Empty(t, server.Calls()[0].Errors)
}

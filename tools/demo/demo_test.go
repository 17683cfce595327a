//go:build unix

package main

import (
	"os"
	"regexp"
	"testing"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the demo names in the end is there.
func TestNext(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	for _, heading := range regexp.MustCompile(`README.md, "(.*)"`).FindAllStringSubmatch(next, -1) {
		assert.Contains(t, string(readme), "\n## "+heading[1]+"\n")
	}
	for _, target := range regexp.MustCompile(`make (\w+)`).FindAllStringSubmatch(next, -1) {
		assert.Contains(t, string(makefile), "\n"+target[1]+": ")
	}
	for _, path := range regexp.MustCompile(`\S+/`).FindAllString(next, -1) {
		assert.DirExists(t, "../../"+path)
	}
}

// The picture in the README shows what it should, and no secret.
func TestPicture(t *testing.T) {
	text, err := os.ReadFile("../../docs/demo.svg")
	require.NoError(t, err)
	for _, want := range []string{"vault write kraken/config", "vault read kraken/ws-token", "| subscribe", krakensim.ExampleAPIKey} {
		assert.Contains(t, string(text), want)
	}
	assert.NotContains(t, string(text), krakensim.ExampleAPISecret)
	assert.Regexp(t, `token +\S{6}\.\.\.<`, string(text), "cut short")
}

// One half of a pair is refused, and a whole one is out of the environment.
func TestTakePair(t *testing.T) {
	for name, test := range map[string]struct {
		key, secret string
		err         string
	}{
		"none":         {"", "", ""},
		"a pair":       {"key", "secret", ""},
		"key alone":    {"key", "", "set both"},
		"secret alone": {"", "secret", "set both"},
	} {
		t.Setenv("KRAKEN_API_KEY", test.key)
		t.Setenv("KRAKEN_API_SECRET", test.secret)
		pair, err := takePair()
		if test.err == "" {
			assert.NoError(t, err, name)
			assert.Equal(t, keyPair{test.key, test.secret}, pair, name)
		} else {
			assert.ErrorContains(t, err, test.err, name)
		}
		for _, variable := range []string{"KRAKEN_API_KEY", "KRAKEN_API_SECRET"} {
			_, there := os.LookupEnv(variable)
			assert.False(t, there, "%s: %s", name, variable)
		}
	}
}

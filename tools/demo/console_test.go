//go:build unix

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestShorten(t *testing.T) {
	for name, test := range map[string]struct{ printed, want string }{
		"token in a table": {
			"cached    false\ntoken     1Dwc4lzSwNWOAwkMdqhssNNFhs1ed606\nttl       14m59s\n",
			"cached    false\ntoken     1Dwc4l...\nttl       14m59s\n",
		},
		"token in JSON":         {`{"token": "1Dwc4lzSwNWOAwkMdqhssNNFhs1ed606"}`, `{"token": "1Dwc4l..."}`},
		"token in Kraken's":     {`{"token":"1Dwc4lzSwNWOAwkMdqhssNNFhs1ed606"}`, `{"token":"1Dwc4l..."}`},
		"token in indented":     {"  \"token\": \"1Dwc4lzSwNWOAwkMdqhssNNFhs1ed606\",\n", "  \"token\": \"1Dwc4l...\",\n"},
		"certificate":           {"ca_cert    -----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\ntier    pro\n", "ca_cert    -----BEGIN CERTIFICATE----- ...\ntier    pro\n"},
		"what isn't a token":    {"token_policies    [default trader]\n", "token_policies    [default trader]\n"},
		"nothing":               {"", ""},
		"a token that is short": {"token     abc\n", "token     abc\n"},
	} {
		assert.Equal(t, test.want, shorten(test.printed), name)
	}
}

func TestConsole(t *testing.T) {
	var printed strings.Builder
	newConsole(&printed, false).command("vault status")
	assert.Equal(t, "$ vault status\n", printed.String())
	printed.Reset()
	newConsole(&printed, true).command("vault status")
	assert.Equal(t, "\x1b[32m$ vault status\x1b[0m\n", printed.String())
}

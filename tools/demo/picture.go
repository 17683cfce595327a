//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
)

// picture plays the part that a picture has room for, in colour. Where the simulated Kraken is has been configured before, with another
// key pair, so that its commands are those that the real Kraken needs.
func picture(ctx context.Context) error {
	return onStage(ctx, newConsole(os.Stderr, false), func(s *stage) error {
		s.set("SSL_CERT_FILE", s.file("kraken-ca.pem"))
		none := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0}, 64))
		for _, command := range []string{
			"vault secrets enable -path=kraken" + s.mountOptions() + " " + pluginName,
			"vault write kraken/config verify=false api_key=NONE api_secret=" + none + s.configOptions(),
		} {
			if _, err := s.output(ctx, command); err != nil {
				return err
			}
		}
		s.console = newConsole(os.Stdout, true)
		return s.play(ctx,
			scene{text: "An operator stores a Kraken API key pair in Vault, once.", commands: []string{
				"vault write kraken/config api_key=" + s.pair.apiKey + " api_secret=@api-secret",
			}},
			scene{text: "An application reads a token (here cut short),", commands: []string{readToken}},
			scene{text: "and subscribes to its orders with one.", commands: []string{
				"vault read -format=json kraken/ws-token | subscribe",
			}, want: `"success":true`},
		)
	})
}

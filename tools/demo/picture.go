//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
)

// picture plays what a picture has room for, and prints it as a terminal shows it. The simulated Kraken's place is configured
// beforehand, with another key pair, so that the commands are those that the real Kraken needs.
func picture(ctx context.Context) error {
	// A user's own pair isn't for show.
	if err := errors.Join(os.Unsetenv("KRAKEN_API_KEY"), os.Unsetenv("KRAKEN_API_SECRET")); err != nil {
		return err
	}
	var shown strings.Builder
	err := onStage(ctx, newConsole(os.Stderr, false), func(s *stage) error {
		s.set("SSL_CERT_FILE", s.file("kraken-ca.pem"))
		none := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0}, 64))
		for _, command := range []string{
			"vault secrets enable -path=kraken" + s.mountOptions() + " " + pluginName,
			"vault write kraken/config verify=false api_key=NONE api_secret=" + none + s.configOptions(),
			"mv api-secret private-key", // as the README calls it
		} {
			if printed, err := s.output(ctx, command); err != nil {
				return fmt.Errorf("%s: %w\n%s", command, err, printed)
			}
		}
		s.console = newConsole(&shown, true)
		s.bold = "\x1b[97m" // bright instead, for freeze knows no bold
		return s.play(ctx,
			scene{text: "An operator stores a Kraken API key pair in Vault, once.", commands: []string{
				"vault write kraken/config api_secret=@private-key \\\n    api_key=" + s.pair.apiKey,
			}},
			scene{text: "An application reads a token (here cut short),", commands: []string{readToken}},
			scene{
				text:     "and subscribes to the account's orders with one. Kraken answers:",
				commands: []string{"vault read -format=json kraken/ws-token | subscribe"},
				want:     `"success":true`,
			},
		)
	})
	if err != nil {
		return err
	}
	fmt.Println(strings.TrimSpace(shown.String()))
	return nil
}

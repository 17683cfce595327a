//go:build unix

package main

import (
	"context"
	"fmt"
	"strings"
)

// scene is something that the operator or the application does.
type scene struct {
	text     string   // says what comes next
	commands []string // are shown and run
	want     string   // the last command prints it
	refused  bool     // the last command must fail
}

// demo plays the whole of it.
func demo(ctx context.Context) error {
	console := stdout()
	err := onStage(ctx, console, func(s *stage) error {
		return s.play(ctx, append(s.operator(), s.application()...)...)
	})
	if err != nil {
		return err
	}
	console.step("Done. Everything is stopped and removed.")
	console.step("What to try next:")
	console.print(next)
	return nil
}

// next is what to try after the demo.
const next = `  make dev                   the same set-up to play with, until Ctrl-C
  README.md, "Install"       put the plugin into a Vault server of your own
  README.md, "Use it"        read a token and subscribe from an application of yours
  README.md, "Documents"     operate it, watch it, trust it
  examples/                  programs to start from
`

// play shows and runs what is to be done, and ends with the first thing that goes otherwise than it should.
func (s *stage) play(ctx context.Context, scenes ...scene) error {
	for _, scene := range scenes {
		s.step(scene.text)
		for i, command := range scene.commands {
			last := i == len(scene.commands)-1
			s.command(command)
			printed, err := s.output(ctx, command)
			if strings.Contains(printed, s.pair.apiSecret) {
				return fmt.Errorf("this has printed the private key: %s", command)
			}
			s.print(shorten(printed))
			switch refused := last && scene.refused; {
			case ctx.Err() != nil:
				return ctx.Err()
			case refused && err == nil:
				return fmt.Errorf("this should have been refused: %s", command)
			case !refused && err != nil:
				return fmt.Errorf("%s: %w", command, err)
			case last && !strings.Contains(printed, scene.want):
				return fmt.Errorf("this should have printed %s: %s", scene.want, command)
			}
		}
	}
	return nil
}

// What a simulated Kraken needs of the mount, in the config, and of who subscribes.
func (s *stage) mountOptions() string {
	if s.kraken == nil {
		return ""
	}
	return " -options=allowed_api_urls=" + s.kraken.RESTURL
}

func (s *stage) configOptions() string {
	if s.kraken == nil {
		return ""
	}
	return fmt.Sprintf(" api_url=%s websocket_url=%s ca_cert=@kraken-ca.pem", s.kraken.RESTURL, s.kraken.WebSocketURL)
}

func (s *stage) subscribeOptions() string {
	if s.kraken == nil {
		return ""
	}
	return " -ca-cert kraken-ca.pem"
}

// operator is the operator's part.
func (s *stage) operator() []scene {
	return []scene{
		{text: "The operator enables the engine,", commands: []string{
			"vault secrets enable -path=kraken" + s.mountOptions() + " " + pluginName,
		}},
		{text: "stores the key pair, which Vault checks by getting a token from Kraken,", commands: []string{
			"vault write kraken/config api_key=" + s.pair.apiKey + " api_secret=@api-secret" + s.configOptions(),
		}},
		{text: "lets the application read tokens, and nothing else,", commands: []string{
			"cat trader.hcl",
			"vault policy write trader trader.hcl",
		}},
		{text: "and hands it the means to log in.", commands: []string{
			"vault auth enable approle",
			"vault write auth/approle/role/trader token_policies=trader token_ttl=1h",
			"vault read -field=role_id auth/approle/role/trader/role-id >role-id",
			"(umask 077; vault write -f -field=secret_id auth/approle/role/trader/secret-id >secret-id)",
		}},
	}
}

const (
	readToken = "vault read kraken/ws-token"
	logIn     = "export VAULT_TOKEN=$(vault write -field=token auth/approle/login role_id=@role-id secret_id=@secret-id)"
)

// subscribe is how the application uses a token.
func (s *stage) subscribe() string {
	return "vault read -format=json kraken/ws-token | subscribe" + s.subscribeOptions()
}

// application is what follows.
func (s *stage) application() []scene {
	return []scene{
		{text: "The config shows how it is used, and no secret.", commands: []string{"vault read kraken/config"}},
		{text: "Now the application. It logs in,", commands: []string{logIn}},
		{text: "reads a token (here cut short),", commands: []string{readToken}},
		{
			text:     "and subscribes to Kraken's private feed of its orders with one. This is Kraken's answer:",
			commands: []string{s.subscribe() + " -channel executions"},
			want:     `"success":true`,
		},
		{text: "It may not see the config.", commands: []string{"vault read kraken/config"}, want: "permission denied", refused: true},
	}
}

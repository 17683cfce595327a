// Command kraken-sim is a Kraken to try clients against: REST under /0/, WebSocket v1 at / and v2 at /v2 of one
// listener. See the usage text below, and package krakensim for what it does.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/control"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/permission"
)

const usage = `Usage: kraken-sim [flags]

kraken-sim is a simulated Kraken with one API key and a paper account. It serves
the part of the REST API that is about WebSocket tokens under /0/, WebSocket v1
at / and v2 at /v2, until it gets SIGINT or SIGTERM. The first line it prints is
a JSON object that says where: rest_url, ws_url, ws_v2_url, control_url.

Without flags it listens on a free port of 127.0.0.1, and knows the key pair

  api-key     ` + krakensim.ExampleAPIKey + `
  api-secret  ` + krakensim.ExampleAPISecret + `

It misbehaves on request, at the paths under control_url. To try an outage:

  curl -d '{"errors": ["EService:Unavailable"]}' $control_url'misbehave'
  curl -d '{"path": "GetWebSocketsToken", "times": 3, "hang": true}' $control_url'misbehave'
  curl -d '{"status": 502, "latency": "2s"}' $control_url'misbehave'
  curl -X POST $control_url'behave'
  curl $control_url'calls'
  curl -X PUT -d '{"api_key": "…", "nonce": 1893456000000000000}' $control_url'nonce'
  curl -X DELETE -d '{"api_key": "…"}' $control_url'key'
  curl -X POST $control_url'expire-tokens'
  curl -X POST $control_url'drop-sockets'

With -tls-ca FILE, curl needs --cacert FILE.

The other parts of a misbehaviour are header, body, content_type, oversize,
drop, truncate, reset, go_away, refuse and process. Whoever can reach the
listener can use these paths.

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program; it returns the exit code: 2 for bad flags, 1 if it can't serve.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	options, caFile, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "kraken-sim: %v\nRun kraken-sim -help for usage.\n", err)
		return 2
	}
	if err := serve(ctx, options, caFile, stdout); err != nil {
		fmt.Fprintf(stderr, "kraken-sim: %v\n", err)
		return 1
	}
	return 0
}

// parse reads the flags. What is wrong with them is told by the error alone; the usage text goes to help for -help.
func parse(args []string, help io.Writer) (options krakensim.Options, caFile string, err error) {
	flags := flag.NewFlagSet("kraken-sim", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	listen := flags.String("listen", "127.0.0.1:0", "`address` to listen on; port 0 is any free one")
	key := krakensim.Key{Name: "kraken-sim"}
	flags.StringVar(&key.APIKey, "api-key", krakensim.ExampleAPIKey, "public `key`")
	flags.StringVar(&key.APISecret, "api-secret", krakensim.ExampleAPISecret, "private `key`, base64")
	flags.StringVar(&key.OTPPassword, "otp-password", "", "the key's second factor, a fixed `password`")
	flags.StringVar(&key.TOTPSecret, "totp-secret", "", "the key's second factor, an authenticator's base32 `seed`")
	tier := flags.String("tier", "none", "call counter's `tier`: starter, intermediate, pro or none")
	permissions := flags.String("permissions", strings.Join(permission.Default(), ","),
		"the key's `permissions`, comma-separated")
	flags.StringVar(&caFile, "tls-ca", "", "serve https and wss; this `file` has the CA's certificate, and FILE.key its\n"+
		"private key; both are made if there is neither, and used again from then on")

	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(help, usage)
			flags.SetOutput(help)
			flags.PrintDefaults()
		}
		return options, "", err
	}
	if flags.NArg() > 0 {
		return options, "", fmt.Errorf("unexpected argument %q: everything is a flag", flags.Arg(0))
	}
	key.Tier = krakensim.Tier(*tier)
	key.Permissions = []string{} // an empty flag is no permissions, not the default ones
	if *permissions != "" {
		key.Permissions = strings.Split(*permissions, ",")
	}
	if err := key.Validate(); err != nil {
		return options, "", err
	}
	return krakensim.Options{
		Addr:    *listen,
		TLS:     caFile != "",
		Keys:    []krakensim.Key{key},
		Control: control.Handler,
	}, caFile, nil
}

// serve runs the simulator until the context ends.
func serve(ctx context.Context, options krakensim.Options, caFile string, stdout io.Writer) error {
	if caFile != "" {
		ca, err := keptCA(caFile)
		if err != nil {
			return fmt.Errorf("-tls-ca: %w", err)
		}
		options.CA = ca
	}
	server, err := krakensim.Start(options)
	if err != nil {
		return err
	}
	defer server.Close()
	// Last, so that who has read this line finds everything in place.
	err = json.NewEncoder(stdout).Encode(map[string]string{
		"rest_url":    server.RESTURL(),
		"ws_url":      server.WebSocketURL(),
		"ws_v2_url":   server.WebSocketV2URL(),
		"control_url": server.ControlURL(),
	})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

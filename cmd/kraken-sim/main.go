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
	"syscall"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
)

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

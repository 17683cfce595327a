// Command subscribe opens Kraken's private WebSocket feed with a token from Vault, and subscribes to a channel. It reads
// from stdin what Vault prints:
//
//	vault read -format=json kraken/ws-token | go run ./examples/subscribe
//
// The token must be used within 15 minutes. A subscription that is open by then lasts as long as its connection. An
// application that has to connect again reads a new token first.
package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/examples/go/feed"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "subscribe:", err)
		os.Exit(1)
	}
}

// errSeen ends a subscription that has shown what it was to show.
var errSeen = errors.New("all is seen")

func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	flags := flag.NewFlagSet("subscribe", flag.ContinueOnError)
	url := flags.String("url", "", "connect to this `URL` instead of the answer's websocket_url")
	caCert := flags.String("ca-cert", "", "trust the CA certificates in this PEM `file`")
	channel := flags.String("channel", "executions", "private `channel`: executions or balances")
	count := flags.Int("count", 0, "print so many messages of the channel after the acknowledgment; -1: all, until the connection ends")
	if err := flags.Parse(args); err != nil {
		return err
	}

	// What Vault says.
	var secret struct {
		Data struct {
			Token        string
			WebSocketURL string `json:"websocket_url"`
		}
	}
	if err := json.NewDecoder(stdin).Decode(&secret); err != nil || secret.Data.Token == "" {
		return errors.New("stdin holds no token; pipe in `vault read -format=json kraken/ws-token`")
	}
	*url = cmp.Or(*url, secret.Data.WebSocketURL)

	client, err := httpClient(*caCert)
	if err != nil {
		return err
	}
	left := *count + 1 // with the acknowledgment
	err = feed.Follow(ctx, client, *url, *channel, secret.Data.Token, func(message []byte) error {
		fmt.Fprintln(stdout, string(message))
		if left--; left == 0 {
			return errSeen
		}
		return nil
	})
	if errors.Is(err, errSeen) {
		return nil
	}
	return err
}

// httpClient trusts the system's CAs, and those in the file if one is named.
func httpClient(caFile string) (*http.Client, error) {
	if caFile == "" {
		return http.DefaultClient, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no CA certificates", caFile)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: transport}, nil
}

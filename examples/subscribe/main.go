// Command subscribe shows how an application uses a token from Vault: it opens Kraken's private WebSocket feed with
// it and subscribes to a channel. It reads from stdin what Vault prints:
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
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "subscribe:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	flags := flag.NewFlagSet("subscribe", flag.ContinueOnError)
	url := flags.String("url", "", "connect to this `URL` instead of the answer's websocket_url")
	caCert := flags.String("ca-cert", "", "trust the CA certificates in this PEM `file`")
	channel := flags.String("channel", "executions", "private `channel`: executions or balances")
	count := flags.Int("count", 0, "print so many messages of the channel after the acknowledgment")
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

	// Connect. The timeout is for everything up to Kraken's answer to the subscription.
	client, err := httpClient(*caCert)
	if err != nil {
		return err
	}
	connecting, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(connecting, *url, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", *url, err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(16 << 20) // a snapshot of many orders is large

	// Subscribe. The token goes into the first message, never into the URL or a log.
	params := map[string]any{"channel": *channel, "token": secret.Data.Token}
	if err := wsjson.Write(connecting, conn, map[string]any{"method": "subscribe", "params": params}); err != nil {
		return fmt.Errorf("subscribing: %w", err)
	}

	// Wait for the acknowledgment, then for count messages of the channel. Status and heartbeats come in between.
	waiting, acknowledged := connecting, false
	for !acknowledged || *count > 0 {
		_, text, err := conn.Read(waiting)
		if err != nil {
			return fmt.Errorf("waiting for messages: %w", err)
		}
		var message struct{ Method, Error, Channel string }
		if err := json.Unmarshal(text, &message); err != nil {
			return fmt.Errorf("a message isn't JSON: %w", err)
		}
		switch {
		case message.Error != "":
			return fmt.Errorf("refused by Kraken: %s", message.Error)
		case message.Method == "subscribe":
			acknowledged, waiting = true, ctx
		case message.Channel == *channel:
			*count--
		default:
			continue
		}
		fmt.Fprintln(stdout, string(text))
	}
	return conn.Close(websocket.StatusNormalClosure, "")
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

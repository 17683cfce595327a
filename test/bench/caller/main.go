// Command caller is the least that an external plugin can be that asks Kraken for a token at each read, to measure the secrets engine's minted reads
// against: the floor and a signed call, with nothing of what protects an account. It keeps key pairs in memory alone.
package main

import (
	"context"
	"crypto/x509"
	"log"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/bench/least"
)

func main() {
	factory := func(_ context.Context, conf *logical.BackendConfig) (logical.Backend, error) {
		return &caller{Backend: least.New(conf), clients: map[string]*kraken.Client{}}, nil
	}
	if err := least.Serve(factory); err != nil {
		log.Fatal(err)
	}
}

type caller struct {
	*least.Backend
	mu      sync.Mutex // guards clients
	clients map[string]*kraken.Client
}

// HandleRequest takes the fields of the engine's config at config/NAME, and mints at ws-token/NAME. Each name is for one reader at a time.
func (c *caller) HandleRequest(ctx context.Context, req *logical.Request) (*logical.Response, error) {
	base, name, _ := strings.Cut(req.Path, "/")
	if base == "config" && req.Data["api_key"] != nil {
		client, err := newClient(req.Data)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.clients[name] = client
		return nil, err
	}
	c.mu.Lock()
	client := c.clients[name]
	c.mu.Unlock()
	if base != "ws-token" || client == nil {
		return nil, logical.ErrUnsupportedPath
	}
	if _, err := client.GetWebSocketsToken(ctx, uint64(time.Now().UnixNano())); err != nil {
		return nil, err
	}
	return least.Token(), nil
}

func newClient(config map[string]any) (*kraken.Client, error) {
	text := func(field string) string { value, _ := config[field].(string); return value }
	key, err := kraken.ParsePrivateKey(text("api_secret"))
	if err != nil {
		return nil, err
	}
	var roots *x509.CertPool
	if bundle := text("ca_cert"); bundle != "" {
		if roots, err = kraken.ParseCertificates(bundle); err != nil {
			return nil, err
		}
	}
	return &kraken.Client{
		BaseURL: text("api_url"), APIKey: text("api_key"), PrivateKey: key, Transport: kraken.NewTransport(roots), UserAgent: "bench", Now: time.Now,
	}, nil
}

// Command go keeps a subscription to Kraken's private feed, with a new token from Vault for each connection. It logs in
// by AppRole if there is a file role-id, otherwise it uses VAULT_TOKEN.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/examples/go/feed"
)

func main() {
	refused := false
	for wait := time.Second; ; {
		started := time.Now()
		err := follow(refused)
		refused = strings.Contains(err.Error(), "ESession:Invalid session")
		wait = max(time.Second, min(2*wait-time.Since(started), 15*time.Second)) // short after a long connection
		log.Print(err)
		time.Sleep(rand.N(wait)) // at random, so that many don't come back at once
	}
}

func follow(refused bool) error {
	vault, err := api.NewClient(nil) // at VAULT_ADDR
	if err != nil {
		return err
	}
	if roleID, err := os.ReadFile("role-id"); err == nil {
		secretID, _ := os.ReadFile("secret-id")
		login, err := vault.Logical().Write("auth/approle/login", map[string]any{
			"role_id": strings.TrimSpace(string(roleID)), "secret_id": strings.TrimSpace(string(secretID))})
		if err != nil {
			return err
		}
		vault.SetToken(login.Auth.ClientToken)
	}
	var secret *api.Secret
	if refused { // then not from the engine's cache, if the policy allows
		secret, _ = vault.Logical().Write("kraken/ws-token", nil)
	}
	if secret == nil {
		secret, err = vault.Logical().Read("kraken/ws-token")
	}
	if err != nil || secret == nil {
		return fmt.Errorf("no token from Vault: %w", cmp.Or(err, api.ErrSecretNotFound))
	}
	token, url := secret.Data["token"].(string), secret.Data["websocket_url"].(string)
	show := func(message []byte) error { _, err := fmt.Println(string(message)); return err }
	return feed.Follow(context.Background(), nil, url, "executions", token, show)
}

// Command floor is the least that an external plugin can be, to measure the secrets engine against: it answers each read with a constant,
// past the SDK's framework and without a call back to Vault. What costs time here is Vault and the plugin boundary.
package main

import (
	"context"
	"log"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/bench/least"
)

func main() {
	factory := func(_ context.Context, conf *logical.BackendConfig) (logical.Backend, error) {
		return least.New(conf), nil
	}
	if err := least.Serve(factory); err != nil {
		log.Fatal(err)
	}
}

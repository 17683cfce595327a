// Command constant is the simplest plugin that the SDK's framework makes, to measure the secrets engine against: it answers each read
// with a constant.
package main

import (
	"context"
	"log"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/bench/least"
)

func main() {
	if err := least.Serve(factory); err != nil {
		log.Fatal(err)
	}
}

func factory(ctx context.Context, conf *logical.BackendConfig) (logical.Backend, error) {
	b := &framework.Backend{
		BackendType: logical.TypeLogical,
		Paths: []*framework.Path{{
			Pattern: "ws-token$",
			Operations: map[logical.Operation]framework.OperationHandler{
				logical.ReadOperation: &framework.PathOperation{
					Callback: func(context.Context, *logical.Request, *framework.FieldData) (*logical.Response, error) {
						return least.Token(), nil
					},
				},
			},
		}},
	}
	return b, b.Setup(ctx, conf)
}

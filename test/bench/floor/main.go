// Command floor is the least that an external plugin can be, to measure the secrets engine against: it answers each read with a constant,
// past the SDK's framework and without a call back to Vault. What costs time here is Vault and the plugin boundary.
package main

import (
	"context"
	"log"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/bench/answer"
)

func main() {
	if err := answer.Serve(factory); err != nil {
		log.Fatal(err)
	}
}

func factory(_ context.Context, conf *logical.BackendConfig) (logical.Backend, error) {
	return floor{system: conf.System, log: conf.Logger}, nil
}

type floor struct {
	system logical.SystemView
	log    hclog.Logger
}

func (floor) HandleRequest(context.Context, *logical.Request) (*logical.Response, error) {
	return answer.Token(), nil
}

func (floor) HandleExistenceCheck(context.Context, *logical.Request) (checkFound, exists bool, err error) {
	return false, false, nil
}

func (floor) Initialize(context.Context, *logical.InitializationRequest) error { return nil }
func (floor) SpecialPaths() *logical.Paths                                     { return nil }
func (f floor) System() logical.SystemView                                     { return f.system }
func (f floor) Logger() hclog.Logger                                           { return f.log }
func (floor) Cleanup(context.Context)                                          {}
func (floor) InvalidateKey(context.Context, string)                            {}
func (floor) Setup(context.Context, *logical.BackendConfig) error              { return nil }
func (floor) Type() logical.BackendType                                        { return logical.TypeLogical }

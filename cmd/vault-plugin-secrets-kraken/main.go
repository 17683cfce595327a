// Command vault-plugin-secrets-kraken is the secrets engine as a Vault plugin. Vault starts it; started by hand it says so.
package main

import (
	"fmt"
	"io"
	"log"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/sdk/plugin"
	"github.com/krakensecrets/vault-plugin-secrets-kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/process"
)

func main() {
	if len(os.Args) == 2 && (os.Args[1] == "-version" || os.Args[1] == "--version") {
		fmt.Println(krakensecrets.Version)
		return
	}
	// net/http tells of broken servers in the standard log, with what they sent, word for word, and with GODEBUG=http2debug of what it sends itself; Vault
	// would log that.
	log.SetOutput(io.Discard)
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: os.Stderr, JSONFormat: true})

	process.EndWithParent()
	process.CollectLargeHeapSooner()
	if err := process.NoCoreDump(); err != nil {
		logger.Warn("a crash may leave the plugin's memory on a disk", "error", err)
	}

	// Vault passes flags for the TLS that the plugin API of old speaks before go-plugin's own (AutoMTLS).
	meta := &api.PluginAPIClientMeta{}
	if err := meta.FlagSet().Parse(os.Args[1:]); err != nil {
		logger.Error("the plugin's flags, which Vault should have given, can't be read", "error", err)
		os.Exit(2)
	}
	// Multiplexed: all mounts share one process.
	if err := plugin.ServeMultiplex(&plugin.ServeOpts{
		BackendFactoryFunc: krakensecrets.Factory,
		TLSProviderFunc:    api.VaultPluginTLSProvider(meta.GetTLSConfig()),
		Logger:             logger,
	}); err != nil {
		logger.Error("the plugin ends", "error", err)
		os.Exit(1)
	}
}

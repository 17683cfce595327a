package krakensecrets

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/tokensource"
)

// The types of the events that the engine sends. None holds a secret or a token.
const (
	eventTokenMint    = "kraken/token-mint"    // a token was asked for at Kraken; outcome tells what came of it
	eventConfigWrite  = "kraken/config-write"  // a config was stored
	eventConfigDelete = "kraken/config-delete" // a config was deleted
)

// eventTimeout bounds the wait for an event bus that doesn't take an event.
const eventTimeout = time.Second

// announce sends an event, and logs a failure, for each token that next was asked for.
func (b *backend) announce(name string, next tokensource.Source) tokensource.Source {
	return tokensource.SourceFunc(func(ctx context.Context) (tokensource.Token, error) {
		token, err := next.Token(ctx)
		if errors.Is(err, context.Canceled) || errors.Is(err, tokensource.ErrClosed) {
			return token, err // the reader or the mount went away
		}
		b.sendEvent(ctx, eventTokenMint, pathTokenBase, name, "mint", err)
		if err != nil {
			level := hclog.Warn
			if tokensource.NotAsked(err) {
				level = hclog.Debug // what began it is in the log, and a herd would flood it
			}
			b.Logger().Log(level, "no token could be had", "account", name, "kind", tokensource.KindName(err), "error", err)
		}
		return token, err
	})
}

// sendEvent sends an event about an account; err is what came of it. A server without events is no trouble, and neither
// is one that fails to take it: what the event tells of has happened all the same.
func (b *backend) sendEvent(ctx context.Context, eventType, base, name, operation string, err error) {
	outcome := "success"
	if err != nil {
		outcome = tokensource.KindName(err)
	}
	path := accountPath(base, name)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), eventTimeout)
	defer cancel()
	metadata := []string{
		logical.EventMetadataPath, path,
		logical.EventMetadataDataPath, path,
		logical.EventMetadataOperation, operation,
		"account", name,
		"outcome", outcome,
	}
	if base == pathConfigBase {
		metadata = append(metadata, logical.EventMetadataModified, "true")
	}
	sendErr := logical.SendEvent(ctx, b.Backend, eventType, metadata...)
	if sendErr != nil && !errors.Is(sendErr, framework.ErrNoEvents) { // ErrNoEvents would be told at every read
		b.Logger().Trace("an event was not sent", "event_type", eventType, "path", path, "error", sendErr)
	}
}

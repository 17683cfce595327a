package krakensecrets

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
)

// The types of the events that the engine sends. None holds a secret or a token.
const (
	eventTokenMint    = "kraken/token-mint"    // a token was asked for at Kraken; outcome tells what came of it
	eventConfigWrite  = "kraken/config-write"  // a config was stored
	eventConfigDelete = "kraken/config-delete" // a config was deleted
)

// eventTimeout bounds the wait for an event bus that doesn't take an event.
const eventTimeout = time.Second

// announceMint tells of a token that was asked for, and of what came of it.
func (b *backend) announceMint(ctx context.Context, name string, err error) {
	b.sendEvent(ctx, eventTokenMint, pathTokenBase, name, "mint", err)
}

// sendEvent sends an event about an account; err is what came of it. A server without events is no trouble, and neither
// is one that fails to take it: what the event tells of has happened all the same.
func (b *backend) sendEvent(ctx context.Context, eventType, base, name, operation string, err error) {
	outcome := "success"
	if err != nil {
		outcome = account.KindName(err)
	}
	path := account.Path(base, name)
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

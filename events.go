package krakensecrets

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
)

// The types of the events that the engine sends. None holds a secret or a token. A write of a config is one of the four in the middle.
const (
	eventTokenMint     = "kraken/token-mint"
	eventConfigWrite   = "kraken/config-write"
	eventConfigDisable = "kraken/config-disable"
	eventConfigEnable  = "kraken/config-enable"
	eventConfigRefuse  = "kraken/config-refuse"
	eventConfigDelete  = "kraken/config-delete"
)

// eventTypes say when the events are sent.
var eventTypes = []struct{ eventType, meaning string }{
	{eventTokenMint, "A token was asked for at Kraken. The outcome tells whether it came."},
	{eventConfigWrite, "A config was stored."},
	{eventConfigDisable, "A config was stored that disables its account."},
	{eventConfigEnable, "A config was stored that enables its account again."},
	{eventConfigRefuse, "A config write was refused, or failed. The outcome tells why."},
	{eventConfigDelete, "A config was deleted."},
}

// eventsHelp lists the events.
func eventsHelp() string {
	entries := make([][2]string, len(eventTypes))
	for i, sent := range eventTypes {
		entries[i] = [2]string{sent.eventType, sent.meaning}
	}
	return listHelp("Events:", entries)
}

// event is something that Vault's event bus is told of.
type event struct {
	eventType             string
	base                  string // of the path that it is about
	account               string
	operation             string
	outcome               string
	entityID, displayName string // who asked for it, if it is about a config
}

// metadata are the event's names and values in turn.
func (e event) metadata() []string {
	path := account.Path(e.base, e.account)
	pairs := []string{
		logical.EventMetadataPath, path,
		logical.EventMetadataDataPath, path,
		logical.EventMetadataOperation, e.operation,
		"account", e.account,
		"outcome", e.outcome,
	}
	if e.base == pathConfigBase {
		pairs = append(pairs, "entity_id", e.entityID, "display_name", e.displayName)
	}
	if e.base == pathConfigBase && e.eventType != eventConfigRefuse {
		pairs = append(pairs, logical.EventMetadataModified, "true")
	}
	return pairs
}

// announceMint tells of a token that was asked for, and of what came of it.
func (b *backend) announceMint(name string, err error) {
	b.events.add(event{eventType: eventTokenMint, base: pathTokenBase, account: name, operation: "mint", outcome: outcomeOf(err)})
}

// announceWrite tells of a config that was written, if anything has changed.
func (b *backend) announceWrite(req *logical.Request, name string, written account.Written) {
	if len(written.Changed) == 0 {
		return
	}
	eventType, message := eventConfigWrite, "a config was written"
	if slices.Contains(written.Changed, account.FieldDisabled) {
		eventType, message = eventConfigEnable, "an account was enabled"
		if written.Config.Disabled {
			eventType, message = eventConfigDisable, "an account was disabled"
		}
	}
	b.Logger().Info(message, append(caller(req, name), "changed", strings.Join(written.Changed, " "), "proved", written.Proved)...)
	b.announceConfig(eventType, req, name, "write", nil)
}

// announceDelete tells of a config that was deleted.
func (b *backend) announceDelete(req *logical.Request, name string) {
	b.Logger().Info("a config was deleted", caller(req, name)...)
	b.announceConfig(eventConfigDelete, req, name, "delete", nil)
}

// announceRefusal tells of a write of a config that was refused, or failed, and how that was answered.
func (b *backend) announceRefusal(ctx context.Context, req *logical.Request, name string, err, answer error) {
	if errors.Is(ctx.Err(), context.Canceled) || errors.Is(err, logical.ErrReadOnly) {
		return // nobody waits for the answer, or another node gives it
	}
	if times, log := b.refusals.happened(name, account.KindName(err), time.Now()); log {
		told := append(caller(req, name), "error", answer, "times", times)
		if inUse := (*account.KeyInUseError)(nil); errors.As(err, &inUse) {
			told = append(told, "in_use_by", inUse.Account) // which the caller isn't told
		}
		b.Logger().Warn("a write of a config was refused", told...)
	}
	b.announceConfig(eventConfigRefuse, req, name, "write", err)
}

// announceConfig sends an event about a config.
func (b *backend) announceConfig(eventType string, req *logical.Request, name, operation string, err error) {
	b.events.add(event{
		eventType: eventType, base: pathConfigBase, account: name, operation: operation, outcome: outcomeOf(err),
		entityID: req.EntityID, displayName: req.DisplayName,
	})
}

// caller is what a log line tells of a request: the account, and who asked.
func caller(req *logical.Request, name string) []any {
	return []any{"account", name, "entity_id", req.EntityID, "display_name", req.DisplayName}
}

// outcomeOf is what an event tells of what came of something.
func outcomeOf(err error) string {
	if err == nil {
		return "success"
	}
	return account.KindName(err)
}

const (
	// refusalLogEvery is how often refused writes of one account and kind are logged: a loop of bad writes must not fill the log.
	refusalLogEvery = time.Minute
	// mostRefusalLogs bounds the accounts and kinds that are told apart within that time. Those beyond are logged as one.
	mostRefusalLogs = 1000
)

// refusalLog knows which refused writes were logged a moment ago. Its zero value is ready for use, by any number of goroutines at once.
type refusalLog struct {
	mu     sync.Mutex // guards logged
	logged map[[2]string]loggedRefusal
}

// loggedRefusal is when a refusal was logged, and how many came since.
type loggedRefusal struct {
	at    time.Time
	since int
}

// happened tells whether to log a refusal, and how often the like happened since it was last logged, this time included.
func (l *refusalLog) happened(name, kind string, now time.Time) (times int, log bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := [2]string{name, kind}
	if _, known := l.logged[key]; !known && len(l.logged) >= mostRefusalLogs {
		maps.DeleteFunc(l.logged, func(_ [2]string, last loggedRefusal) bool { return now.Sub(last.at) >= refusalLogEvery })
		if len(l.logged) >= mostRefusalLogs {
			key = [2]string{"", "any"}
		}
	}
	last, known := l.logged[key]
	last.since++
	if log = !known || now.Sub(last.at) >= refusalLogEvery; log {
		times, last = last.since, loggedRefusal{at: now}
	}
	if l.logged == nil {
		l.logged = map[[2]string]loggedRefusal{}
	}
	l.logged[key] = last
	return times, log
}

package account

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
)

// finish ends all troubles. Then who reads is served, if only it keeps to the waits that it is told; and what is stored is what runs.
func (w *world) finish() {
	w.mu.Lock()
	w.troubles = map[string]time.Time{}
	for _, key := range w.keys {
		key.lockedUntil = time.Time{}
	}
	w.mu.Unlock()
	w.storage.trouble(storageTrouble{})
	w.group.Wait()
	time.Sleep(defaultRequestTimeout) // what hangs in the background still does
	stored := w.stored()
	for try := 1; ; try++ {
		token, err := w.accounts.Token(context.Background(), w.storage, "")
		var (
			held          *keeper.HeldError
			remembered    *keeper.RememberedError
			outage        *keeper.OutageError
			notConfigured *NotConfiguredError
			disabled      *DisabledError
		)
		made, _, _ := strings.Cut(token.Value, "#")
		switch {
		case err == nil:
			if made != stored {
				w.breaks("a token of %q, but %q is stored", made, stored)
			}
			if !token.Cached {
				w.finishTogether()
			}
			return
		case errors.As(err, &notConfigured), errors.As(err, &disabled):
			if stored != "" {
				w.breaks("%q is stored, but: %v", stored, err)
			}
			return
		case stored == "":
			w.breaks("nothing is stored, but: %v", err)
			return
		case try > 4:
			w.breaks("not served %d times after the last trouble: %v", try, err)
			return
		case errors.As(err, &held):
			time.Sleep(held.Wait)
		case errors.As(err, &remembered):
			c, _ := Read(context.Background(), w.storage, "")
			if c.APISecret != w.secret(c.APIKey) {
				return // a pair that is wrong was stored unproved
			}
			time.Sleep(time.Until(remembered.Until))
		case errors.As(err, &outage):
			time.Sleep(5 * time.Second)
		default:
			c, _ := Read(context.Background(), w.storage, "")
			if c.APISecret != w.secret(c.APIKey) {
				return
			}
			w.breaks("not served after the last trouble: %v", err)
			return
		}
	}
}

// finishTogether has several read at once, when one was served: there is no outage for the others any more.
func (w *world) finishTogether() {
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			var outage *keeper.OutageError
			if _, err := w.accounts.Mint(context.Background(), w.storage, ""); errors.As(err, &outage) {
				w.breaks("not served after another was: %v", err)
			}
		})
	}
	group.Wait()
}

func (w *world) secret(key string) string {
	for _, pair := range modelPairs {
		if pair.key == key {
			return pair.secret
		}
	}
	return ""
}

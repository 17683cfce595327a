package krakensecrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEverythingAtOnce mixes reads, config writes and deletes, invalidations and leaving readers, and ends with the mount going
// in the midst of them. Nothing may race, hang, stay behind (goleak, in TestMain) or answer anything but a token, an error of the contract,
// or the reader's own leaving; and each key's nonces only grow.
func TestEverythingAtOnce(t *testing.T) {
	var keys []krakensim.Key
	for i := range 3 {
		keys = append(keys, krakensim.Key{APIKey: fmt.Sprint("key-", i), APISecret: krakensim.ExampleAPISecret})
	}
	e := newBubbleEngine(t, keys...) // in no bubble
	pair := func(i int) map[string]any {
		return e.pair(map[string]any{fieldAPIKey: keys[i].APIKey, fieldCacheTTL: i, fieldRequestTimeout: 5, fieldVerify: i == 1})
	}
	accounts := []string{"a", "b", "c"}
	for i, name := range accounts {
		_, err := e.write("config/"+name, pair(i))
		require.NoError(t, err)
	}
	var group sync.WaitGroup
	const rounds = 150
	try := func(ctx context.Context, operation logical.Operation, requestPath string, data map[string]any) {
		_, err := e.do(ctx, operation, requestPath, data)
		if coded := logical.HTTPCodedError(nil); err != nil && !errors.As(err, &coded) && ctx.Err() == nil {
			t.Errorf("%s %s: %T %v", operation, requestPath, err, err)
		}
	}
	for worker := range 6 {
		group.Go(func() {
			for i := range rounds {
				ctx, leave := context.WithCancel(t.Context())
				name := accounts[(worker+i)%3]
				if i%5 == 4 {
					time.AfterFunc(time.Duration(i%7)*100*time.Microsecond, leave)
				}
				try(ctx, logical.ReadOperation, []string{"ws-token/", "key-info/", "status/", "config/"}[i%4]+name, nil)
				try(ctx, logical.UpdateOperation, "ws-token/"+name, nil)
				leave()
			}
		})
	}
	group.Go(func() {
		for i := range rounds {
			if i%3 == 0 {
				try(t.Context(), logical.DeleteOperation, "config/"+accounts[i/3%3], nil)
			}
			try(t.Context(), logical.UpdateOperation, "config/"+accounts[i/3%3], pair(i/3%3))
		}
	})
	group.Go(func() {
		for i := range rounds {
			e.backend.InvalidateKey(t.Context(), "config/"+accounts[i%3])
			e.backend.InvalidateKey(t.Context(), keyStorage+keyID(keys[i%3].APIKey))
		}
	})
	group.Wait()
	for i, name := range accounts {
		_, err := e.write("config/"+name, pair(i))
		require.NoError(t, err)
		e.mustRead("ws-token/" + name)
	}
	requireOrderly(t, e.sim.Calls())

	for worker := range 6 { // and the mount goes while they read
		group.Go(func() {
			for i := range 20 {
				_, _ = e.read("ws-token/" + accounts[(worker+i)%3])
			}
		})
	}
	e.backend.Cleanup(context.Background())
	e.backend.Cleanup(context.Background())
	group.Wait()
}

// hangingStorage doesn't answer operations on some keys until their context ends.
type hangingStorage struct {
	logical.Storage
	prefix string
}

func (s *hangingStorage) hang(ctx context.Context, key string) error {
	if s.prefix == "" || !strings.HasPrefix(key, s.prefix) {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s *hangingStorage) Get(ctx context.Context, key string) (*logical.StorageEntry, error) {
	if err := s.hang(ctx, key); err != nil {
		return nil, err
	}
	return s.Storage.Get(ctx, key)
}

func (s *hangingStorage) Put(ctx context.Context, entry *logical.StorageEntry) error {
	if err := s.hang(ctx, entry.Key); err != nil {
		return err
	}
	return s.Storage.Put(ctx, entry)
}

// TestStorageThatHangs: a request ends with its context, and leaves no lock behind.
func TestStorageThatHangs(t *testing.T) {
	for _, prefix := range []string{"config", "nonce/"} {
		for _, request := range []struct {
			operation logical.Operation
			path      string
		}{
			{logical.ReadOperation, "ws-token"}, {logical.UpdateOperation, "ws-token"}, {logical.ReadOperation, "key-info"},
			{logical.UpdateOperation, "config"}, {logical.ReadOperation, "config"}, {logical.ReadOperation, "status"},
		} {
			t.Run(prefix+" "+string(request.operation)+" "+request.path, func(t *testing.T) {
				e := newBubbleEngine(t)
				storage := &hangingStorage{Storage: e.storage}
				e.storage = storage
				e.configure("", nil)
				e.start() // with nothing loaded
				storage.prefix = prefix
				ctx, leave := context.WithTimeout(t.Context(), 20*time.Millisecond)
				defer leave()
				data := map[string]any(nil)
				if request.path == "config" {
					data = e.pair(nil)
				}
				_, err := e.do(ctx, request.operation, request.path, data)
				if needs := prefix == "config" || request.path == "ws-token" || request.path == "key-info"; needs && request.operation == logical.ReadOperation {
					require.Error(t, err)
				}
				if err != nil {
					assert.NotContains(t, err.Error(), krakensim.ExampleAPISecret)
				}
				storage.prefix = ""
				e.mustRead("ws-token")
				e.configure("", nil)
			})
		}
	}
}

// hangingEvents is an event bus that takes nothing.
type hangingEvents struct{}

func (hangingEvents) SendEvent(ctx context.Context, _ logical.EventType, _ *logical.EventData) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestEventsThatHang: nobody waits for an event longer than a read may take.
func TestEventsThatHang(t *testing.T) {
	e := newBubbleEngine(t)
	e.configure("", map[string]any{fieldCacheTTL: "5m", fieldRequestTimeout: 1, fieldVerify: false})
	conf := logical.TestBackendConfig()
	conf.StorageView, conf.EventsSender, conf.Logger = e.storage, hangingEvents{}, hclog.New(&hclog.LoggerOptions{Output: io.Discard})
	require.NoError(t, e.backend.Setup(t.Context(), conf))
	outcome := make(chan error, 1)
	go func() {
		_, err := e.read("ws-token")
		outcome <- err
	}()
	select {
	case err := <-outcome:
		require.NoError(t, err)
	case <-time.After(15 * time.Second):
		require.FailNow(t, "the read waits for the event")
	}
}

// TestWhatIsKeptOfConfigsThatAreGone measures what a mount keeps of keys and CA bundles that nobody uses any more.
func TestWhatIsKeptOfConfigsThatAreGone(t *testing.T) {
	certificate := testCertificate(t)
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc >> 10
	}
	for name, test := range map[string]struct {
		fields func(i int) map[string]any
		each   uint64 // KiB at most
	}{
		"API keys":   {func(i int) map[string]any { return map[string]any{fieldAPIKey: fmt.Sprint("key-", i)} }, 4},
		"CA bundles": {func(i int) map[string]any { return map[string]any{fieldCACert: padded(i, certificate)} }, 16},
		"CA bundles that failed": {func(i int) map[string]any {
			return map[string]any{fieldCACert: padded(i, certificate), fieldVerify: true, fieldAPISecret: otherSecret}
		}, 16},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			e.storage = &logical.InmemStorage{}
			e.configure("", nil)
			before := heap()
			const writes = 20
			for i := range writes {
				fields := e.pair(map[string]any{fieldVerify: false})
				for field, value := range test.fields(i) {
					fields[field] = value
				}
				_, err := e.write("config", fields)
				require.Equal(t, fields[fieldVerify], err != nil, err)
			}
			_, err := e.do(t.Context(), logical.DeleteOperation, "config", nil)
			require.NoError(t, err)
			e.log = new(bytes.Buffer)
			grown := max(heap(), before) - before
			t.Logf("%d writes: %d KiB kept, %.1f each", writes, grown, float64(grown)/writes)
			assert.Less(t, grown, test.each*writes, "KiB kept")
			runtime.KeepAlive(e.backend)
		})
	}
}

// padded is a bundle of 100 kB, each with a text of its own around the certificate.
func padded(i int, certificate string) string {
	return fmt.Sprintf("bundle %d\n%s\n%s", i, certificate, strings.Repeat("x", 100_000))
}

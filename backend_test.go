package krakensecrets

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFactoryMakesABackendThatVaultCanMount(t *testing.T) {
	conf := logical.TestBackendConfig()
	conf.StorageView = &logical.InmemStorage{}
	b, err := Factory(t.Context(), conf)
	require.NoError(t, err)
	defer b.Cleanup(context.Background())
	assert.Equal(t, logical.TypeLogical, b.Type())
	assert.Equal(t, Version, b.(logical.PluginVersioner).PluginVersion().Version)
	assert.Regexp(t, `^v\d+\.\d+\.\d+`, Version)
	assert.Equal(t, []string{"config", "config/"}, b.SpecialPaths().SealWrapStorage)

	_, err = Factory(t.Context(), nil)
	assert.Error(t, err)
}

func TestInvalidationTakesWhatAnotherNodeStored(t *testing.T) {
	for _, name := range []string{"", "desk-a"} {
		t.Run(account.Title(name), func(t *testing.T) {
			e := newEngine(t)
			e.configure(name, map[string]any{account.FieldCacheTTL: 60})
			tokenPath := path.Join(pathTokenBase, name)
			first := e.mustRead(tokenPath)[fieldToken]
			assert.Equal(t, first, e.mustRead(tokenPath)[fieldToken])

			stored, err := account.Read(t.Context(), e.storage, name)
			require.NoError(t, err)
			stored.CacheTTL = 0
			e.put(account.Path("config", name), stored)
			e.backend.InvalidateKey(t.Context(), "config/other")
			assert.Equal(t, first, e.mustRead(tokenPath)[fieldToken], "another account's config")
			e.backend.InvalidateKey(t.Context(), account.Path("config", name))
			assert.NotEqual(t, first, e.mustRead(tokenPath)[fieldToken])

			key := "nonce/" + keeper.ID(exampleKey.APIKey)
			ahead := uint64(time.Now().Add(time.Hour).UnixNano())
			e.put(key, keeper.Record{Account: name, Ceiling: ahead})
			e.backend.InvalidateKey(t.Context(), key)
			e.mustRead(tokenPath)
			assert.GreaterOrEqual(t, e.sim.LastNonce(exampleKey.APIKey), ahead)
		})
	}
}

// TestTheNonceOutlivesCrashesAndSlowClocks drops the engine in mid-traffic, again and again, and builds it anew over the
// same storage with another clock.
func TestTheNonceOutlivesCrashesAndSlowClocks(t *testing.T) {
	e := newEngine(t)
	e.configure("", nil)
	var behind time.Duration
	e.options.Clock = func() time.Time { return time.Now().Add(-behind) }
	for range 50 {
		behind = time.Duration(rand.Int64N(int64(time.Minute)))
		dropped := e.backend
		e.start()
		dropped.Cleanup(context.Background()) // a crash would leave no goroutines behind either
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for range 3 {
					_, err := e.read("ws-token")
					assert.NoError(t, err)
				}
			})
		}
		group.Wait()
	}
	e.requireOrderly()
	assert.Equal(t, 1+50*12, e.calls())
}

func TestAConnectionClosedWhileIdleCostsNothing(t *testing.T) {
	e, sim := newServedEngine(t, krakensim.Options{})
	e.configure("", nil)
	for i := range 3 {
		sim.CloseConnections()
		e.mustRead("ws-token")
		require.Equal(t, i+2, e.calls(), "one token minted for one read")
	}
	e.requireOrderly()
}

func TestStorageIsTouchedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", nil)
		e.storage.puts.Store(0)
		for range 600 {
			e.mustRead("ws-token")
			time.Sleep(time.Second)
		}
		assert.LessOrEqual(t, e.storage.puts.Load(), int64(10), "once a minute at most")

		_, err := e.write("config", map[string]any{account.FieldCacheTTL: "5m"})
		require.NoError(t, err)
		e.mustRead("ws-token")
		calls := e.calls()
		e.storage.puts.Store(0)
		e.storage.gets.Store(0)
		for range 100 {
			e.mustRead("ws-token")
		}
		assert.Zero(t, e.storage.puts.Load()+e.storage.gets.Load(), "a cached read touches no storage")
		assert.Equal(t, calls, e.calls())
	})
}

// TestStorageThatHangs: a request ends with its context and leaves no lock behind, and no other account waits for it.
func TestStorageThatHangs(t *testing.T) {
	for _, prefix := range []string{"config/a", "nonce/"} {
		for _, request := range []struct {
			operation logical.Operation
			path      string
		}{
			{logical.ReadOperation, "ws-token/a"}, {logical.UpdateOperation, "ws-token/a"}, {logical.ReadOperation, "key-info/a"},
			{logical.UpdateOperation, "config/a"}, {logical.DeleteOperation, "config/a"}, {logical.ReadOperation, "config/a"}, {logical.ReadOperation, "status/a"},
		} {
			t.Run(prefix+" "+string(request.operation)+" "+request.path, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := newEngine(t, exampleKey, secondKey)
					e.configure("a", nil)
					e.configure("b", map[string]any{account.FieldAPIKey: secondKey.APIKey, account.FieldAPISecret: secondKey.APISecret})
					e.start() // with nothing loaded
					e.mustRead("ws-token/b")
					e.storage.hanging.Store(prefix)
					ctx, leave := context.WithTimeout(t.Context(), time.Second)
					defer leave()
					var group sync.WaitGroup
					group.Go(func() {
						data := map[string]any(nil)
						if request.path == "config/a" && request.operation == logical.UpdateOperation {
							data = e.pair(nil)
						}
						_, err := e.do(ctx, request.operation, request.path, data)
						if err != nil {
							assert.NotContains(t, err.Error(), exampleKey.APISecret)
						}
					})
					synctest.Wait()
					began := time.Now()
					e.mustRead("ws-token/b")
					assert.Zero(t, time.Since(began), "another account's read waits")
					leave()
					time.Sleep(time.Minute) // what is decided goes on without its caller, within a bound
					e.storage.hanging.Store("")
					group.Wait()
					e.configure("a", nil)
					e.mustRead("ws-token/a")
				})
			})
		}
	}
}

// requestsAfterCleanup are all that would need what runs.
var requestsAfterCleanup = []struct {
	operation logical.Operation
	path      string
}{
	{logical.ReadOperation, "ws-token"}, {logical.UpdateOperation, "ws-token"}, {logical.ReadOperation, "key-info"},
	{logical.ReadOperation, "status"}, {logical.ReadOperation, "metrics"}, {logical.UpdateOperation, "config"}, {logical.DeleteOperation, "config"},
}

// TestNothingStartsAgainAfterCleanup: Vault lets requests in until the mount is gone. They are told to come again.
func TestNothingStartsAgainAfterCleanup(t *testing.T) {
	for _, request := range requestsAfterCleanup {
		t.Run(string(request.operation)+" "+request.path, func(t *testing.T) {
			e := newEngine(t)
			e.configure("", nil)
			e.mustRead("ws-token")
			e.backend.Cleanup(context.Background())
			e.backend.Cleanup(context.Background())
			before, calls := e.stored(), e.calls()
			data := map[string]any(nil)
			if request.path == "config" && request.operation == logical.UpdateOperation {
				data = e.pair(map[string]any{account.FieldCacheTTL: 60})
			}
			_, err := e.do(t.Context(), request.operation, request.path, data)
			requireCode(t, http.StatusServiceUnavailable, err)
			assert.Equal(t, "The mount is being closed. Read again.", err.Error())
			assert.Equal(t, before, e.stored())
			assert.Equal(t, calls, e.calls())
		})
	}
}

// TestAReadUnderWayWhenTheMountGoes is told so, with a code that clients repeat. It isn't waited for.
func TestAReadUnderWayWhenTheMountGoes(t *testing.T) {
	for _, requestPath := range []string{"ws-token", "key-info"} {
		for _, cacheTTL := range []string{"0", "5m"} {
			t.Run(requestPath+" cache_ttl "+cacheTTL, func(t *testing.T) {
				e, sim := newServedEngine(t, krakensim.Options{})
				e.configure("", map[string]any{account.FieldVerify: false, account.FieldCacheTTL: cacheTTL, account.FieldRequestTimeout: 50})
				sim.Misbehave(krakensim.Fault{Hang: true})
				answers := make(chan error)
				const readers = 3 // one is on the wire, others wait
				for range readers {
					go func() {
						_, err := e.read(requestPath)
						answers <- err
					}()
				}
				require.Eventually(t, func() bool { return e.calls() == 1 }, 10*time.Second, time.Millisecond)
				began := time.Now()
				e.backend.Cleanup(context.Background())
				for range readers {
					requireCode(t, http.StatusServiceUnavailable, <-answers)
				}
				assert.Less(t, time.Since(began), 10*time.Second, "they are ended, not waited for")
				sim.Behave()
			})
		}
	}
}

// TestEverythingAtOnce mixes reads, config writes and deletes, invalidations and leaving readers, and ends with the mount going
// in the midst of them. Nothing may race, hang, stay behind (goleak, in TestMain) or answer anything but a token, an error of the contract,
// or the reader's own leaving; and each key's nonces only grow.
func TestEverythingAtOnce(t *testing.T) {
	var keys []krakensim.Key
	for i := range 3 {
		keys = append(keys, krakensim.Key{APIKey: fmt.Sprint("key", i), APISecret: exampleKey.APISecret})
	}
	e := newEngine(t, keys...)
	pair := func(i int) map[string]any {
		return e.pair(map[string]any{account.FieldAPIKey: keys[i].APIKey, account.FieldCacheTTL: i, account.FieldRequestTimeout: 5, account.FieldVerify: i == 1})
	}
	accounts := []string{"a", "b", "c"}
	for i, name := range accounts {
		_, err := e.write("config/"+name, pair(i))
		require.NoError(t, err)
	}
	var group sync.WaitGroup
	const rounds = 100
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
			e.backend.InvalidateKey(t.Context(), "nonce/"+keeper.ID(keys[i%3].APIKey))
		}
	})
	group.Wait()
	for i, name := range accounts {
		_, err := e.write("config/"+name, pair(i))
		require.NoError(t, err)
		e.mustRead("ws-token/" + name)
	}
	e.requireOrderly()

	for worker := range 6 { // and the mount goes while they read
		group.Go(func() {
			for i := range 20 {
				_, _ = e.read("ws-token/" + accounts[(worker+i)%3])
			}
		})
	}
	e.backend.Cleanup(context.Background())
	group.Wait()
}

// TestMountsThatComeAndGoLeaveNothing, with accounts, cached tokens, hold-offs and private gateways: neither goroutines (goleak, in TestMain) nor memory.
func TestMountsThatComeAndGoLeaveNothing(t *testing.T) {
	bundle := certificate(t) + strings.Repeat("x", 50_000)
	mount := func() {
		e := newEngine(t, exampleKey, secondKey)
		e.configure("a", map[string]any{account.FieldCacheTTL: "5m", account.FieldCACert: bundle})
		e.configure("b", map[string]any{account.FieldAPIKey: secondKey.APIKey, account.FieldAPISecret: secondKey.APISecret})
		e.mustRead("ws-token/a")
		e.sim.Misbehave(says("EAPI:Rate limit exceeded"))
		_, err := e.read("ws-token/b")
		require.Error(t, err)
		e.backend.Cleanup(context.Background())
	}
	mount()
	goroutines, before := runtime.NumGoroutine(), heap()
	const mounts = 20
	for range mounts {
		mount()
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > goroutines && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // one that has just returned may still be counted
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), goroutines)
	assert.Less(t, max(heap(), before)-before, uint64(40*mounts), "KiB")
}

// heap is how many KiB are in use.
func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc >> 10
}

// BenchmarkCachedRead is a read of ws-token as Vault's core asks for it, without the plugin boundary.
func BenchmarkCachedRead(b *testing.B) {
	e := newEngine(b)
	e.configure("", map[string]any{account.FieldCacheTTL: "14m"})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := e.backend.HandleRequest(context.Background(), &logical.Request{Operation: logical.ReadOperation, Path: "ws-token", Storage: e.storage}); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkMintedRead is the same without a cache, over loopback to a Kraken that speaks HTTP/2 over TLS.
func BenchmarkMintedRead(b *testing.B) {
	e, sim := newServedEngine(b, krakensim.Options{TLS: true})
	e.configure("", map[string]any{account.FieldCACert: sim.CACertPEM()})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.backend.HandleRequest(context.Background(), &logical.Request{Operation: logical.ReadOperation, Path: "ws-token", Storage: e.storage}); err != nil {
			b.Fatal(err)
		}
	}
}

package krakensecrets

import (
	"context"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// This file shows what the engine promises to do for the account behind it, end to end.

// requireOrderly checks that Kraken saw no error, no two requests of a key in flight, and only growing nonces.
func requireOrderly(t *testing.T, calls []krakensim.Call) {
	t.Helper()
	last := map[string]uint64{}
	for i, call := range calls {
		require.Empty(t, call.Errors, "call %d", i)
		require.Equal(t, 1, call.InFlight, "call %d", i)
		require.Greater(t, call.Nonce, last[call.APIKey], "call %d", i)
		last[call.APIKey] = call.Nonce
	}
}

func TestManyReadersWithoutACache(t *testing.T) {
	e := newBubbleEngine(t) // in no bubble, but without sockets it takes a tenth of the time
	e.configure("", map[string]any{account.FieldVerify: false, account.FieldRequestTimeout: 60})
	var tokens sync.Map
	var distinct atomic.Int64
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			for range 200 {
				response, err := e.read("ws-token")
				if !assert.NoError(t, err) {
					return
				}
				if _, seen := tokens.LoadOrStore(response.Data[fieldToken], true); !seen {
					distinct.Add(1)
				}
			}
		})
	}
	group.Wait()
	assert.EqualValues(t, 64*200, distinct.Load(), "every answer is its own token")
	assert.Equal(t, 64*200, e.calls())
	requireOrderly(t, e.sim.Calls())
}

func TestAHerdCostsOneCall(t *testing.T) {
	for _, firstLeaves := range []bool{false, true} {
		t.Run(fmt.Sprintf("first leaves: %v", firstLeaves), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newBubbleEngine(t)
				e.configure("", map[string]any{account.FieldCacheTTL: "5m", account.FieldVerify: false})
				e.sim.Misbehave(krakensim.Fault{Latency: time.Second, Times: 1})
				first, leave := context.WithCancel(t.Context())
				defer leave()
				var group sync.WaitGroup
				tokens := make([]any, 1000)
				read := func(ctx context.Context, i int) {
					response, err := e.do(ctx, logical.ReadOperation, "ws-token", nil)
					if err == nil {
						tokens[i] = response.Data[fieldToken]
					}
				}
				group.Go(func() { read(first, 0) })
				synctest.Wait()
				if firstLeaves {
					leave()
				}
				for i := 1; i < len(tokens); i++ {
					group.Go(func() { read(t.Context(), i) })
				}
				group.Wait()
				assert.Equal(t, 1, e.calls())
				for i, token := range tokens[1:] {
					require.Equal(t, tokens[1], token, "reader %d", i+1)
				}
				assert.NotNil(t, tokens[1])
				assert.Equal(t, firstLeaves, tokens[0] == nil)
			})
		})
	}
}

var waitTold = regexp.MustCompile(`(\d+) s`)

func TestTheCallCounterIsKept(t *testing.T) {
	for _, tier := range []string{"starter", "intermediate", "pro"} {
		t.Run(tier, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newBubbleEngine(t, krakensim.Key{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret, Tier: krakensim.Tier(tier)})
				e.configure("", map[string]any{account.FieldTier: tier})
				var answered, heldBack atomic.Int64
				var group sync.WaitGroup
				for range 200 {
					group.Go(func() {
						_, err := e.read("ws-token")
						if err == nil {
							answered.Add(1)
							return
						}
						requireCode(t, http.StatusTooManyRequests, err)
						heldBack.Add(1)
						wait, _ := strconv.Atoi(waitTold.FindStringSubmatch(err.Error())[1])
						time.Sleep(time.Duration(wait) * time.Second)
						_, err = e.read("ws-token")
						assert.NoError(t, err, "a wait that was kept")
					})
				}
				group.Wait()
				requireOrderly(t, e.sim.Calls())
				assert.EqualValues(t, 200, answered.Load()+heldBack.Load())
				assert.GreaterOrEqual(t, answered.Load(), int64(10))
				assert.Positive(t, heldBack.Load())
			})
		})
	}
}

// TestTheCallCounterOutlivesTheConfig: Kraken counts per key, whatever a config write forgets.
func TestTheCallCounterOutlivesTheConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBubbleEngine(t, krakensim.Key{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret, Tier: "starter"})
		e.configure("", map[string]any{account.FieldTier: "starter"})
		for i := range 40 {
			secret := []string{krakensim.ExampleAPISecret, otherSecret}[i%2]
			_, err := e.write("config", map[string]any{account.FieldAPIKey: krakensim.ExampleAPIKey, account.FieldAPISecret: secret, account.FieldTier: []string{"starter", "none"}[i%2]})
			assert.Equal(t, i%2 == 1, err != nil && !heldBack(err), "%v", err)
			if _, err = e.read("ws-token"); err != nil {
				requireCode(t, http.StatusTooManyRequests, err)
			}
		}
		for _, call := range e.sim.Calls() {
			assert.NotContains(t, call.Errors, "EAPI:Rate limit exceeded")
		}
	})
}

func heldBack(err error) bool {
	coded, ok := err.(logical.HTTPCodedError)
	return ok && coded.Code() == http.StatusTooManyRequests
}

func TestARevokedKeyIsNotAskedForAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBubbleEngine(t)
		e.configure("", nil)
		e.sim.RemoveKey(krakensim.ExampleAPIKey)
		e.sim.ForgetCalls()
		var group sync.WaitGroup
		for i := range 1000 {
			group.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				_, err := e.read("ws-token")
				requireCode(t, http.StatusBadRequest, err)
				assert.Contains(t, err.Error(), "EAPI:Invalid key")
			})
		}
		group.Wait()
		assert.LessOrEqual(t, e.calls(), 2)

		time.Sleep(30 * time.Second)
		e.sim.SetKey(krakensim.Key{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret})
		e.mustRead("ws-token")
	})
}

func TestAnOutageIsBridgedByTheCachedToken(t *testing.T) {
	for name, fault := range map[string]krakensim.Fault{
		"unavailable":  {Errors: []string{"EService:Unavailable"}},
		"hanging":      {Hang: true},
		"rate limited": {Errors: []string{"EAPI:Rate limit exceeded"}},
		"nonsense":     {Body: "<html>maintenance</html>"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newBubbleEngine(t)
				e.configure("", map[string]any{account.FieldCacheTTL: "5m"})
				time.Sleep(3*time.Minute + 44*time.Second) // just before it would be renewed
				e.sim.Misbehave(fault)
				warned := 0
				for range 600 {
					asked := time.Now()
					response, err := e.read("ws-token")
					require.NoError(t, err)
					warned += len(response.Warnings)
					assert.GreaterOrEqual(t, response.Data[fieldTTL], int64(60))
					if elapsed := time.Since(asked); elapsed < time.Second {
						time.Sleep(time.Second - elapsed)
					}
				}
				assert.Greater(t, warned, 500, "once the token was too old")
				e.sim.Behave()
				step := time.Minute
				if name == "rate limited" {
					step = 15 * time.Minute // the hold-off has grown
				}
				recovered := time.Now()
				for time.Since(recovered) <= step+time.Second {
					if response, err := e.read("ws-token"); err == nil && len(response.Warnings) == 0 {
						return
					}
					time.Sleep(time.Second)
				}
				t.Error("no new token within one hold-off step")
			})
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
	requireOrderly(t, e.sim.Calls())
	assert.Equal(t, 1+50*12, e.calls())
}

func TestAnotherUserOfTheKeyIsOvertakenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBubbleEngine(t)
		e.configure("", nil)
		e.sim.SetLastNonce(krakensim.ExampleAPIKey, uint64(time.Now().Add(30*time.Second).UnixNano()))
		e.mustRead("ws-token")
		e.sim.ForgetCalls()
		e.start()
		e.mustRead("ws-token")
		requireOrderly(t, e.sim.Calls()) // the advance is kept, over a restart too

		e.sim.SetLastNonce(krakensim.ExampleAPIKey, uint64(time.Now().Add(24*time.Hour).UnixNano()))
		_, err := e.read("ws-token")
		requireCode(t, http.StatusBadRequest, err)
		assert.Contains(t, err.Error(), "in use elsewhere")
	})
}

func TestAConnectionClosedWhileIdleCostsNothing(t *testing.T) {
	sim, err := krakensim.Start(krakensim.Options{Keys: []krakensim.Key{{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret}}})
	require.NoError(t, err)
	defer sim.Close()
	e := startEngine(t, sim.Exchange, sim.RESTURL(), account.Options{})
	e.configure("", nil)
	for i := range 10 {
		sim.CloseConnections()
		e.mustRead("ws-token")
		require.Equal(t, i+2, e.calls(), "one token minted for one read")
	}
	requireOrderly(t, e.sim.Calls())
}

// countingStorage counts what is read and written.
type countingStorage struct {
	logical.Storage
	gets, puts atomic.Int64
}

func (s *countingStorage) Get(ctx context.Context, key string) (*logical.StorageEntry, error) {
	s.gets.Add(1)
	return s.Storage.Get(ctx, key)
}

func (s *countingStorage) Put(ctx context.Context, entry *logical.StorageEntry) error {
	s.puts.Add(1)
	return s.Storage.Put(ctx, entry)
}

func TestStorageIsTouchedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBubbleEngine(t)
		storage := &countingStorage{Storage: e.storage}
		e.storage = storage
		e.configure("", nil)
		storage.puts.Store(0)
		for range 600 {
			e.mustRead("ws-token")
			time.Sleep(time.Second)
		}
		assert.LessOrEqual(t, storage.puts.Load(), int64(10), "once a minute at most")

		_, err := e.write("config", map[string]any{account.FieldCacheTTL: "5m"})
		require.NoError(t, err)
		storage.puts.Store(0)
		storage.gets.Store(0)
		for range 100 {
			e.mustRead("ws-token")
		}
		assert.Zero(t, storage.puts.Load()+storage.gets.Load(), "a cached read touches neither storage nor network")
	})
}

func TestAnAccountReplacedOrDeletedInMidFlight(t *testing.T) {
	for name, change := range map[string]func(*engine) error{
		"deleted": func(e *engine) error {
			_, err := e.do(e.t.Context(), logical.DeleteOperation, "config", nil)
			return err
		},
		"replaced": func(e *engine) error {
			_, err := e.write("config", map[string]any{account.FieldTier: "pro", account.FieldVerify: false})
			return err
		},
	} {
		for _, ttl := range []int{0, 60} {
			t.Run(fmt.Sprintf("%s, cache_ttl %d", name, ttl), func(t *testing.T) {
				e := newEngine(t)
				e.configure("", map[string]any{account.FieldCacheTTL: ttl, account.FieldVerify: false})
				e.sim.Misbehave(krakensim.Fault{Hang: true, Times: 1})
				answer := make(chan error)
				go func() {
					_, err := e.read("ws-token")
					answer <- err
				}()
				require.Eventually(t, func() bool { return e.calls() == 1 }, 5*time.Second, time.Millisecond)
				require.NoError(t, change(e))
				e.sim.Behave()
				assert.NoError(t, <-answer, "what is under way ends undisturbed")
			})
		}
	}
}

func TestCleanupEndsWhatHangs(t *testing.T) {
	for _, ttl := range []int{0, 60} {
		e := newEngine(t)
		e.configure("", map[string]any{account.FieldCacheTTL: ttl, account.FieldVerify: false, account.FieldRequestTimeout: 60})
		e.sim.Misbehave(krakensim.Fault{Hang: true})
		answer := make(chan error)
		go func() {
			_, err := e.read("ws-token")
			answer <- err
		}()
		require.Eventually(t, func() bool { return e.calls() == 1 }, 5*time.Second, time.Millisecond)
		e.backend.Cleanup(context.Background())
		err := <-answer
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "request_timeout", "it is ended, not waited for")
		e.sim.Behave()
	}
}

// BenchmarkCachedRead is a read of ws-token as Vault's core asks for it, without the plugin boundary.
func BenchmarkCachedRead(b *testing.B) {
	conf := logical.TestBackendConfig()
	conf.Logger = hclog.NewNullLogger()
	sim := krakensim.New(krakensim.Key{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret})
	engine, err := newBackend(b.Context(), conf, account.Options{Transport: func(*x509.CertPool) http.RoundTripper { return sim.Transport() }})
	require.NoError(b, err)
	defer engine.Cleanup(context.Background())
	storage := &logical.InmemStorage{}
	_, err = engine.HandleRequest(b.Context(), &logical.Request{Operation: logical.UpdateOperation, Path: "config", Storage: storage, Data: map[string]any{
		account.FieldAPIKey: krakensim.ExampleAPIKey, account.FieldAPISecret: krakensim.ExampleAPISecret, account.FieldCacheTTL: "14m",
	}})
	require.NoError(b, err)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := engine.HandleRequest(context.Background(), &logical.Request{Operation: logical.ReadOperation, Path: "ws-token", Storage: storage}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

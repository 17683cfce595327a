package krakensecrets

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// These tests are about a tenant who may write one account, mallory's, and does so without end, beside the default account, which is another tenant's.

// mostGrowth is what a flood may leave in the memory, in KiB: what is remembered of refused keys, above all. Were anything kept of each request, it would be more.
const mostGrowth = 2 << 10

// flooded does something many times in a synctest bubble and checks that the other tenant's reads don't wait, and what is left in memory, goroutines, log and storage.
func flooded(t *testing.T, keys []krakensim.Key, times int, do func(e *engine, i int)) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, append([]krakensim.Key{exampleKey}, keys...)...)
		// If Kraken locks out by address, the tenant's wrong pairs lock everybody out: five refused proofs a minute are enough.
		e.sim.SetLockout(krakensim.Lockout{Scope: krakensim.LockoutKey})
		e.configure("", nil)
		do(e, 0) // what is made once
		began, memory, goroutines, stored := time.Now(), heap(), runtime.NumGoroutine(), len(e.stored())
		e.log.Reset()
		for i := range times {
			do(e, i)
			if i%100 == 0 {
				came := time.Now()
				e.mustRead("ws-token")
				require.Zero(t, time.Since(came), "another's reads don't wait")
			}
			if i%10 == 0 {
				e.takeEvents()
				e.sim.ForgetCalls()
			}
		}
		synctest.Wait()
		minutes := int(time.Since(began).Minutes()) + 1
		assert.Less(t, max(heap(), memory)-memory, uint64(mostGrowth), "KiB")
		assert.LessOrEqual(t, runtime.NumGoroutine(), goroutines+5)
		assert.LessOrEqual(t, strings.Count(e.log.String(), "\n"), 10*minutes, "lines of a few kinds")
		assert.LessOrEqual(t, len(e.stored()), stored)
	})
}

// madeUp is a pair that Kraken doesn't know.
func (e *engine) madeUp(i int, fields map[string]any) map[string]any {
	secret := make([]byte, 64)
	_, _ = rand.Read(secret)
	data := e.pair(fields)
	data[account.FieldAPIKey], data[account.FieldAPISecret] = "madeup"+strconv.Itoa(i), base64.StdEncoding.EncodeToString(secret)
	return data
}

func TestATenantWhoseWritesAreAllRefused(t *testing.T) {
	for name, data := range map[string]func(e *engine, i int) map[string]any{
		"pairs that Kraken refuses": func(e *engine, i int) map[string]any { return e.madeUp(i, nil) },
		"another's key": func(e *engine, _ int) map[string]any {
			return e.pair(map[string]any{account.FieldAPISecret: otherSecret})
		},
		"bad values": func(*engine, int) map[string]any { return map[string]any{account.FieldTier: "gold"} },
		"places that aren't allowed": func(e *engine, i int) map[string]any {
			return e.madeUp(i, map[string]any{account.FieldAPIURL: "https://elsewhere" + strconv.Itoa(i) + ".example"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			flooded(t, nil, 2000, func(e *engine, i int) {
				require.Error(t, e.writeOnly("config/mallory", data(e, i)))
				time.Sleep(time.Second)
			})
		})
	}
}

// TestATenantWhoStoresPairAfterPair: nothing stays of a pair that Kraken has never accepted once another has taken its place.
func TestATenantWhoStoresPairAfterPair(t *testing.T) {
	bundle := strings.Repeat("x", 10_000) + "\n" + certificate(t)
	for name, test := range map[string]struct{ reads, bundles bool }{"and reads": {true, false}, "and doesn't read": {}, "with certificates": {true, true}} {
		t.Run(name, func(t *testing.T) {
			flooded(t, nil, 1000, func(e *engine, i int) {
				data := e.madeUp(i, map[string]any{account.FieldVerify: false})
				if test.bundles {
					data[account.FieldCACert] = bundle + strconv.Itoa(i)
				}
				require.NoError(t, e.writeOnly("config/mallory", data))
				if test.reads {
					_, err := e.read("ws-token/mallory")
					var coded logical.HTTPCodedError
					require.ErrorAs(t, err, &coded)
					require.Contains(t, []int{http.StatusBadRequest, http.StatusTooManyRequests}, coded.Code(), "what was refused, or that too much was")
				}
				time.Sleep(time.Second)
				e.log.Reset() // each is a change, and a line
			})
		})
	}
}

func TestATenantWhoAlternatesTwoPairs(t *testing.T) {
	keys := []krakensim.Key{{APIKey: "one", APISecret: exampleKey.APISecret}, {APIKey: "two", APISecret: exampleKey.APISecret}}
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, append(keys, exampleKey)...)
		e.configure("", nil)
		for i := range 500 {
			require.NoError(t, e.writeOnly("config/mallory", e.pair(map[string]any{account.FieldAPIKey: keys[i%2].APIKey})))
			e.mustRead("ws-token/mallory")
			time.Sleep(time.Second)
		}
		assert.Len(t, e.stored(), 2+3, "two configs, three keys")
		e.requireOrderly()
	})
}

// TestATenantWhoseProofsHang: each holds a goroutine and perhaps a connection.
func TestATenantWhoseProofsHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", nil)
		e.sim.ForgetCalls()
		e.sim.Misbehave(krakensim.Fault{Hang: true, Times: 1000})
		var group sync.WaitGroup
		for i := range 1000 {
			group.Go(func() { _ = e.writeOnly("config/mallory", e.madeUp(i, nil)) })
		}
		synctest.Wait()
		e.sim.Misbehave() // what is under way hangs on
		assert.LessOrEqual(t, e.calls(), 5)
		came := time.Now()
		e.sim.Behave()
		group.Wait()
		e.mustRead("ws-token")
		assert.Less(t, time.Since(came), 10*time.Second)
	})
}

// TestATenantWhoProvesAStoredPairWithoutEnd: that isn't limited, but one goes out at a time, and the account's own readers have their turn between.
func TestATenantWhoProvesAStoredPairWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, exampleKey, secondKey)
		e.configure("", nil)
		require.NoError(t, e.writeOnly("config/mallory", e.pair(map[string]any{account.FieldAPIKey: secondKey.APIKey, account.FieldAPISecret: secondKey.APISecret})))
		e.sim.ForgetCalls()
		e.sim.Misbehave(krakensim.Fault{Latency: 100 * time.Millisecond, Path: "GetWebSocketsToken"})
		var group sync.WaitGroup
		for range 300 {
			group.Go(func() { _ = e.writeOnly("config/mallory", map[string]any{account.FieldVerify: true}) })
		}
		synctest.Wait()
		e.mustRead("ws-token/mallory")
		came := time.Now()
		e.mustRead("ws-token")
		assert.Equal(t, 100*time.Millisecond, time.Since(came))
		group.Wait()
		for _, call := range e.sim.Calls() {
			assert.Equal(t, 1, call.InFlight)
		}
	})
}

// TestReadersOfAnAccountThatIsntConfigured leave nothing behind.
func TestReadersOfAnAccountThatIsntConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		memory, goroutines := heap(), runtime.NumGoroutine()
		var group sync.WaitGroup
		for i := range 2000 {
			group.Go(func() {
				path := []string{"ws-token/none", "status/none", "key-info/none" + strconv.Itoa(i)}[i%3]
				_, err := e.read(path)
				requireCode(t, http.StatusBadRequest, err)
			})
		}
		group.Wait()
		assert.LessOrEqual(t, runtime.NumGoroutine(), goroutines+5)
		assert.Less(t, max(heap(), memory)-memory, uint64(mostGrowth), "KiB")
		assert.Empty(t, e.stored())
		assert.Empty(t, e.log.String())
	})
}

// TestReadersWhoLeave: those who wait leave at once, and the turn isn't theirs any more.
func TestReadersWhoLeave(t *testing.T) {
	for name, fields := range map[string]map[string]any{"with a cache": {account.FieldCacheTTL: "5m", account.FieldVerify: false}, "without": {account.FieldVerify: false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.configure("", fields)
				e.sim.Misbehave(krakensim.Fault{Hang: true, Times: 1})
				goroutines := runtime.NumGoroutine()
				ctx, leave := context.WithCancel(t.Context())
				var group sync.WaitGroup
				for range 1000 {
					group.Go(func() {
						_, err := e.do(ctx, logical.ReadOperation, "ws-token", nil)
						assert.ErrorIs(t, err, context.Canceled)
					})
				}
				synctest.Wait()
				leave()
				synctest.Wait()
				assert.LessOrEqual(t, runtime.NumGoroutine(), goroutines+5, "they leave at once, but for the one whose call is under way")
				group.Wait()
				time.Sleep(time.Minute) // the one call is given up in its time
				synctest.Wait()
				assert.LessOrEqual(t, runtime.NumGoroutine(), goroutines+5)
				e.mustRead("ws-token")
				assert.Equal(t, 1+1, e.calls(), "of those who left, one had been made")
			})
		})
	}
}

// TestUpdatesInALoopBesideReaders: whoever mints without end costs the account its calls, but its readers are served from the cache, and nobody else waits.
func TestUpdatesInALoopBesideReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, exampleKey, secondKey)
		e.configure("", nil)
		require.NoError(t, e.writeOnly("config/mallory", e.pair(map[string]any{
			account.FieldAPIKey: secondKey.APIKey, account.FieldAPISecret: secondKey.APISecret, account.FieldCacheTTL: "14m", account.FieldTier: "starter",
		})))
		e.sim.ForgetCalls()
		ended := make(chan struct{})
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() {
				for {
					select {
					case <-ended:
						return
					case <-time.After(time.Second):
						_ = e.writeOnly("ws-token/mallory", nil)
					}
				}
			})
		}
		for range 120 {
			came := time.Now()
			assert.Equal(t, true, e.mustRead("ws-token/mallory")[fieldCached])
			e.mustRead("ws-token")
			assert.Zero(t, time.Since(came))
			time.Sleep(time.Second)
		}
		close(ended)
		group.Wait()
		e.requireOrderly()
		minted := 0
		for _, call := range e.sim.Calls() {
			if call.APIKey == secondKey.APIKey {
				minted++
			}
		}
		assert.Less(t, minted, 15+120/3+2, "as many as the tier allows")
		assert.LessOrEqual(t, strings.Count(e.log.String(), "\n"), 3*3, fmt.Sprint(e.log))
	})
}

package krakensecrets

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestATokenWithAllThatIsNeededToUseIt(t *testing.T) {
	for _, name := range []string{"", "desk-a"} {
		t.Run(account.Title(name), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.configure(name, nil)
				e.sim.Misbehave(krakensim.Fault{Latency: 3 * time.Second, Times: 1})
				asked := time.Now()
				response, err := e.read(path.Join(pathTokenBase, name))
				require.NoError(t, err)
				assert.NotEmpty(t, response.Data[fieldToken])
				assert.Equal(t, int64(897), response.Data[fieldTTL], "counted from before the request was sent")
				assert.Equal(t, asked.Add(900*time.Second).UTC().Format(time.RFC3339), response.Data[fieldExpiresAt])
				assert.Equal(t, "wss://ws-auth.kraken.com/v2", response.Data[fieldWebSocketURL])
				assert.Equal(t, false, response.Data[fieldCached])
				assert.Nil(t, response.Secret, "Kraken can't revoke a token, so there is no lease")
				assert.Empty(t, response.Warnings)
			})
		})
	}
}

func TestReadAnswersFromTheCacheAndWriteMintsPastIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", map[string]any{account.FieldCacheTTL: "5m"})
		first := e.mustRead("ws-token")
		assert.Equal(t, true, first[fieldCached], "it is the proof's")
		time.Sleep(time.Minute)
		second := e.mustRead("ws-token")
		assert.Equal(t, first[fieldToken], second[fieldToken])
		assert.Equal(t, true, second[fieldCached])
		assert.Equal(t, int64(840), second[fieldTTL])

		response, err := e.write("ws-token", nil)
		require.NoError(t, err)
		assert.NotEqual(t, first[fieldToken], response.Data[fieldToken])
		assert.Equal(t, false, response.Data[fieldCached])
		assert.Equal(t, response.Data[fieldToken], e.mustRead("ws-token")[fieldToken], "it is the cached one now")
	})
}

func TestNoTokenBeforeAConfig(t *testing.T) {
	e := newEngine(t)
	for path, want := range map[string]string{
		"ws-token":        "No key pair is configured for the default account; write one: vault write kraken/config api_key=",
		"ws-token/desk-a": `No key pair is configured for account "desk-a"; write one: vault write kraken/config/desk-a api_key=`,
		"key-info/desk-a": `account "desk-a"`,
		"status/desk-a":   `account "desk-a"`,
	} {
		_, err := e.read(path)
		requireCode(t, http.StatusBadRequest, err)
		assert.Contains(t, err.Error(), want)
	}
	_, err := e.write("ws-token/desk-a", nil)
	requireCode(t, http.StatusBadRequest, err)
}

func TestTheSecondFactorGoesWithEachRequest(t *testing.T) {
	for name, test := range map[string]struct{ good, bad map[string]any }{
		"password": {good: map[string]any{account.FieldOTPPassword: "a password"}, bad: map[string]any{account.FieldOTPPassword: "another"}},
		"totp":     {good: map[string]any{account.FieldTOTPSecret: totpSeed}, bad: map[string]any{account.FieldTOTPSecret: "MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK"}},
	} {
		t.Run(name, func(t *testing.T) {
			key := exampleKey
			key.OTPPassword, _ = test.good[account.FieldOTPPassword].(string)
			key.TOTPSecret, _ = test.good[account.FieldTOTPSecret].(string)
			e := newEngine(t, key)
			_, err := e.write("config", e.pair(test.bad))
			requireCode(t, http.StatusBadRequest, err)
			assert.Contains(t, err.Error(), "second factor")
			e.configure("", test.good)
			e.mustRead("ws-token")
			e.mustRead("key-info")
		})
	}
}

// TestOneTimeCodesThatAreTakenOnce: whether Kraken does so isn't known. Where it does, a second call within 30 s waits for the next code, or is told
// when that is; it is no wrong factor.
func TestOneTimeCodesThatAreTakenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := exampleKey
		key.TOTPSecret, key.SingleUseCodes = totpSeed, true
		e := newEngine(t, key)
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute))) // a code begins
		e.configure("", map[string]any{account.FieldTOTPSecret: totpSeed})
		time.Sleep(time.Second)
		_, err := e.read("ws-token")
		assert.Equal(t, 29*time.Second, waitTold(t, err))
		assert.Contains(t, err.Error(), "one-time code has been used")
		assert.Equal(t, 2, e.calls(), "the proof, and one that found it out")
		time.Sleep(20 * time.Second)
		began := time.Now()
		e.mustRead("ws-token")
		assert.Equal(t, 9*time.Second, time.Since(began), "the next code")
		for range 5 {
			_, err = e.read("key-info")
			time.Sleep(waitTold(t, err))
			e.mustRead("ws-token")
		}
		assert.Equal(t, 8, e.calls(), "it was found out once")
	})
}

// TestAReaderWhoLeavesDoesNotAbandonARequest: a request left behind in the network could arrive after the next one.
func TestAReaderWhoLeavesDoesNotAbandonARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", nil)
		e.sim.Misbehave(krakensim.Fault{Latency: 2 * time.Second, Times: 1})
		ctx, leave := context.WithCancel(t.Context())
		go func() { _, _ = e.do(ctx, logical.ReadOperation, "ws-token", nil) }()
		time.Sleep(time.Second)
		leave()
		e.mustRead("ws-token")
		e.requireOrderly()
		assert.Equal(t, 3, e.calls())
	})
}

func TestManyReadersWithoutACache(t *testing.T) {
	e := newEngine(t)
	e.configure("", map[string]any{account.FieldVerify: false, account.FieldRequestTimeout: 55})
	var tokens sync.Map
	var distinct atomic.Int64
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			for range 50 {
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
	assert.EqualValues(t, 32*50, distinct.Load(), "every answer is its own token")
	assert.Equal(t, 32*50, e.calls())
	e.requireOrderly()
}

func TestAHerdCostsOneCall(t *testing.T) {
	for _, firstLeaves := range []bool{false, true} {
		t.Run(fmt.Sprintf("first leaves: %v", firstLeaves), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.configure("", map[string]any{account.FieldCacheTTL: "5m", account.FieldVerify: false})
				e.sim.Misbehave(krakensim.Fault{Latency: time.Second, Times: 1})
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				first := make(chan error, 1)
				go func() {
					_, err := e.do(ctx, logical.ReadOperation, "ws-token", nil)
					first <- err
				}()
				answers := e.herd(500)
				if firstLeaves {
					leave()
				}
				outcomes := answers()
				for _, got := range outcomes {
					require.NoError(t, got.err)
					require.Equal(t, outcomes[0].token, got.token)
				}
				assert.Equal(t, firstLeaves, <-first != nil)
				assert.Equal(t, 1, e.calls())
			})
		})
	}
}

// TestTheCallCounterIsKept: whoever keeps asking by the waits that are told, a minute at most each, is served in the end, and Kraken never refuses.
func TestTheCallCounterIsKept(t *testing.T) {
	for _, tier := range []krakensim.Tier{krakensim.TierStarter, krakensim.TierIntermediate, krakensim.TierPro} {
		t.Run(string(tier), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				key := exampleKey
				key.Tier, key.DecayStep = tier, 2*time.Second
				e := newEngine(t, key)
				e.configure("", map[string]any{account.FieldTier: string(tier)})
				var told atomic.Int64
				var group sync.WaitGroup
				for range 60 {
					group.Go(func() { told.Add(e.readByTheWaits()) })
				}
				group.Wait()
				e.requireOrderly()
				assert.Positive(t, told.Load())
			})
		})
	}
}

// TestReadersBesideOneThatLoops: an application that reads without end gets what the counter gives, and no more. The others are served, sooner or later by
// a wait that is told.
func TestReadersBesideOneThatLoops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := exampleKey
		key.Tier, key.DecayStep = krakensim.TierStarter, 2*time.Second
		e := newEngine(t, key)
		e.configure("", map[string]any{account.FieldTier: "starter"})
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var looping, others sync.WaitGroup
		looping.Go(func() {
			for ctx.Err() == nil {
				if _, err := e.read("ws-token"); err != nil {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
		for i := range 10 {
			others.Go(func() {
				time.Sleep(time.Duration(30_000+7_137*i) * time.Millisecond)
				began := time.Now()
				e.readByTheWaits()
				assert.LessOrEqual(t, time.Since(began), time.Minute, "reader %d", i)
			})
		}
		others.Wait()
		stop()
		looping.Wait()
		e.requireOrderly()
	})
}

// TestTheCallCounterOutlivesTheConfig: Kraken counts per key, whatever a write changes. Proofs count, too.
func TestTheCallCounterOutlivesTheConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := exampleKey
		key.Tier, key.DecayStep = krakensim.TierStarter, 2*time.Second
		e := newEngine(t, key)
		e.configure("", map[string]any{account.FieldTier: "starter"})
		e.sim.Misbehave(krakensim.Fault{Latency: 300 * time.Millisecond})
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for range 10 {
					if _, err := e.write("config", map[string]any{account.FieldVerify: true}); err != nil {
						requireCode(t, http.StatusTooManyRequests, err)
					}
					if _, err := e.read("ws-token"); err != nil {
						requireCode(t, http.StatusTooManyRequests, err)
					}
				}
			})
		}
		group.Wait()
		e.requireOrderly()
	})
}

func TestARevokedKeyIsNotAskedForAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.configure("", nil)
		e.sim.RemoveKey(exampleKey.APIKey)
		e.sim.ForgetCalls()
		for range 100 {
			for _, got := range e.herd(10)() {
				requireCode(t, http.StatusBadRequest, got.err)
				assert.Contains(t, got.err.Error(), "EAPI:Invalid key")
			}
			time.Sleep(500 * time.Millisecond)
		}
		assert.Equal(t, 2, e.calls(), "in 50 s")
		e.sim.SetKey(exampleKey)
		time.Sleep(30 * time.Second)
		e.mustRead("ws-token")
	})
}

func TestAnOutageIsBridgedByTheCachedToken(t *testing.T) {
	for name, fault := range map[string]krakensim.Fault{
		"unavailable":  says("EService:Unavailable"),
		"refused":      {Refuse: true},
		"hanging":      {Hang: true},
		"rate limited": says("EAPI:Rate limit exceeded"),
		"nonsense":     {Body: "<html>maintenance</html>"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.configure("", map[string]any{account.FieldCacheTTL: "5m"})
				time.Sleep(3*time.Minute + 44*time.Second) // just before it would be renewed
				e.sim.Misbehave(fault)
				warned := 0
				for began := time.Now(); time.Since(began) < 10*time.Minute; time.Sleep(time.Second) {
					asked := time.Now()
					response, err := e.read("ws-token")
					require.NoError(t, err)
					warned += len(response.Warnings)
					assert.GreaterOrEqual(t, response.Data[fieldTTL], int64(60))
					assert.LessOrEqual(t, time.Since(asked), 10*time.Second)
				}
				assert.Greater(t, warned, 450, "once the token was too old")
				e.sim.Behave()
				recovers := time.Minute // the longest step between two renewals
				if name == "rate limited" {
					recovers = 15 * time.Minute // the hold-off has grown
				}
				for ended := time.Now(); ; time.Sleep(time.Second) {
					require.LessOrEqual(t, time.Since(ended), recovers+time.Second)
					if response, err := e.read("ws-token"); err == nil && len(response.Warnings) == 0 {
						break
					}
				}
			})
		})
	}
}

// TestAKeyThatHasSeenHigherNonces: an old snapshot was restored, a clock was wrong, or somebody else uses the key.
func TestAKeyThatHasSeenHigherNonces(t *testing.T) {
	for ahead, refused := range map[time.Duration]int{30 * time.Second: 4, 10 * time.Minute: 5} {
		t.Run(ahead.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine(t)
				e.configure("", nil)
				e.sim.SetLastNonce(exampleKey.APIKey, uint64(time.Now().Add(ahead).UnixNano()))
				e.sim.ForgetCalls()
				time.Sleep(time.Second)
				e.mustRead("ws-token")
				assert.Equal(t, refused+1, e.calls(), "in one read")
				assert.Equal(t, uint64(refused), e.mustRead("status")[fieldNonceRefusals])
				assert.Equal(t, 1, strings.Count(e.log.String(), "Kraken refused a nonce"), e.log.String())
				assert.Empty(t, e.mustRead("status")[fieldFailures])
				e.sim.ForgetCalls()
				e.mustRead("key-info")
				e.start() // it is remembered over a restart, too
				e.mustRead("ws-token")
				e.requireOrderly()

				time.Sleep(time.Hour)
				e.mustRead("ws-token")
				assert.Less(t, e.sim.LastNonce(exampleKey.APIKey), uint64(time.Now().Add(time.Second).UnixNano()), "in peace, the clock's again")
			})
		})
	}
	t.Run("24h", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := newEngine(t)
			e.configure("", nil)
			e.sim.SetLastNonce(exampleKey.APIKey, uint64(time.Now().Add(24*time.Hour).UnixNano()))
			e.sim.ForgetCalls()
			for _, calls := range []int{6, 6 + 1, 6 + 2} { // each half minute
				for _, path := range []string{"ws-token", "key-info", "ws-token"} {
					_, err := e.read(path)
					requireCode(t, http.StatusBadRequest, err)
					assert.Contains(t, err.Error(), "EAPI:Invalid nonce, even 10 minutes ahead of the clock")
					assert.Contains(t, err.Error(), "give Vault a key of its own")
				}
				assert.Equal(t, calls, e.calls())
				time.Sleep(30 * time.Second)
			}
			time.Sleep(24 * time.Hour) // and then the clock has passed it
			e.mustRead("ws-token")
		})
	})
}

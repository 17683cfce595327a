package account

import (
	"context"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
)

func TestATokenIsMadeByTheConfiguredPair(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("desk-a")
		began := time.Now()
		m.kraken.Misbehave(krakensim.Fault{Latency: time.Second, Times: 1})
		token := m.mustRead("desk-a")
		require.Equal(t, first.APIKey, m.madeFor(token))
		require.Equal(t, Token{Value: token.Value, WebSocketURL: DefaultWebSocketURL, RequestedAt: began, ExpiresAt: began.Add(tokenLife)}, token)
		require.Equal(t, []string{`"desk-a" <nil>`}, m.takeTold())
		require.NotEqual(t, token.Value, m.mustRead("desk-a").Value, "without a cache every read mints its own")

		info, err := m.KeyInfo(t.Context(), m.storage, "desk-a")
		require.NoError(t, err)
		require.Equal(t, first.APIKey, info["api_key"])
		m.requireOrderly()
	})
}

func TestAMintGoesPastTheCacheAndIsTheCachedOne(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldCacheTTL: "5m"})
		old := m.mustRead("")
		minted, err := m.Mint(t.Context(), m.storage, "")
		require.NoError(t, err)
		require.NotEqual(t, old.Value, minted.Value)
		require.False(t, minted.Cached)
		require.Equal(t, minted.Value, m.mustRead("").Value)

		m.kraken.Misbehave(krakensim.Fault{Body: "<html>"})
		token, err := m.Mint(t.Context(), m.storage, "")
		requireKind(t, kraken.KindNonsense, err)
		require.Equal(t, Token{}, token, "no late one")
		require.Equal(t, minted.Value, m.mustRead("").Value)
	})
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		_, err := m.Mint(t.Context(), m.storage, "")
		require.NoError(t, err)
		a, err := m.get(t.Context(), m.storage, "")
		require.NoError(t, err)
		require.Nil(t, a.cache.token.Load(), "there is no cache")
	})
}

func TestAFailureIsToldLoggedAndCounted(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("desk-a")
		m.kraken.RemoveKey(first.APIKey)
		for i := range 3 {
			token, err := m.read("desk-a")
			requireKind(t, kraken.KindInvalidKey, err)
			require.Equal(t, i > 0, keeper.NotAsked(err))
			require.Equal(t, Token{}, token)
		}
		require.Equal(t, []string{`"desk-a" Kraken answered EAPI:Invalid key`}, m.takeTold(), "what wasn't asked for is told by no event")
		require.Equal(t, map[string]uint64{"invalid_key": 3}, m.status("desk-a").Failures)
		require.Equal(t, 1, strings.Count(m.log.String(), "\n"))
		require.Contains(t, m.log.String(), `no token could be had: account=desk-a kind=invalid_key times=1 error="Kraken answered EAPI:Invalid key"`)
	})
}

func TestAHangingAccountWith200ReadersFor10SecondsIsLoggedOnceAMinute(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldRequestTimeout: 1})
		m.kraken.Misbehave(krakensim.Fault{Hang: true})
		var all []func() []answer
		for range 200 {
			all = append(all, together(1, func() (Token, error) {
				for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(400 * time.Millisecond) {
					_, err := m.read("")
					require.Error(t, err)
				}
				return Token{}, nil
			}))
		}
		for _, end := range all {
			end()
		}
		failures := uint64(0)
		kinds := m.status("").Failures
		for _, count := range kinds {
			failures += count
		}
		require.Greater(t, failures, uint64(2000))
		lines := strings.Split(strings.TrimSpace(m.log.String()), "\n")
		require.Len(t, lines, len(kinds)+1, "one for each kind, and one for the outage that they come of")
		require.Less(t, len(m.takeTold()), 210, "events tell of those who waited before it was known, and then of who tries")

		time.Sleep(time.Minute)
		_, err := m.read("")
		require.Error(t, err)
		lines = strings.Split(strings.TrimSpace(m.log.String()), "\n")
		require.Len(t, lines, len(kinds)+2)
		require.NotContains(t, lines[len(kinds)+1], "times=1 ", "what was silent is counted")
	})
}

func TestAReaderWhoLeavesIsNoFailure(t *testing.T) {
	for _, ttl := range []string{"0", "5m"} {
		bubble(t, func(t *testing.T, m *mount) {
			m.configure("", fields{FieldCacheTTL: ttl})
			m.kraken.Misbehave(krakensim.Fault{Latency: 2 * time.Second, Errors: []string{"EService:Busy"}, Times: 1})
			ctx, leave := context.WithCancelCause(t.Context())
			reader := together(1, func() (Token, error) { return m.Token(ctx, m.storage, "") })
			time.Sleep(time.Second)
			leave(errDisk)
			require.Equal(t, errDisk, reader()[0].err)
			time.Sleep(10 * time.Second)
			require.Empty(t, m.status("").Failures)
			require.Empty(t, m.log.String())
		})
	}
}

func TestAReadersOwnDeadlineIsAFailure(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		m.kraken.Misbehave(krakensim.Fault{Hang: true, Times: 1})
		_, err := m.Token(within(t, time.Second), m.storage, "")
		requireKind(t, kraken.KindTimeout, err)
		require.Equal(t, map[string]uint64{"timeout": 1}, m.status("").Failures)
	})
}

func TestAPermissionRefusedToKeyInfoDoesNotRefuseTokens(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		m.kraken.Misbehave(krakensim.Fault{Path: "GetApiKeyInfo", Errors: []string{"EGeneral:Permission denied"}})
		for range 3 {
			_, err := m.KeyInfo(t.Context(), m.storage, "")
			requireKind(t, kraken.KindPermissionDenied, err)
			m.mustRead("")
		}
		require.Len(t, m.calls(), 4, "that is remembered, for its method")
		require.Empty(t, m.status("").Failures, "it was no token that was refused")
	})
}

func TestTheCallCounterIsKeptByTheTier(t *testing.T) {
	for _, tier := range []krakensim.Tier{krakensim.TierStarter, krakensim.TierIntermediate, krakensim.TierPro} {
		bubble(t, func(t *testing.T, m *mount) {
			limited := first
			limited.Tier = tier
			m.kraken.SetKey(limited)
			m.configure("", fields{FieldTier: string(tier)})
			served := 0
			for _, a := range m.readers(50, "")() {
				var held *keeper.HeldError
				if a.err == nil {
					served++
				} else {
					require.ErrorAs(t, a.err, &held)
				}
			}
			require.GreaterOrEqual(t, served, map[krakensim.Tier]int{"starter": 14, "intermediate": 18, "pro": 17}[tier])
			m.requireOrderly()
		})
	}
}

func TestWhatIsStoredButCannotRunIsTold(t *testing.T) {
	good := Config{APIKey: first.APIKey, APISecret: first.APISecret, APIURL: kraken.DefaultURL, RequestTimeout: 10, Tier: "none"}
	for field, spoil := range map[string]func(c *Config){
		FieldAPISecret:  func(c *Config) { c.APISecret = "!" },
		FieldTOTPSecret: func(c *Config) { c.TOTPSecret = "!" },
		FieldCACert:     func(c *Config) { c.CACert = "!" },
	} {
		t.Run(field, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				spoilt := good
				spoil(&spoilt)
				m.put("config", spoilt)
				_, err := m.read("")
				var bad *FieldError
				require.ErrorAs(t, err, &bad)
				require.Equal(t, field, bad.Field)
				require.Empty(t, m.entries)
				require.Empty(t, m.transports.byBundle)
				require.Zero(t, m.keepers.Len())
			})
		})
	}
}

func TestRequestTimeoutBoundsARead(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldRequestTimeout: 7})
		m.kraken.Misbehave(krakensim.Fault{Hang: true})
		for _, read := range []func() (Token, error){
			func() (Token, error) { return m.read("") },
			func() (Token, error) { return m.Mint(t.Context(), m.storage, "") },
			func() (Token, error) { _, err := m.KeyInfo(t.Context(), m.storage, ""); return Token{}, err },
		} {
			a := together(1, read)()[0]
			requireKind(t, kraken.KindTimeout, a.err)
			require.Equal(t, 7*time.Second, a.took)
			time.Sleep(5 * time.Second) // until Kraken may be asked again
		}
	})
}

func TestAContextsEndIsATimeoutOrItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := within(t, time.Second)
		<-late.Done()
		requireKind(t, kraken.KindTimeout, ended(late))
		require.ErrorIs(t, ended(late), context.DeadlineExceeded)
		left, leave := context.WithCancelCause(t.Context())
		leave(errDisk)
		require.Equal(t, errDisk, ended(left))
	})
}

func TestACachedReadOfAnAccountAllocatesNothing(t *testing.T) {
	m := newMount(t) // in no bubble
	m.configure("", fields{FieldCacheTTL: "5m"})
	m.mustRead("")
	m.storage.takeUsed()
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = m.Token(ctx, m.storage, "") }))
	require.Empty(t, m.storage.takeUsed(), "nor does it touch the storage")
}

// The race is between the call on the wire, whose context ends, and its account, which ends as well.
func TestACallThatIsCutOffIsNoFailure(t *testing.T) {
	for range 200 {
		bubble(t, func(t *testing.T, m *mount) {
			m.elsewhere.Misbehave(krakensim.Fault{Hang: true})
			m.configure("", fields{FieldAPIURL: elsewhere})
			reader := m.readers(1, "")
			m.configure("")
			require.NoError(t, reader()[0].err)
			require.Empty(t, m.status("").Failures)
			require.Empty(t, m.log.String())
		})
	}
}

// TestNothingIsKeptOfWhatIsGone counts the objects in memory.
func TestNothingIsKeptOfWhatIsGone(t *testing.T) {
	objects := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapObjects
	}
	for name, write := range map[string]func(t *testing.T, m *mount, i int){
		"pairs that are replaced": func(t *testing.T, m *mount, i int) {
			m.configure("", fields{FieldOTPPassword: strconv.Itoa(i)})
		},
		"configs that are deleted": func(t *testing.T, m *mount, i int) {
			m.configure("gone", fields{FieldAPIKey: "gone"})
			require.NoError(t, m.delete("gone"))
		},
		"places that are replaced": func(t *testing.T, m *mount, i int) {
			m.configure("", fields{FieldCACert: certificate(t) + strings.Repeat("\n", i%2+1) + strconv.Itoa(i)})
		},
		"pairs that couldn't be proved": func(t *testing.T, m *mount, i int) {
			require.Error(t, m.write("", pair(first, fields{FieldAPIURL: elsewhere})))
		},
		"configs that are read anew": func(t *testing.T, m *mount, i int) {
			m.status("")
			m.Invalidate("config")
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				m.elsewhere.Misbehave(krakensim.Fault{Body: "<html>"})
				m.configure("")
				rounds := func(n int) uint64 {
					for i := range n {
						write(t, m, i)
					}
					m.storage.takeUsed()
					m.forgetCalls()
					return objects()
				}
				before := rounds(50)
				const times = 300
				left := int64(rounds(times) - before)
				for range 20 { // what unique has of texts that are gone is cleared away some time after a collection
					left = min(left, int64(objects()-before))
				}
				require.Less(t, left, int64(times/2), "objects that %d writes leave behind", times)
			})
		})
	}
}

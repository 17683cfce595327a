package account

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
)

func TestAWriteEndsWithItsCallerUntilItBeginsToStore(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		stored := m.stored("")
		m.kraken.Misbehave(krakensim.Fault{Latency: 2 * time.Second})
		ctx, leave := context.WithCancelCause(t.Context())
		written := together(1, func() (Token, error) { _, _, err := m.writeAs(ctx, "", pair(second)); return Token{}, err })
		time.Sleep(time.Second)
		leave(errDisk)
		require.ErrorIs(t, written()[0].err, errDisk)
		require.Equal(t, stored, m.stored(""))
		m.requireAgreement("")
	})
}

func TestAWriteThatFailsLeavesWhatWasStoredAndWhatRunsAsItWas(t *testing.T) {
	trouble := func(what string, goes misbehaviour) func(m *mount) error {
		return func(m *mount) error {
			m.storage.misbehave(what, goes)
			return m.write("", pair(second, unproved))
		}
	}
	for name, write := range map[string]func(m *mount) error{
		"a bad field": func(m *mount) error { return m.write("", fields{FieldTier: "gold"}) },
		"a key of another account": func(m *mount) error {
			return m.write("", pair(krakensim.Key{APIKey: "others", APISecret: otherSecret}))
		},
		"a refused proof": func(m *mount) error { return m.write("", pair(first, fields{FieldAPISecret: otherSecret})) },
		"a proof without an answer": func(m *mount) error {
			m.elsewhere.Misbehave(krakensim.Fault{Refuse: true})
			return m.write("", pair(first, fields{FieldAPIURL: elsewhere}))
		},
		"too many proofs": func(m *mount) error {
			for range proofsEach {
				require.NoError(m.t, m.proofs.begin(""))
			}
			return m.write("", pair(second))
		},
		"the config can't be read":       trouble("get config", fails),
		"the key's record can't be read": trouble("get nonce/", fails),
		"the key's record isn't stored":  trouble("put nonce/", fails),
		"the config isn't stored":        trouble("put config", fails),
		"the storage is read-only":       trouble("put", isReadOnly),
		"the caller leaves": func(m *mount) error {
			m.elsewhere.Misbehave(krakensim.Fault{Hang: true})
			ctx, leave := context.WithTimeout(m.t.Context(), time.Second)
			defer leave()
			_, _, err := m.writeAs(ctx, "", pair(first, fields{FieldAPIURL: elsewhere}))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				m.configure("", fields{FieldCacheTTL: "5m"})
				require.NoError(t, m.write("others", pair(krakensim.Key{APIKey: "others", APISecret: otherSecret}, unproved)))
				cached := m.mustRead("")
				running, stored := m.running(""), m.stored("")
				m.kraken.Misbehave(krakensim.Fault{Latency: 2 * time.Second, Times: 1})
				minted := together(3, func() (Token, error) { return m.Mint(t.Context(), m.storage, "") })
				synctest.Wait()

				require.Error(t, write(m))

				m.storage.behave()
				require.Same(t, running, m.running(""))
				require.Equal(t, stored, m.stored(""))
				for _, a := range minted() {
					require.NoError(t, a.err)
					require.Equal(t, first.APIKey, m.madeFor(a.token))
				}
				require.True(t, m.mustRead("").Cached)
				require.NotEqual(t, cached.Value, m.mustRead("").Value)
				require.Empty(t, m.status("").Failures)
				if name != "too many proofs" {
					m.kraken.Behave()
					m.elsewhere.Behave()
					require.NoError(t, m.write("b", pair(second)), "a key of a write that failed is free")
				}
			})
		})
	}
}

func TestAWriteThatSucceedsIsWhatRunsFromThenOn(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldCacheTTL: "5m"})
		m.mustRead("")
		running := m.running("")

		require.NoError(t, m.write("", fields{FieldCacheTTL: 0}))
		require.False(t, m.mustRead("").Cached, "cache_ttl")
		require.NoError(t, m.write("", fields{FieldRequestTimeout: 3}))
		m.kraken.Misbehave(krakensim.Fault{Hang: true, Times: 1})
		require.Equal(t, 3*time.Second, m.readers(1, "")()[0].took, "request_timeout")
		time.Sleep(time.Minute)
		m.mustRead("") // that trouble is over
		require.NoError(t, m.write("", fields{FieldTier: "starter"}))
		require.Same(t, running, m.running(""), "all this without another account")
		held := 0
		for _, a := range m.readers(20, "")() {
			if a.err != nil {
				require.IsType(t, &keeper.HeldError{}, a.err)
				held++
			}
		}
		require.Positive(t, held, "tier")
		require.NoError(t, m.write("", fields{FieldTier: "none"}))
		m.mustRead("")

		require.NoError(t, m.write("", pair(second, unproved, fields{FieldAPIURL: elsewhere})))
		require.NotSame(t, running, m.running(""))
		require.Equal(t, second.APIKey, m.madeFor(m.mustRead("")), "the pair")
		require.Len(t, m.elsewhere.Calls(), 1, "api_url")
	})
}

func TestTheCountsOfStatusLiveOnOverWrites(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		began := time.Now()
		m.mustRead("")
		m.kraken.RemoveKey(second.APIKey)
		for i, given := range []fields{{FieldTier: "pro"}, pair(second, unproved), pair(first, unproved, fields{FieldAPIURL: elsewhere})} {
			time.Sleep(time.Second)
			require.NoError(t, m.write("", given))
			_, _ = m.read("")
			status := m.status("")
			require.Equal(t, began, status.Since)
			require.EqualValues(t, []int{2, 2, 3}[i], status.Minted)
			require.EqualValues(t, []int{0, 1, 1}[i], status.Failures["invalid_key"])
		}
	})
}

func TestAWriteTakesOverTheKeysNonce(t *testing.T) {
	for name, change := range map[string]func(m *mount){
		"another second factor": func(m *mount) {
			key := first
			key.OTPPassword = "x"
			m.kraken.SetKey(key)
			m.configure("", fields{FieldOTPPassword: "x"})
		},
		"a delete between":    func(m *mount) { require.NoError(m.t, m.delete("")); m.configure("") },
		"another account":     func(m *mount) { require.NoError(m.t, m.delete("")); m.configure("desk-a") },
		"another key between": func(m *mount) { require.NoError(m.t, m.write("", pair(second))); m.configure("") },
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart: %v", name, restart), func(t *testing.T) {
				bubble(t, func(t *testing.T, m *mount) {
					var back time.Duration
					clock := func() time.Time { return time.Now().Add(-back) }
					m.Close()
					m.start(clock)
					m.configure("")
					m.mustRead("")
					if back = time.Hour; restart {
						m.Close()
						m.start(clock)
					}
					change(m)
					_, _ = m.read("")
					_, _ = m.read("desk-a")
					m.requireOrderly()
				})
			})
		}
	}
}

func TestAWriteTakesOverTheKeysCounter(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldTier: "starter"})
		for range 14 {
			m.mustRead("")
		}
		for _, change := range []func(){
			func() { m.configure("", fields{FieldOTPPassword: "x", FieldTier: "starter", FieldRequestTimeout: 1}) },
			func() {
				require.NoError(t, m.delete(""))
				m.configure("", fields{FieldTier: "starter", FieldRequestTimeout: 1})
			},
			func() {
				require.NoError(t, m.write("", pair(second, unproved)))
				m.configure("", fields{FieldTier: "starter"})
			},
		} {
			change()
			_, err := m.read("")
			require.IsType(t, &keeper.HeldError{}, err)
		}
		require.Len(t, m.calls(), 14)
	})
}

func TestAWriteTakesOverTheKeysHoldOffsAndRefusals(t *testing.T) {
	for message, check := range map[string]func(t *testing.T, err error){
		"EGeneral:Temporary lockout": func(t *testing.T, err error) { require.IsType(t, &keeper.HeldError{}, err) },
		"EAPI:Invalid key":           func(t *testing.T, err error) { require.IsType(t, &keeper.RememberedError{}, err) },
	} {
		t.Run(message, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				m.configure("")
				m.kraken.Misbehave(krakensim.Fault{Errors: []string{message}, Times: 1})
				_, err := m.read("")
				require.Error(t, err)
				for _, change := range []func(){
					func() { require.NoError(t, m.write("", fields{FieldTier: "pro"})) },
					func() { m.configure("", fields{FieldCacheTTL: 7}) },
					func() { m.configure("", fields{FieldAPIURL: elsewhere}) },
					func() { require.NoError(t, m.delete("")); m.configure("") },
				} {
					change()
					_, err = m.read("")
					check(t, err)
				}
				require.Len(t, m.calls(), 1, "verify=false lifts nothing")
				if message == "EAPI:Invalid key" {
					require.NoError(t, m.write("", fields{FieldVerify: true}))
					m.mustRead("")
				}
			})
		})
	}
}

func TestAWriteTakesOverTheCachedTokenWhenPairSecondFactorAndURLsAreTheSame(t *testing.T) {
	for name, test := range map[string]struct {
		given fields
		same  bool
	}{
		"tier":            {fields{FieldTier: "pro"}, true},
		"cache_ttl":       {fields{FieldCacheTTL: "10m"}, true},
		"request_timeout": {fields{FieldRequestTimeout: 7}, true},
		"the pair again":  {pair(first, fields{FieldRequestTimeout: 7}), true},
		"another secret":  {pair(first, unproved, fields{FieldAPISecret: otherSecret}), false},
		"another key":     {pair(second, unproved), false},
		"a second factor": {fields{FieldOTPPassword: "x", FieldVerify: false}, false},
		"another api_url": {pair(first, unproved, fields{FieldAPIURL: elsewhere}), false},
		"another ca_cert": {pair(first, unproved, fields{FieldCACert: certificate(t)}), false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				m.configure("", fields{FieldCacheTTL: "5m"})
				cached := m.mustRead("")
				require.NoError(t, m.write("", test.given))
				require.Equal(t, test.same, m.status("").CachedUntil.Equal(cached.ExpiresAt))
				if test.same {
					require.Equal(t, cached.Value, m.mustRead("").Value)
				}
			})
		})
	}
}

func TestConcurrentWritesOfOneAccountKeepTheFieldsOfAll(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		m.storage.misbehave("", blocks(100*time.Millisecond))
		given := []fields{{FieldTier: "pro"}, {FieldCacheTTL: 7}, {FieldRequestTimeout: 8}, pair(second, fields{FieldTier: "pro"})}
		var all []func() []answer
		for _, fields := range given {
			all = append(all, together(1, func() (Token, error) { return Token{}, m.write("", fields) }))
		}
		for _, end := range all {
			require.NoError(t, end()[0].err)
		}
		m.storage.behave()
		require.Len(t, m.calls(), 1, "a proof isn't made again because another write was quicker")
		require.Equal(t, &Config{
			APIKey: second.APIKey, APISecret: second.APISecret, PairWrittenAt: "2000-01-01T00:00:00Z", WebSocketURL: DefaultWebSocketURL, APIURL: kraken.DefaultURL, Tier: "pro", CacheTTL: 7, RequestTimeout: 8,
		}, m.stored(""))
		m.requireAgreement("")
	})
}

func TestOfTwoAccountsThatRaceForOneKeyOneWins(t *testing.T) {
	for _, slow := range []string{"get nonce/", "put nonce/", "put config", ""} {
		bubble(t, func(t *testing.T, m *mount) {
			m.storage.misbehave(slow, blocks(100*time.Millisecond))
			var all []func() []answer
			for i := range 5 {
				all = append(all, together(1, func() (Token, error) {
					return Token{}, m.write("desk-"+strconv.Itoa(i), pair(first, unproved))
				}))
			}
			won := 0
			for _, end := range all {
				if err := end()[0].err; err == nil {
					won++
				} else {
					require.IsType(t, &KeyInUseError{}, err)
				}
			}
			require.Equal(t, 1, won)
			m.storage.behave()
			require.Len(t, m.keysUnder("config/"), 1)
			require.Empty(t, m.storing)
		})
	}
}

func TestAKeyIsFreeOnceItsAccountHasAnotherOrIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		require.NoError(t, m.write("a", pair(first)))
		require.Equal(t, &KeyInUseError{Account: "a"}, m.write("b", pair(first)))
		require.NoError(t, m.write("a", pair(second)))
		m.configure("b")
		require.NoError(t, m.delete("a"))
		require.NoError(t, m.write("c", pair(second)))
		for _, name := range []string{"a", "b", "c"} {
			m.requireAgreement(name)
		}
	})
}

func TestARecordOfAKeyThatWasNeverUsedGoesWithItsConfig(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		require.NoError(t, m.write("", pair(second, unproved)))
		require.Equal(t, []string{"config", "nonce/" + keeper.ID(second.APIKey)}, m.keysUnder(""))
		m.storage.misbehave("delete nonce/", fails)
		require.NoError(t, m.delete(""), "if that fails, a record is left that means nothing")
		require.Contains(t, m.log.String(), "record was not deleted")
		m.storage.behave()
		require.NoError(t, m.write("other", pair(second)))
		require.NoError(t, m.delete("other"))
		require.Equal(t, []string{"nonce/" + keeper.ID(second.APIKey)}, m.keysUnder(""), "its nonce must not go back")
	})
}

func TestAConfigThatIsDeletedWhileItIsWrittenIsNotWritten(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		m.kraken.Misbehave(krakensim.Fault{Latency: time.Second})
		written := together(1, func() (Token, error) { return Token{}, m.write("", pair(second)) })
		synctest.Wait()
		require.NoError(t, m.delete(""))
		require.Equal(t, ErrDeleted, written()[0].err)
		require.Nil(t, m.stored(""))
		require.Empty(t, m.entries)
	})
}

func TestADeleteAndAWriteToAnotherAccountNeverWaitForAProof(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldRequestTimeout: "55s"})
		m.kraken.Misbehave(krakensim.Fault{Hang: true})
		writes := together(6, func() (Token, error) { return Token{}, m.write("", fields{FieldVerify: true, FieldCacheTTL: 7}) })
		synctest.Wait()
		began := time.Now()
		require.NoError(t, m.write("other", pair(second, unproved)))
		require.NoError(t, m.delete(""))
		require.Zero(t, time.Since(began))
		for _, a := range writes() {
			require.Error(t, a.err)
		}
		m.requireAgreement("")
	})
}

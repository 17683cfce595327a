package account

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
)

// This file shows what a write or a delete does to those who read meanwhile.

func TestReadersWhoWaitForTheirTurnGoOnWithTheNewConfig(t *testing.T) {
	withFactor := first
	withFactor.OTPPassword = "one"
	for name, new := range map[string]struct {
		given fields
		key   krakensim.Key // the only one that Kraken knows from then on
	}{
		"another pair":          {pair(second, unproved), second},
		"another pair, proved":  {pair(second), second},
		"another second factor": {fields{FieldOTPPassword: "", FieldVerify: false}, first},
		"another tier":          {fields{FieldTier: "pro"}, withFactor},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				m.kraken.SetKey(withFactor)
				m.configure("", fields{FieldOTPPassword: "one"})
				m.kraken.Misbehave(krakensim.Fault{Latency: 3 * time.Second, Times: 1})
				readers := m.readers(10, "")
				time.Sleep(time.Second)
				require.NoError(t, m.write("", new.given))
				m.kraken.RemoveKey(first.APIKey)
				m.kraken.RemoveKey(second.APIKey)
				m.kraken.SetKey(new.key)
				for _, a := range readers() {
					require.NoError(t, a.err)
					require.Equal(t, new.key.APIKey, m.madeFor(a.token))
					require.LessOrEqual(t, a.took, 3*time.Second)
				}
				require.Empty(t, m.status("").Failures)
			})
		})
	}
}

func TestReadersWhoWaitForTheirNextTryGoOnWithTheNewConfig(t *testing.T) {
	for _, ttl := range []string{"0", "5m"} {
		bubble(t, func(t *testing.T, m *mount) {
			m.configure("", fields{FieldCacheTTL: ttl})
			busy := krakensim.Fault{Status: 503, Header: map[string][]string{"Retry-After": {"5"}}, Times: 1}
			m.kraken.Misbehave(busy)
			readers := m.readers(1, "")
			time.Sleep(time.Second) // into the pause
			require.NoError(t, m.write("", pair(second)))
			a := readers()[0]
			require.NoError(t, a.err)
			require.Equal(t, second.APIKey, m.madeFor(a.token))
			require.Equal(t, time.Second, a.took)
		})
	}
}

func TestAfterADeleteReadersAreToldThatNothingIsConfigured(t *testing.T) {
	for _, ttl := range []string{"0", "5m"} {
		bubble(t, func(t *testing.T, m *mount) {
			m.configure("", fields{FieldCacheTTL: ttl})
			m.kraken.Misbehave(krakensim.Fault{Latency: 3 * time.Second})
			readers := m.readers(20, "")
			time.Sleep(time.Second)
			require.NoError(t, m.delete(""))
			late := 0
			for _, a := range readers() {
				require.Equal(t, &NotConfiguredError{}, a.err)
				require.Equal(t, Token{}, a.token)
				if a.took > time.Second {
					late++
				}
			}
			require.Equal(t, map[string]int{"0": 1, "5m": 0}[ttl], late, "but for the one on the wire, at once")
			time.Sleep(time.Minute)
			require.Len(t, m.calls(), 1, "no call is made after that")
			require.Empty(t, m.entries)
		})
	}
}

func TestARotationWithTenReadersWaitingAndTheOldKeyRevoked(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		m.kraken.Misbehave(krakensim.Fault{Latency: time.Second, Times: 1})
		readers := m.readers(10, "")
		require.NoError(t, m.write("", pair(second)))
		m.kraken.RemoveKey(first.APIKey) // the call on the wire hears of it
		for _, a := range readers() {
			require.NoError(t, a.err)
			require.Equal(t, second.APIKey, m.madeFor(a.token))
		}
		require.Empty(t, m.status("").Failures)
	})
}

func TestOnlyTheRequestOnTheWireMayFinish(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		m.kraken.Misbehave(krakensim.Fault{Latency: 3 * time.Second, Times: 1})
		readers := m.readers(3, "")
		time.Sleep(time.Second)
		require.NoError(t, m.write("", pair(second, unproved)))
		var waiting, onWire int
		for _, a := range readers() {
			require.NoError(t, a.err)
			require.Equal(t, second.APIKey, m.madeFor(a.token), "its token isn't handed out, though")
			if a.took == time.Second {
				waiting++
			} else if a.took == 3*time.Second {
				onWire++
			}
		}
		require.Equal(t, 2, waiting)
		require.Equal(t, 1, onWire)
		m.requireOrderly()
	})
}

func TestAFixOfTheAPIURLWhileFiveCallsToTheWrongOneHang(t *testing.T) {
	for name, given := range map[string]struct {
		fields fields
		within time.Duration
	}{
		"with a proof":      {pair(first), 2 * time.Second}, // a call of a second could still be answered
		"with verify=false": {pair(first, unproved), 0},
		"of ca_cert":        {pair(first, unproved, fields{FieldAPIURL: elsewhere, FieldCACert: certificate(t)}), 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				m.configure("", fields{FieldAPIURL: elsewhere, FieldRequestTimeout: "55s"})
				m.elsewhere.Misbehave(krakensim.Fault{Hang: true, Times: 1})
				readers := m.readers(5, "")
				began := time.Now()
				require.NoError(t, m.write("", given.fields))
				require.LessOrEqual(t, time.Since(began), given.within)
				for _, a := range readers() {
					require.LessOrEqual(t, a.took, given.within)
					require.NoError(t, a.err)
				}
				require.Zero(t, m.status("").Failures["aborted"])
			})
		})
	}
}

func TestAProofElsewhereThatHangsLeavesTheRunningReadersAlone(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldRequestTimeout: "20s"})
		m.elsewhere.Misbehave(krakensim.Fault{Hang: true})
		written := together(1, func() (Token, error) { return Token{}, m.write("", pair(first, fields{FieldAPIURL: elsewhere})) })
		synctest.Wait()
		for _, a := range m.readers(6, "")() {
			require.NoError(t, a.err)
		}
		requireProof(t, kraken.KindTimeout, written()[0].err)
		m.mustRead("")
	})
}

func TestNoCallIsMadeAndNoTokenHandedOutOfAnOldPairOnceAChangeHasAnswered(t *testing.T) {
	for name, change := range map[string]func(m *mount) error{
		"a write":        func(m *mount) error { return m.write("", pair(second, unproved)) },
		"a proved write": func(m *mount) error { return m.write("", pair(second)) },
		"a delete":       func(m *mount) error { return m.delete("") },
	} {
		for _, ttl := range []string{"0", "1m"} {
			t.Run(name+", cache_ttl "+ttl, func(t *testing.T) {
				bubble(t, func(t *testing.T, m *mount) {
					m.configure("", fields{FieldCacheTTL: ttl})
					for range 100 { // each call takes its time
						m.kraken.Misbehave(krakensim.Fault{Latency: time.Duration(rand.Int64N(int64(100 * time.Millisecond))), Times: 1})
					}
					var answered atomic.Int64
					late := func(at time.Time) bool { return answered.Load() > 0 && at.UnixNano() > answered.Load() }
					var all sync.WaitGroup
					for range 8 {
						all.Go(func() {
							for range 30 {
								token, err := m.read("")
								if err == nil && late(time.Now()) {
									require.NotEqual(t, first.APIKey, m.madeFor(token))
								}
								time.Sleep(time.Duration(rand.Int64N(int64(50 * time.Millisecond))))
							}
						})
					}
					time.Sleep(333 * time.Millisecond)
					require.NoError(t, change(m))
					answered.Store(time.Now().UnixNano())
					all.Wait()
					for _, call := range m.calls() {
						require.False(t, call.APIKey == first.APIKey && late(call.At))
					}
				})
			})
		}
	}
}

// The starter tier lets 15 calls at once, and one more every three seconds.
func TestEightConfigWritesBesideSlowReadsNeverExceedTheCounter(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		limited := first
		limited.Tier, limited.TOTPSecret = krakensim.TierStarter, "GEZDGNBVGY3TQOJQ"
		m.kraken.SetKey(limited)
		// Two texts, one second factor: HMAC fills a key up with zeros.
		seeds := [2]string{limited.TOTPSecret, limited.TOTPSecret + "AAAAAAAA"}
		m.configure("", fields{FieldTOTPSecret: seeds[1], FieldTier: "starter", FieldRequestTimeout: "30s"})
		m.kraken.Misbehave(krakensim.Fault{Process: true, Latency: time.Second})
		readers := m.readers(30, "")
		for i := range 8 {
			time.Sleep(700 * time.Millisecond)
			_ = m.write("", pair(first, fields{FieldTOTPSecret: seeds[i%2], FieldTier: "starter", FieldVerify: i%3 == 0}))
		}
		for _, a := range readers() {
			var held *keeper.HeldError
			require.True(t, a.err == nil || asError(a.err, &held), a.err)
		}
		m.requireOrderly()
	})
}

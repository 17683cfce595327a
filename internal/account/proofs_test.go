package account

import (
	"encoding/base64"
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

// requireProof checks that a write was refused for its proof, and why.
func requireProof(t *testing.T, kind kraken.Kind, err error) {
	t.Helper()
	require.IsType(t, &ProofError{}, err)
	requireKind(t, kind, err)
}

func TestAPairIsProvedWhenTheWriteBringsCredentialsOrAPlaceOrSaysSo(t *testing.T) {
	totp := krakensim.Key{APIKey: "with/a/seed", APISecret: otherSecret, TOTPSecret: totpSeed}
	for name, test := range map[string]struct {
		given fields
		calls int
	}{
		"credentials":                        {pair(second), 1},
		"credentials and a second factor":    {pair(totp, fields{FieldTOTPSecret: totpSeed}), 1},
		"an api_url":                         {pair(first, fields{FieldAPIURL: elsewhere}), 1},
		"a ca_cert":                          {pair(first, fields{FieldCACert: certificate(t)}), 1},
		"credentials, but verify=false":      {pair(second, unproved), 0},
		"an api_url, but verify=false":       {pair(first, unproved, fields{FieldAPIURL: elsewhere}), 0},
		"cache_ttl":                          {fields{FieldCacheTTL: "5m"}, 0},
		"request_timeout":                    {fields{FieldRequestTimeout: "30s"}, 0},
		"tier":                               {fields{FieldTier: "pro"}, 0},
		"cache_ttl and verify=true":          {fields{FieldCacheTTL: "5m", FieldVerify: true}, 1},
		"verify=true alone":                  {fields{FieldVerify: true}, 1},
		"nothing":                            {fields{}, 0},
		"the same pair, in words it is new":  {pair(first), 0},
		"the same pair, and another setting": {pair(first, fields{FieldCacheTTL: "5m"}), 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				m.kraken.SetKey(totp)
				m.configure("")
				require.NoError(t, m.write("", test.given))
				require.Len(t, m.calls(), test.calls)
				m.requireOrderly()
				m.requireAgreement("")
			})
		})
	}
	bubble(t, func(t *testing.T, m *mount) {
		require.NoError(t, m.write("", pair(first)))
		require.Len(t, m.calls(), 1, "the first write brings credentials")
	})
}

func TestAWriteThatTouchesNeitherAsksKrakenNothing(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		m.kraken.Misbehave(krakensim.Fault{Refuse: true})
		m.readers(1, "")() // an outage
		require.NoError(t, m.write("", fields{FieldCacheTTL: "5m"}))
		require.Equal(t, 300, m.stored("").CacheTTL)
		m.storage.takeUsed()
		require.NoError(t, m.write("", fields{FieldCacheTTL: 300}))
		require.Equal(t, []string{"get config"}, m.storage.takeUsed(), "a write that changes nothing stores nothing")
		require.Empty(t, m.calls())
	})
}

func TestAProofThatWasAskedForIsMadeThoughNothingChanges(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldCacheTTL: "5m"})
		m.takeTold()
		require.NoError(t, m.write("", fields{FieldVerify: true}))
		require.Equal(t, []string{`"" <nil>`}, m.takeTold())
		require.True(t, m.mustRead("").Cached, "its token is the cached one")
		m.kraken.RemoveKey(first.APIKey)
		requireProof(t, kraken.KindInvalidKey, m.write("", fields{FieldVerify: true}))
	})
}

func TestTheTokenThatProvedThePairIsTheFirstCachedOne(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		require.NoError(t, m.write("", pair(first, fields{FieldCacheTTL: "1m"})))
		require.True(t, m.mustRead("").Cached)
		require.Len(t, m.calls(), 1)
		require.EqualValues(t, 1, m.status("").Minted)
	})
	bubble(t, func(t *testing.T, m *mount) {
		require.NoError(t, m.write("", pair(first)))
		require.False(t, m.mustRead("").Cached, "there is no cache")
	})
}

func TestARefusedWriteIsNoFailedRead(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		m.takeTold()
		requireProof(t, kraken.KindInvalidSignature, m.write("", pair(first, fields{FieldAPISecret: otherSecret})))
		require.Empty(t, m.status("").Failures)
		require.Empty(t, m.takeTold())
		require.Empty(t, m.log.String())
	})
}

func TestProofsKeepToTheKeysHoldOffsLikeAnyCall(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		m.kraken.Misbehave(krakensim.Fault{Errors: []string{"EGeneral:Temporary lockout"}, Times: 1})
		_, err := m.read("")
		requireKind(t, kraken.KindLockout, err)
		m.forgetCalls()
		for i := range 5 { // of the running pair, of another one of the key, for the account and another one
			for _, given := range []fields{{FieldVerify: true}, pair(first, fields{FieldAPISecret: otherSecret}), pair(first, fields{FieldAPIURL: elsewhere})} {
				err := m.write("", given)
				require.IsType(t, &ProofError{}, err)
				var held *keeper.HeldError
				require.ErrorAs(t, err, &held, "write %d", i)
				require.Equal(t, 15*time.Minute, held.Wait)
			}
		}
		require.Empty(t, m.calls())
		time.Sleep(15 * time.Minute)
		require.NoError(t, m.write("", fields{FieldVerify: true}))
	})
}

func TestAProofAsksKrakenEvenIfReadsWereRefusedLately(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		m.kraken.RemoveKey(first.APIKey)
		_, err := m.read("")
		requireKind(t, kraken.KindInvalidKey, err)
		m.kraken.SetKey(first) // somebody mends it
		_, err = m.read("")
		require.IsType(t, &keeper.RememberedError{}, err)
		require.NoError(t, m.write("", fields{FieldVerify: true}))
		m.mustRead("")
	})
}

func TestAPairWhoseProofWasRefusedIsNotAskedAboutAgainFor30Seconds(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		wrong := pair(first, fields{FieldAPISecret: otherSecret})
		for i := range 20 {
			err := m.write("", wrong)
			requireProof(t, kraken.KindInvalidSignature, err)
			var remembered *keeper.RememberedError
			require.Equal(t, i > 0, asError(err, &remembered), "write %d", i)
			time.Sleep(1400 * time.Millisecond)
		}
		require.Len(t, m.calls(), 1)
		m.mustRead("")
		time.Sleep(2 * time.Second) // 30 s after the first
		requireProof(t, kraken.KindInvalidSignature, m.write("", wrong))
		require.Len(t, m.calls(), 3)
	})
}

func TestAfterFiveRefusedProofsAMinuteForOneAccountTheNextOneIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		wrong := func(i int) fields {
			return pair(krakensim.Key{APIKey: "made/up/" + strconv.Itoa(i), APISecret: otherSecret})
		}
		for i := range 5 {
			requireProof(t, kraken.KindInvalidKey, m.write("", wrong(i)))
			time.Sleep(time.Second)
		}
		require.Equal(t, &TooManyProofsError{Wait: 55 * time.Second}, m.write("", wrong(6)))
		require.Equal(t, &TooManyProofsError{Wait: 55 * time.Second}, m.write("", pair(second)), "though this one is good")
		require.Len(t, m.calls(), 5)
		require.NoError(t, m.write("", fields{FieldVerify: true}), "a pair that is stored can be proved")
		require.NoError(t, m.write("desk-a", pair(second)), "in another account too")
		require.NoError(t, m.write("", pair(krakensim.Key{APIKey: "unproved", APISecret: otherSecret}, unproved)))
		time.Sleep(55*time.Second - 1)
		require.Equal(t, &TooManyProofsError{Wait: 1}, m.write("", wrong(7)))
		time.Sleep(time.Nanosecond)
		requireProof(t, kraken.KindInvalidKey, m.write("", wrong(8)))
		require.Equal(t, &TooManyProofsError{Wait: time.Second}, m.write("", wrong(9)))
	})
}

func TestMadeUpKeysCost60CallsAMinuteAndLeaveNothing(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.kraken.SetLockout(krakensim.Lockout{Scope: krakensim.LockoutKey}) // by address, so many wrong pairs would lock this server out
		const writes = 4000
		refused, before := 0, len(m.entries)
		for i := range writes {
			err := m.write(fmt.Sprintf("tenant-%d", i), pair(krakensim.Key{APIKey: fmt.Sprintf("made/up/%d", i), APISecret: otherSecret}))
			if tooMany := (*TooManyProofsError)(nil); !asError(err, &tooMany) {
				requireProof(t, kraken.KindInvalidKey, err)
				refused++
			}
			time.Sleep(50 * time.Millisecond) // 200 s in all
		}
		require.Equal(t, 4*60, refused)
		require.Len(t, m.calls(), refused)
		require.Empty(t, m.keysUnder(""))
		require.Len(t, m.entries, before)
		time.Sleep(time.Minute)
		m.configure("") // whoever comes next sweeps
		require.Equal(t, 1, m.keepers.Len())
		require.NoError(t, m.proofs.begin("")) // here as well
		m.proofs.end("", false)
		require.Empty(t, m.proofs.refused)
		require.Empty(t, m.proofs.underWay)
		require.Zero(t, m.proofs.all)
	})
}

func TestProofsThatSucceedDontCount(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		for i := range 1000 {
			key := krakensim.Key{APIKey: fmt.Sprintf("key/%d", i), APISecret: otherSecret}
			m.kraken.SetKey(key)
			require.NoError(t, m.write(fmt.Sprintf("tenant-%d", i), pair(key)))
		}
	})
}

func TestProofsThatKrakenCouldNotAnswerDontCountEither(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.kraken.Misbehave(krakensim.Fault{Status: 502})
		for range 10 {
			requireProof(t, kraken.KindUnavailable, m.write("", pair(first)))
		}
	})
}

func TestAProofHoldsTheTurnFor5SecondsWhereTheKeyIsNotStored(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.kraken.Misbehave(krakensim.Fault{Hang: true})
		began := time.Now()
		requireProof(t, kraken.KindTimeout, m.write("", pair(first, fields{FieldRequestTimeout: "55s"})))
		require.Equal(t, 5*time.Second, time.Since(began))

		m.configure("", fields{FieldRequestTimeout: "40s"})
		began = time.Now()
		requireProof(t, kraken.KindTimeout, m.write("", pair(second, fields{FieldRequestTimeout: "55s"})))
		require.Equal(t, 5*time.Second, time.Since(began), "nor where another key is")
	})
}

func TestAProofHoldsTheTurnForHalfOfTheRunningRequestTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldRequestTimeout: "20s"})
		m.kraken.Misbehave(krakensim.Fault{Latency: 3 * time.Second, Times: 1}, krakensim.Fault{Hang: true, Times: 1})
		before := m.readers(1, "")
		written := together(1, func() (Token, error) {
			return Token{}, m.write("", fields{FieldVerify: true, FieldRequestTimeout: "55s"})
		})
		synctest.Wait()
		behind := m.readers(3, "")
		require.Equal(t, 3*time.Second, before()[0].took)
		require.NoError(t, before()[0].err)
		requireProof(t, kraken.KindTimeout, written()[0].err)
		require.Equal(t, 13*time.Second, written()[0].took, "it takes its place in the queue")
		for _, a := range behind() {
			require.NoError(t, a.err, "those behind it still have time")
			require.Equal(t, 13*time.Second, a.took)
		}
		m.requireOrderly()
	})
}

func TestAWriteWhoseProofHangsBesideSixReaders(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		m.kraken.Misbehave(krakensim.Fault{Hang: true, Times: 1})
		written := together(1, func() (Token, error) { return Token{}, m.write("", pair(first, fields{FieldAPISecret: otherSecret})) })
		synctest.Wait()
		for _, a := range m.readers(6, "")() {
			require.NoError(t, a.err)
		}
		requireProof(t, kraken.KindTimeout, written()[0].err)
	})
}

func TestWhatAProofNeededLeavesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.kraken.SetLockout(krakensim.Lockout{Scope: krakensim.LockoutKey}) // by address, so many wrong pairs would lock this server out
		for i := range 100 {
			require.Error(t, m.write(fmt.Sprint("tenant-", i), pair(krakensim.Key{APIKey: fmt.Sprint("made/up/", i), APISecret: otherSecret})))
			require.Empty(t, m.keysUnder(""))
			require.Empty(t, m.entries)
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		require.Error(t, m.write("", pair(krakensim.Key{APIKey: "last", APISecret: otherSecret})))
		require.Equal(t, 1, m.keepers.Len())
	})
}

func TestAKeysEntryIsWrittenWithTheCeilingThatItsProofNeeded(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		require.NoError(t, m.write("desk-a", pair(first)))
		record, ok, err := newKeyStore(m.storage, first.APIKey).Load(t.Context())
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, "desk-a", record.Account)
		require.Greater(t, record.Ceiling, m.kraken.LastNonce(first.APIKey))

		require.NoError(t, m.write("desk-b", pair(second, unproved)))
		record, _, err = newKeyStore(m.storage, second.APIKey).Load(t.Context())
		require.NoError(t, err)
		require.Equal(t, keeper.Record{Account: "desk-b", Unaccepted: true}, record, "no nonce was used")
	})
}

func TestAProofOfAKeyThatHasAnEntryKeepsToIt(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		ahead := uint64(time.Now().Add(time.Hour).UnixNano())
		m.put(keyStorage+keeper.ID(first.APIKey), keeper.Record{Account: "gone", Ceiling: ahead})
		require.NoError(t, m.write("", pair(first)))
		require.GreaterOrEqual(t, m.kraken.LastNonce(first.APIKey), ahead)
	})
}

func TestProofsUnderWayCountAsIfRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &proofs{underWay: map[string]int{}}
		for range proofsEach {
			require.NoError(t, p.begin("a"))
		}
		require.Equal(t, &TooManyProofsError{Wait: time.Second}, p.begin("a"), "one of them may succeed in a second")
		p.end("a", true)
		require.Equal(t, &TooManyProofsError{Wait: time.Minute}, p.begin("a"), "all of them may be refused")
		time.Sleep(time.Second)
		p.end("a", false)
		require.NoError(t, p.begin("a"))
		for range proofsAll - proofsEach {
			require.NoError(t, p.begin(fmt.Sprint(p.all)))
		}
		require.Equal(t, &TooManyProofsError{Wait: 59 * time.Second}, p.begin("b"), "of the whole mount")
		time.Sleep(59 * time.Second)
		require.NoError(t, p.begin("b"))
		require.Equal(t, &TooManyProofsError{Wait: time.Second}, p.begin("c"))
	})
}

func TestWhichOutcomesOfAProofCountAsRefused(t *testing.T) {
	for want, errs := range map[bool][]error{
		true:  {krakenSays(kraken.KindInvalidKey), krakenSays(kraken.KindPermissionDenied), krakenSays(kraken.KindUnexpected), krakenSays(kraken.KindInvalidNonce), krakenSays(kraken.KindLockout)},
		false: {nil, errDisk, krakenSays(kraken.KindTimeout), krakenSays(kraken.KindBlocked), &keeper.RememberedError{Err: krakenSays(kraken.KindInvalidKey)}, ErrClosed},
	} {
		for _, err := range errs {
			require.Equal(t, want, refusedByKraken(err), err)
		}
	}
}

func TestTheTokenOfAProofNamesTheWebSocketURLThatIsStored(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.kraken.Misbehave(krakensim.Fault{Latency: time.Second, Times: 1})
		proved := together(1, func() (Token, error) { return Token{}, m.write("", pair(first, fields{FieldCacheTTL: "5m"})) })
		synctest.Wait()
		require.NoError(t, m.write("", pair(first, unproved, fields{FieldWebSocketURL: "wss://ws-auth.kraken.com"})))
		require.NoError(t, proved()[0].err)
		token := m.mustRead("")
		require.True(t, token.Cached)
		require.Equal(t, "wss://ws-auth.kraken.com", token.WebSocketURL)
	})
}

// TestUnprovedPairsDontGoRoundTheLimitOfProofs: verify=false and a read would cost a refused call each.
func TestUnprovedPairsDontGoRoundTheLimitOfProofs(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		for i := range 300 {
			secret := make([]byte, 64)
			copy(secret, fmt.Sprint(i))
			key := krakensim.Key{APIKey: fmt.Sprintf("made%dup", i), APISecret: base64.StdEncoding.EncodeToString(secret)}
			require.NoError(t, m.write("a", pair(key, unproved)))
			_, err := m.read("a")
			require.Error(t, err)
		}
		require.Len(t, m.calls(), proofsEach)
	})
}

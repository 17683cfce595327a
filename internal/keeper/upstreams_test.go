package keeper

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/stretchr/testify/require"
)

const (
	blockedDetail = "HTTP 403 came from in front of Kraken: this host's address is refused there"
	limitedDetail = "HTTP 429 (too many requests) came from in front of Kraken"
	metByOthers   = ", and other accounts of this Vault server meet it too"
)

func addressBlocked() *kraken.Error {
	return &kraken.Error{Kind: kraken.KindBlocked, Sent: true, Detail: blockedDetail}
}

func addressLimited(wait time.Duration) *kraken.Error {
	return &kraken.Error{Kind: kraken.KindRateLimited, Sent: true, Detail: limitedDetail, RetryAfter: wait}
}

// another is the keeper of a further key among the same keepers, which has a Kraken and a store of its own.
func (b *bench) another(apiKey string, k *fakeKraken, stored bool) *bench {
	b.t.Helper()
	other := &bench{t: b.t, kraken: k, store: &fakeStore{stored: stored, record: Record{Account: apiKey}}, log: b.log, keepers: b.keepers}
	var err error
	other.Keeper, err = b.keepers.Hold(apiKey, other.store)
	require.NoError(b.t, err)
	other.SetTier(TierNone)
	return other
}

// TestTheAddressIsRefusedForAllOnceTwoKeysHaveMetIt.
func TestTheAddressIsRefusedForAllOnceTwoKeysHaveMetIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newBench(t, &fakeKraken{answer: always(addressBlocked())})
		two := one.another("two", &fakeKraken{answer: always(addressBlocked())}, true)
		three := one.another("three", &fakeKraken{}, true)

		require.EqualError(t, one.read(time.Second), blockedDetail)
		time.Sleep(time.Second)
		require.NoError(t, three.read(time.Second), "one alone may be the cause of what it meets")
		require.EqualError(t, one.read(time.Hour).(*RememberedError).Err, blockedDetail, "it keeps to it by itself")
		time.Sleep(10 * time.Second)
		require.False(t, NotAsked(two.read(time.Second)), "a good answer came in between")
		time.Sleep(time.Second)
		require.NoError(t, three.read(time.Second), "two is the only one that has met it since")

		time.Sleep(20 * time.Second)
		require.False(t, NotAsked(one.read(time.Second)))
		time.Sleep(10 * time.Second)
		require.False(t, NotAsked(two.read(time.Second)))
		calls, met := three.kraken.calls, time.Now()
		remembered := requireRemembered(t, three.read(time.Second))
		require.Equal(t, blockedDetail+metByOthers, remembered.Err.Error())
		require.Equal(t, met.Add(30*time.Second), remembered.Until)
		require.Equal(t, remembered.Until, three.Status(tokenUse).HeldUntil)
		requireKind(t, kraken.KindBlocked, remembered)
		require.NoError(t, three.do(elsewhereUse, time.Second), "another upstream is none of it")
		require.NoError(t, three.do(proof(tokenUse), time.Second), "a proof finds out")
		requireRemembered(t, three.do(infoUse, time.Second))
		requireRemembered(t, three.read(time.Second)) // the proof has taught nothing
		require.Equal(t, calls+2, three.kraken.calls)

		time.Sleep(30*time.Second - 1)
		requireRemembered(t, three.read(time.Second))
		time.Sleep(time.Nanosecond)
		require.NoError(t, three.read(time.Second))
		require.Zero(t, three.Status(tokenUse))
	})
}

func TestTheAddressIsHeldBackForAllOnceTwoKeysHaveMetIt(t *testing.T) {
	for name, waits := range map[string][3]time.Duration{
		"the first asks for more":  {40 * time.Second, 20 * time.Second, 40 * time.Second},
		"the second asks for more": {20 * time.Second, 40 * time.Second, 40 * time.Second},
		"neither asks":             {0, 0, firstHold},
		"it asks for too much":     {time.Second, 48 * time.Hour, longestAsked},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				one := newBench(t, &fakeKraken{answer: first(addressLimited(waits[0]))})
				two := one.another("two", &fakeKraken{answer: first(addressLimited(waits[1]))}, true)
				three := one.another("three", &fakeKraken{}, true)
				requireKind(t, kraken.KindRateLimited, one.read(time.Second))
				require.NoError(t, three.do(elsewhereUse, time.Second))
				requireKind(t, kraken.KindRateLimited, two.read(time.Second))
				began := time.Now()
				for _, use := range []Use{tokenUse, infoUse, proof(tokenUse)} {
					held := requireHeld(t, three.do(use, time.Second))
					require.Equal(t, waits[2], held.Wait)
					require.EqualError(t, held, fmt.Sprintf("held back for %d s: %s%s", waits[2]/time.Second, limitedDetail, metByOthers))
				}
				require.Equal(t, began.Add(waits[2]), three.Status(tokenUse).HeldUntil)
				require.NoError(t, three.do(elsewhereUse, time.Second))
				require.NoError(t, three.read(2*longestAsked), "who has the time waits")
				require.Equal(t, began.Add(waits[2]), three.kraken.times[len(three.kraken.times)-1].Truncate(time.Millisecond))
			})
		})
	}
}

// TestWhatTeachesNothingAboutAnUpstream: what is for anybody to write, and what Kraken itself has said, is about a key.
func TestWhatTeachesNothingAboutAnUpstream(t *testing.T) {
	said := func(kind kraken.Kind) *kraken.Error {
		return &kraken.Error{Kind: kind, Sent: true, Messages: []string{"EAPI:Rate limit exceeded"}}
	}
	for name, test := range map[string]struct {
		answer   error
		use      Use
		unstored bool
	}{
		"a proof that is blocked":            {answer: addressBlocked(), use: proof(tokenUse)},
		"a proof that is limited":            {answer: addressLimited(0), use: proof(tokenUse)},
		"a key that isn't stored is blocked": {answer: addressBlocked(), use: tokenUse, unstored: true},
		"a key that isn't stored is limited": {answer: addressLimited(0), use: tokenUse, unstored: true},
		"Kraken's own rate limit":            {answer: said(kraken.KindRateLimited), use: tokenUse},
		"a lockout":                          {answer: said(kraken.KindLockout), use: tokenUse},
		"an invalid key":                     {answer: failed(kraken.KindInvalidKey), use: tokenUse},
		"nonsense":                           {answer: failed(kraken.KindNonsense), use: tokenUse},
		"another upstream":                   {answer: addressBlocked(), use: elsewhereUse},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reader := newBench(t, &fakeKraken{})
				for i := range 5 {
					other := reader.another(fmt.Sprint("other", i), &fakeKraken{answer: always(test.answer)}, !test.unstored)
					require.Error(t, other.do(test.use, time.Second))
				}
				require.NoError(t, reader.read(time.Second))
			})
		})
	}
}

// TestOneKeyAloneIsNotBelieved however often it meets it.
func TestOneKeyAloneIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newBench(t, &fakeKraken{answer: always(addressBlocked())})
		two := one.another("two", &fakeKraken{}, true)
		other := tokenUse
		other.Credentials = Fingerprint{2}
		require.False(t, NotAsked(one.read(time.Second)))
		require.False(t, NotAsked(one.do(other, time.Second)))
		require.NoError(t, two.read(time.Second))
	})
}

// TestOneAccountAloneIsNotBelieved, with however many keys one after the other.
func TestOneAccountAloneIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := newBench(t, &fakeKraken{})
		for i := range 5 {
			key := reader.another(fmt.Sprint("key", i), &fakeKraken{answer: always(addressBlocked())}, true)
			key.store.record.Account = "desk-a"
			require.False(t, NotAsked(key.read(time.Second)))
		}
		require.NoError(t, reader.read(time.Second))
	})
}

// TestAGoodAnswerEndsWhatWasMetBeforeItBegan, and nothing else: a call that was under way already says little.
func TestAGoodAnswerEndsWhatWasMetBeforeItBegan(t *testing.T) {
	for name, test := range map[string]struct {
		begins time.Duration // after the first has met it
		use    Use
		ends   bool
	}{
		"it begins later":        {time.Second, tokenUse, true},
		"it was under way":       {-time.Second, tokenUse, false},
		"it is a proof":          {time.Second, proof(tokenUse), false},
		"it is another upstream": {time.Second, elsewhereUse, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				one := newBench(t, &fakeKraken{answer: always(addressBlocked())})
				two := one.another("two", &fakeKraken{answer: always(addressBlocked())}, true)
				three := one.another("three", &fakeKraken{latency: fixed(3 * time.Second)}, true)
				four := one.another("four", &fakeKraken{}, true)
				time.AfterFunc(2*time.Second, func() { require.Error(t, one.read(time.Second)) })
				time.Sleep(2*time.Second + test.begins)
				require.NoError(t, three.do(test.use, time.Minute))
				require.Error(t, two.read(time.Second))
				if err := four.read(time.Second); test.ends {
					require.NoError(t, err, "two is the first again")
				} else {
					requireRemembered(t, err)
				}
			})
		})
	}
}

// TestWaitersOfOtherKeysFindOutWhenItIsTheirTurn.
func TestWaitersOfOtherKeysFindOutWhenItIsTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newBench(t, &fakeKraken{answer: always(addressBlocked())})
		two := one.another("two", &fakeKraken{answer: always(addressBlocked())}, true)
		three := one.another("three", &fakeKraken{latency: fixed(time.Second)}, true)
		answers := []<-chan error{three.begin(within(t, time.Minute), tokenUse, three.kraken.call), three.begin(within(t, time.Minute), tokenUse, three.kraken.call)}
		require.Error(t, one.read(time.Second))
		require.Error(t, two.read(time.Second))
		require.NoError(t, <-answers[0], "it was under way")
		requireRemembered(t, <-answers[1])
		three.requireIdle()
	})
}

func TestWhatIsKnownOfUpstreamsIsBounded(t *testing.T) {
	us, now := newUpstreams(), time.Now()
	for i := range 2 * mostTroubles {
		for _, id := range []string{"one", "two"} {
			us.met(fmt.Sprint(i), id, "desk-"+id, addressBlocked(), now, now.Add(time.Minute))
		}
	}
	require.Len(t, us.troubles, mostTroubles)
	require.NotNil(t, us.blocked(Use{Upstream: "0"}, now))
	require.Nil(t, us.blocked(Use{Upstream: fmt.Sprint(mostTroubles)}, now), "each key meets it by itself")
	later := now.Add(time.Minute)
	us.met("new", "one", "desk-one", addressBlocked(), later, later.Add(time.Minute))
	require.Len(t, us.troubles, 1, "what is over makes room")
}

// TestHowLongTwoKeysAreBelieved: they must have met it within the time that it is in force, and then it is, whoever meets it again.
func TestHowLongTwoKeysAreBelieved(t *testing.T) {
	us, began, use := newUpstreams(), time.Now(), Use{Upstream: "kraken"}
	meet := func(id string, at time.Duration) { // it is in force for 30 s
		us.met("kraken", id, "desk-"+id, addressBlocked(), began.Add(at), began.Add(at+30*time.Second))
	}
	until := func(at time.Duration) time.Duration {
		t := us.blocked(use, began.Add(at))
		if t == nil {
			return 0
		}
		return t.until.Sub(began)
	}
	meet("one", 0)
	meet("two", 30*time.Second)
	require.Zero(t, until(30*time.Second), "what the first has met is over")
	meet("one", 40*time.Second)
	require.Equal(t, 70*time.Second, until(40*time.Second))
	meet("two", 50*time.Second)
	require.Equal(t, 80*time.Second, until(50*time.Second), "it stays shared")
	meet("three", 45*time.Second)
	require.Equal(t, 80*time.Second, until(50*time.Second), "and isn't shortened")
	require.Zero(t, until(80*time.Second))
}

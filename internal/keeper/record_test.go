package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

func TestRecordIsWrittenAsTheFirstVersionWroteIt(t *testing.T) {
	const stored = `{"account":"desk","ceiling":1616492436594000000}`
	record := Record{Account: "desk", Ceiling: 1616492436594000000}
	written, err := json.Marshal(record)
	require.NoError(t, err)
	require.Equal(t, stored, string(written))
	var read Record
	require.NoError(t, json.Unmarshal([]byte(stored), &read))
	require.Equal(t, record, read)
}

func TestCeilingIsStoredOnceAMinuteAndBeforeUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		for range 100 * 60 {
			require.NoError(t, b.Do(t.Context(), tokenUse, func(_ context.Context, nonce uint64) error {
				require.Less(t, nonce, b.store.record.Ceiling, "the stored ceiling is above what is used")
				return nil
			}))
			time.Sleep(time.Second)
		}
		require.Equal(t, 100, b.store.saves)
		require.Equal(t, 1, b.store.loads)
		require.Equal(t, "desk", b.store.record.Account)
	})
}

func TestCeilingIsStoredSeldomWhileTheNoncesRunAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nonce := failed(kraken.KindInvalidNonce)
		b := newBench(t, &fakeKraken{answer: first(nonce, nonce, nonce)})
		for range 1000 {
			require.NoError(t, b.read(time.Second))
			require.Less(t, b.kraken.nonces[len(b.kraken.nonces)-1], b.store.record.Ceiling)
			time.Sleep(10 * time.Millisecond)
		}
		require.LessOrEqual(t, b.store.saves, 12, "ten seconds")
	})
}

func TestRestartsCostTheNoncesAMillisecondEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{stored: true}
		require.NoError(t, newBenchOver(t, &fakeKraken{}, store).read(time.Second))
		before := store.record.Ceiling
		require.Equal(t, nanoseconds(time.Now().Add(ceilingAhead)), before)
		for range 10 {
			require.NoError(t, newBenchOver(t, &fakeKraken{}, store).read(time.Second))
		}
		require.LessOrEqual(t, store.record.Ceiling, before+10*uint64(leastReserve))
	})
}

func TestNothingIsSentWithoutAStoredCeiling(t *testing.T) {
	full := errors.New("disk full")
	for name, store := range map[string]*fakeStore{"that can't be loaded": {err: full}, "that can't be saved": {stored: true, err: full}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBenchOver(t, &fakeKraken{}, store)
				b.SetTier(TierPro)
				for range 3 {
					err := b.read(time.Second)
					require.ErrorAs(t, err, new(*StoreError))
					require.ErrorIs(t, err, full)
					require.False(t, NotAsked(err))
				}
				require.Zero(t, b.kraken.calls)
				require.InDelta(t, 17, b.left(), 1e-9)
				b.requireIdle()
				store.err = nil
				require.NoError(t, b.read(time.Second), "it heals")
				require.Equal(t, 1, store.loads)
			})
		})
	}
}

// The second try needs a nonce of its own. A store that fails then ends it.
func TestStoreThatFailsAfterARefusedNonce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		full := errors.New("disk full")
		err := b.Do(t.Context(), tokenUse, func(context.Context, uint64) error {
			b.nonces.last = b.store.record.Ceiling
			b.store.err = full
			return failed(kraken.KindInvalidNonce)
		})
		require.ErrorIs(t, err, full)
		b.requireIdle()
	})
}

func TestStoreThatTakesAllTheTime(t *testing.T) {
	t.Run("is a timeout, and nothing was sent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBenchOver(t, &fakeKraken{}, &fakeStore{stored: true, takes: time.Hour})
			failed := requireKind(t, kraken.KindTimeout, b.read(time.Second))
			require.False(t, failed.Sent)
			require.ErrorIs(t, failed, context.DeadlineExceeded)
			require.Equal(t, "the storage took all the time, so nothing was sent to Kraken", failed.Detail)
			require.Zero(t, b.kraken.calls)
			requireOutageIs(t, false, b)
		})
	})
	t.Run("is one too if the store says so a moment before the time is over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			late := errors.New("rpc error: code = DeadlineExceeded")
			b := newBenchOver(t, &fakeKraken{}, &fakeStore{stored: true, takes: time.Second - time.Millisecond, err: late})
			require.ErrorIs(t, requireKind(t, kraken.KindTimeout, b.read(time.Second)), late)
			b = newBenchOver(t, &fakeKraken{}, &fakeStore{stored: true, takes: time.Second - LeastCallTime, err: late})
			require.ErrorAs(t, b.read(time.Second), new(*StoreError), "with time left for a call it is the store's trouble")
		})
	})
	t.Run("and the mount ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBenchOver(t, &fakeKraken{}, &fakeStore{stored: true, takes: time.Hour})
			use := tokenUse
			wire, cut := context.WithCancelCause(t.Context())
			use.Wire = wire
			answer := b.begin(within(t, time.Minute), use, b.kraken.call)
			ended := errors.New("ended")
			cut(ended)
			require.Equal(t, ended, <-answer)
		})
	})
	t.Run("and the caller goes: no call is begun for it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBenchOver(t, &fakeKraken{}, &fakeStore{stored: true, takes: time.Second})
			ctx, leave := context.WithCancel(t.Context())
			answer := b.begin(ctx, tokenUse, b.kraken.call)
			leave()
			require.Equal(t, context.Canceled, <-answer)
			require.Zero(t, b.kraken.calls)
			b.requireIdle()
		})
	})
	t.Run("and the call isn't what uses it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBenchOver(t, &fakeKraken{}, &fakeStore{stored: true, takes: time.Hour})
			go func() { _ = b.Claim(within(t, time.Hour), "desk", false) }()
			synctest.Wait()
			requireKind(t, kraken.KindTimeout, b.read(time.Second))
			require.Zero(t, b.kraken.calls)
			b.requireIdle()
		})
	})
	t.Run("and others wait for it: their waits end with their callers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBenchOver(t, &fakeKraken{}, &fakeStore{stored: true, takes: time.Hour})
			b.begin(within(t, time.Hour), tokenUse, b.kraken.call)
			ctx := within(t, time.Second)
			_, _, err := b.Owner(ctx)
			require.Equal(t, context.DeadlineExceeded, err)
			require.Equal(t, context.DeadlineExceeded, b.Claim(ctx, "desk", false))
			require.Equal(t, context.DeadlineExceeded, b.Unclaim(ctx, "desk"))
		})
	})
}

func TestReloadTakesWhatAnotherProcessStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		require.NoError(t, b.read(time.Second))
		ceiling := b.store.record.Ceiling + uint64(time.Hour)
		b.store.record = Record{Account: "another", Ceiling: ceiling}
		b.Reload()
		require.NoError(t, b.read(time.Second))
		require.Equal(t, ceiling, b.kraken.nonces[1])
		require.Equal(t, Record{Account: "another", Ceiling: ceiling + uint64(leastReserve)}, b.store.record)
		b.store.record, b.store.stored = Record{}, false
		b.Reload()
		require.NoError(t, b.read(time.Second))
		require.Equal(t, ceiling+1, b.kraken.nonces[2], "the nonce grows all the same")
		require.False(t, b.store.stored)
	})
}

func TestReloadThatComesWhileTheRecordIsLoadedIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBenchOver(t, &fakeKraken{}, &fakeStore{stored: true, takes: time.Second, record: Record{Account: "desk", Ceiling: 1}})
		owner := make(chan string)
		ask := func() {
			record, ok, err := b.Owner(t.Context())
			require.NoError(t, err)
			require.True(t, ok)
			owner <- record.Account
		}
		go ask()
		synctest.Wait()
		b.Reload()
		require.Equal(t, "desk", <-owner)
		b.store.record.Account = "another"
		go ask()
		require.Equal(t, "another", <-owner)
		require.Equal(t, 2, b.store.loads)
	})
}

func TestOwnerIsWhoTheKeyWasLastStoredIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBenchOver(t, &fakeKraken{}, &fakeStore{})
		owner := func() (string, bool) {
			record, ok, err := b.Owner(t.Context())
			require.NoError(t, err)
			return record.Account, ok
		}
		_, ok := owner()
		require.False(t, ok)
		require.NoError(t, b.Claim(t.Context(), "", false))
		account, ok := owner()
		require.True(t, ok, "the default account has no name")
		require.Empty(t, account)
		require.Equal(t, Record{Unaccepted: true}, b.store.record)
		require.NoError(t, b.Claim(t.Context(), "desk", false))
		account, _ = owner()
		require.Equal(t, "desk", account)
		require.Equal(t, 2, b.store.saves)
		require.NoError(t, b.Claim(t.Context(), "desk", false))
		require.Equal(t, 2, b.store.saves, "nothing is written if that is what is stored")
		require.Equal(t, 1, b.store.loads)
	})
}

// Whoever only knows a public key can store it in an account of theirs, unproved. Whoever has the pair must be able to tell.
func TestAClaimIsProvedByAGoodAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBenchOver(t, &fakeKraken{answer: first(failed(kraken.KindInvalidKey), nil)}, &fakeStore{})
		proved := func() bool {
			record, _, err := b.Owner(t.Context())
			require.NoError(t, err)
			return record.Proved
		}
		require.NoError(t, b.Claim(t.Context(), "desk", false))
		require.Error(t, b.read(time.Second))
		require.False(t, proved())
		another := proof(tokenUse)
		another.Credentials = Fingerprint{2}
		require.NoError(t, b.do(another, time.Second))
		require.False(t, proved(), "a proof is about credentials that aren't the account's yet")
		time.Sleep(refusalMemory)
		require.NoError(t, b.read(time.Second))
		require.True(t, proved())
		require.False(t, b.store.record.Proved, "that costs no storage write of its own")
		time.Sleep(ceilingAhead)
		require.NoError(t, b.read(time.Second))
		require.True(t, b.store.record.Proved)
		require.NoError(t, b.Claim(t.Context(), "desk", false))
		require.False(t, proved(), "other credentials may have been stored")
		require.NoError(t, b.Claim(t.Context(), "desk", true))
		require.True(t, proved())
		require.True(t, b.store.record.Proved)
	})
}

func TestOnlyTheOwnerCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		another := tokenUse
		another.Account = "another"
		var notOwner *NotOwnerError
		require.ErrorAs(t, b.do(another, time.Second), &notOwner)
		require.Equal(t, "desk", notOwner.Owner)
		require.Zero(t, b.kraken.made())
		require.NoError(t, b.do(proof(another), time.Second), "a proof is about who shall own it")
		require.NoError(t, b.Claim(t.Context(), "another", false))
		require.NoError(t, b.do(another, time.Second))
		desk := tokenUse
		desk.Account = "desk"
		require.ErrorAs(t, b.do(desk, time.Second), &notOwner)
		require.Equal(t, 2, b.kraken.made())
	})
}

// TestOnlyTheOwnerIsServedAndTold: another account that has claimed the key waits in no queue, has no say in the tier and sees nothing of the key.
func TestOnlyTheOwnerIsServedAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{answer: first(failed(kraken.KindRateLimited))})
		desk, another := tokenUse, tokenUse
		desk.Account, desk.Tier = "desk", TierStarter
		another.Account, another.Tier = "another", TierNone
		require.Error(t, b.do(desk, time.Second))
		began := time.Now()
		for range 100 {
			var notOwner *NotOwnerError
			require.ErrorAs(t, b.do(another, time.Minute), &notOwner)
		}
		require.Equal(t, began, time.Now(), "it waits for nothing")
		require.Zero(t, b.Status(another))
		status := b.Status(desk)
		require.True(t, status.Counted)
		require.NotZero(t, status.HeldUntil)
	})
}

// What a proof needed is stored with its pair, not before.
func TestClaimStoresACeilingAboveWhatTheProofUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nonce := failed(kraken.KindInvalidNonce)
		b := newBenchOver(t, &fakeKraken{answer: first(nonce, nonce, nonce)}, &fakeStore{})
		require.NoError(t, b.do(proof(tokenUse), time.Second))
		require.False(t, b.store.stored)
		require.NoError(t, b.Claim(t.Context(), "desk", false))
		used := b.kraken.nonces[3]
		require.Equal(t, Record{Account: "desk", Ceiling: max(used+uint64(leadReserve), nanoseconds(time.Now().Add(ceilingAhead)))}, b.store.record)
		require.NoError(t, b.read(time.Second))
		require.Greater(t, b.kraken.nonces[4], used)
		require.NoError(t, b.Claim(t.Context(), "another", false))
		require.Equal(t, 2, b.store.saves, "the ceiling is enough as it is")
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBenchOver(t, &fakeKraken{}, &fakeStore{stored: true, record: Record{Ceiling: 1}})
		b.record.loaded = true // and nothing of it is known but that a nonce was used
		b.record.stored, b.record.Ceiling, b.nonces.last = true, 7, 7
		require.NoError(t, b.Claim(t.Context(), "", false))
		require.Equal(t, nanoseconds(time.Now().Add(ceilingAhead)), b.store.record.Ceiling)
	})
}

func TestStoreThatFailsLeavesWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		full := errors.New("disk full")
		b.store.err = full
		_, _, err := b.Owner(t.Context())
		require.Equal(t, full, err)
		require.Equal(t, full, b.Claim(t.Context(), "another", false))
		require.Equal(t, full, b.Unclaim(t.Context(), "desk"))
		b.store.err = nil
		_, _, err = b.Owner(t.Context())
		require.NoError(t, err)
		b.store.err = full
		require.Equal(t, full, b.Claim(t.Context(), "another", false))
		require.Equal(t, full, b.Unclaim(t.Context(), "desk"))
		record, ok, err := b.Owner(t.Context())
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, "desk", record.Account)
	})
}

// Trap: owner and ceiling share an entry, so they have one writer.
func TestRecordHasOneWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBenchOver(t, &fakeKraken{}, &fakeStore{stored: true, takes: time.Millisecond, record: Record{Account: "desk"}})
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() { require.NoError(t, b.do(proof(tokenUse), time.Minute)) })
			all.Go(func() { require.NoError(t, b.Claim(t.Context(), []string{"desk", "another"}[i%2], true)) })
			all.Go(func() { require.NoError(t, b.Unclaim(t.Context(), "nobody")) })
			all.Go(b.Reload)
			all.Go(func() { _, _, err := b.Owner(t.Context()); require.NoError(t, err) })
			time.Sleep(2 * time.Second)
		}
		all.Wait()
		require.Equal(t, 1, b.store.mostUsers)
		require.Greater(t, b.store.record.Ceiling, b.kraken.nonces[49], "no claim has put an older ceiling back")
		require.Equal(t, "another", b.store.record.Account, "nor a call an older owner")
		require.IsIncreasing(t, b.kraken.nonces)
	})
}

// TestACallThatIsForbiddenWhileItsNonceIsStoredIsNotMade: a node that steps down has a storage that takes its time.
func TestACallThatIsForbiddenWhileItsNonceIsStoredIsNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBenchOver(t, &fakeKraken{}, &fakeStore{stored: true, takes: 5 * time.Second, record: Record{Account: "desk"}})
		forbidden := errors.New("another node asks Kraken")
		stepsDown := time.Now().Add(time.Second)
		use := tokenUse
		use.Allowed = func() error {
			if time.Now().After(stepsDown) {
				return forbidden
			}
			return nil
		}
		require.Equal(t, forbidden, b.do(use, time.Minute))
		require.Zero(t, b.kraken.calls)
		b.requireIdle()
	})
}

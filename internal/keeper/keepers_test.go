package keeper

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

func TestIDIsTheHashOfTheAPIKey(t *testing.T) {
	require.Equal(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", ID("abc"))
}

func TestAllWhoHoldAKeyHaveTheSameKeeper(t *testing.T) {
	ks := NewKeepers(time.Now, hclog.NewNullLogger())
	one, err := ks.Hold("one", &fakeStore{})
	require.NoError(t, err)
	again, err := ks.Hold("one", nil)
	require.NoError(t, err)
	two, err := ks.Hold("two", &fakeStore{})
	require.NoError(t, err)
	require.Same(t, one, again)
	require.NotSame(t, one, two)
	require.Equal(t, 2, ks.Len())
	ks.Release(one)
	require.Equal(t, 2, ks.Len())
	ks.Release(again)
	require.Equal(t, 1, ks.Len(), "one that knows nothing is forgotten with its last user")
	ks.Release(two)
	require.Zero(t, ks.Len())
}

// Trap: a keeper that is forgotten begins with an empty counter, without hold-offs, and beside calls that are under way.
func TestKeepersForgetNothingThatMatters(t *testing.T) {
	cases := map[string]struct {
		learn func(t *testing.T, b *bench)
		until time.Duration // it may be forgotten then
	}{
		"counted calls": {func(t *testing.T, b *bench) {
			b.SetTier(TierPro)
			for range 3 {
				require.NoError(t, b.read(time.Second))
			}
		}, 3 * time.Second},
		"a hold-off": {func(t *testing.T, b *bench) {
			b.kraken.answer = always(failed(kraken.KindLockout))
			require.Error(t, b.read(time.Second))
		}, lockoutHold},
		"a refusal": {func(t *testing.T, b *bench) {
			b.kraken.answer = always(failed(kraken.KindInvalidKey))
			require.Error(t, b.read(time.Second))
		}, refusalMemory},
		"a call under way": {func(t *testing.T, b *bench) {
			b.begin(within(t, time.Minute), tokenUse, hang)
		}, time.Minute},
		"a call beside": {func(t *testing.T, b *bench) {
			b.begin(within(t, 2*time.Second), tokenUse, hang)
			b.begin(within(t, time.Minute), beside(elsewhereUse), hang)
		}, time.Minute},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{})
				c.learn(t, b)
				began := time.Now()
				b.keepers.Release(b.Keeper)
				another := func() {
					k, err := b.keepers.Hold("another", &fakeStore{})
					require.NoError(t, err)
					b.keepers.Release(k)
				}
				time.Sleep(c.until - 1)
				another()
				require.Equal(t, 1, b.keepers.Len())
				k, err := b.keepers.Hold("example-api-key", nil)
				require.NoError(t, err)
				require.Same(t, b.Keeper, k)
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				another()
				require.Equal(t, 1, b.keepers.Len(), "somebody holds it")
				b.keepers.Release(k)
				require.Zero(t, b.keepers.Len())
				require.Equal(t, c.until, time.Since(began))
			})
		})
	}
}

func TestIdleKeepersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ks := NewKeepers(time.Now, hclog.NewNullLogger())
		defer ks.Close()
		hold := func(n int) *Keeper {
			k, err := ks.Hold(strconv.Itoa(n), &fakeStore{})
			require.NoError(t, err)
			return k
		}
		refused := func(context.Context, uint64) error { return failed(kraken.KindInvalidKey) }
		held := hold(-1)
		require.Error(t, held.Do(t.Context(), tokenUse, refused))
		busy := hold(-2)
		done := make(chan struct{})
		go func() {
			_ = busy.Do(t.Context(), tokenUse, func(context.Context, uint64) error { <-done; return errors.New("done") })
		}()
		synctest.Wait()
		ks.Release(busy)
		var all []*Keeper
		for n := range mostIdle + 10 {
			k := hold(n)
			all = append(all, k)
			require.Error(t, k.Do(t.Context(), tokenUse, refused))
			time.Sleep(time.Millisecond)
		}
		for _, k := range all[:mostIdle-10] { // as Release has it, but for a look at all others each time
			k.users, ks.idle[k.id] = 0, k
		}
		for _, k := range all[mostIdle-10:] {
			require.LessOrEqual(t, len(ks.idle), mostIdle)
			ks.Release(k)
		}
		require.Len(t, ks.idle, mostIdle)
		require.Equal(t, 1+mostIdle, ks.Len())
		require.Same(t, held, hold(-1), "whoever holds one keeps it")
		require.Same(t, busy, hold(-2), "a call is under way")
		require.Same(t, all[11], hold(11))
		require.NotSame(t, all[10], hold(10), "the first whose knowledge is worth nothing goes first")
		close(done)
	})
}

// Else whoever may have many pairs proved could push away what is known of others' keys.
func TestProofsPushAwayNoKeeperOfAStoredKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ks := NewKeepers(time.Now, hclog.NewNullLogger())
		defer ks.Close()
		refused := func(context.Context, uint64) error { return failed(kraken.KindInvalidKey) }
		hold := func(key string, store *fakeStore) *Keeper {
			k, err := ks.Hold(key, store)
			require.NoError(t, err)
			require.Error(t, k.Do(t.Context(), proof(tokenUse), refused))
			return k
		}
		stored := hold("stored", &fakeStore{stored: true})
		ks.Release(stored)
		time.Sleep(time.Second) // its knowledge is the first to be worth nothing
		for n := range mostIdle - 1 {
			k := hold(strconv.Itoa(n), &fakeStore{})
			k.users, ks.idle[k.id] = 0, k
		}
		for n := range 3 {
			ks.Release(hold("last "+strconv.Itoa(n), &fakeStore{}))
		}
		require.Equal(t, mostIdle+1, ks.Len())
		require.Contains(t, ks.idle, stored.id)
	})
}

func TestIdleKeepersThatAreAllBusyStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ks := NewKeepers(time.Now, hclog.NewNullLogger())
		defer ks.Close()
		var all []*Keeper
		for n := range mostIdle + 2 {
			k, err := ks.Hold(strconv.Itoa(n), &fakeStore{})
			require.NoError(t, err)
			ctx := within(t, time.Minute)
			go func() { _ = k.Do(ctx, tokenUse, hang) }()
			all = append(all, k)
		}
		synctest.Wait()
		for _, k := range all[:mostIdle] {
			k.users, ks.idle[k.id] = 0, k
		}
		ks.Release(all[mostIdle])
		ks.Release(all[mostIdle+1])
		require.Equal(t, mostIdle+2, ks.Len())
		time.Sleep(time.Minute)
	})
}

func TestKeepersReloadTheRecordOfAnID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{})
		require.NoError(t, b.read(time.Second))
		b.keepers.Reload(ID("another"))
		b.keepers.Reload("no ID")
		require.NoError(t, b.read(time.Second))
		require.Equal(t, 1, b.store.loads)
		b.keepers.Reload(ID("example-api-key"))
		require.NoError(t, b.read(time.Second))
		require.Equal(t, 2, b.store.loads)
	})
}

// Trap: after Close, nothing begins. Whoever waits is told at once, wherever it waits.
func TestCloseAnswersAllWhoWaitAndAllWhoCome(t *testing.T) {
	cases := map[string]func(t *testing.T, b *bench) <-chan error{
		"for the turn": func(t *testing.T, b *bench) <-chan error {
			b.begin(within(t, time.Minute), tokenUse, hang)
			return b.begin(within(t, time.Minute), tokenUse, b.kraken.call)
		},
		"with the turn, for the counter": func(t *testing.T, b *bench) <-chan error {
			b.SetTier(TierStarter)
			for range 14 {
				require.NoError(t, b.read(time.Second))
			}
			return b.begin(within(t, time.Minute), tokenUse, b.kraken.call)
		},
		"with the turn, for the end of a hold-off": func(t *testing.T, b *bench) <-chan error {
			b.kraken.answer = first(failed(kraken.KindRateLimited))
			require.Error(t, b.read(time.Second))
			return b.begin(within(t, time.Minute), tokenUse, b.kraken.call)
		},
		"with the turn, for the store": func(t *testing.T, b *bench) <-chan error {
			b.store.takes = 1
			return b.begin(within(t, time.Minute), tokenUse, b.kraken.call)
		},
		"for another proof": func(t *testing.T, b *bench) <-chan error {
			b.begin(within(t, time.Minute), proof(tokenUse), hang)
			return b.begin(within(t, time.Minute), proof(tokenUse), b.kraken.call)
		},
	}
	for name, wait := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &fakeKraken{})
				waits := wait(t, b)
				calls := b.kraken.made()
				began := time.Now()
				b.keepers.Close()
				b.keepers.Close()
				require.Equal(t, ErrClosed, <-waits)
				require.LessOrEqual(t, time.Since(began), 2*time.Nanosecond)
				for _, use := range []Use{tokenUse, infoUse, proof(tokenUse), beside(elsewhereUse)} {
					if name == "for another proof" && use.Proof {
						continue // it waits for the proof under way, until the test's clock moves on
					}
					require.Equal(t, ErrClosed, b.do(use, time.Second))
				}
				require.Equal(t, calls, b.kraken.made())
				_, err := b.keepers.Hold("example-api-key", b.store)
				require.Equal(t, ErrClosed, err)
				require.Zero(t, b.keepers.Len())
				b.keepers.Release(b.Keeper)
				require.Zero(t, b.keepers.Len())
			})
		})
	}
}

func TestCallUnderWayEndsAsItsContextDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fakeKraken{latency: fixed(time.Second)})
		answer := b.begin(within(t, time.Minute), tokenUse, b.kraken.call)
		b.keepers.Close()
		require.NoError(t, <-answer)
		require.Equal(t, ErrClosed, b.read(time.Second))
	})
}

// BenchmarkHold is what a config write of a new key costs while so many idle keepers still know something.
func BenchmarkHold(b *testing.B) {
	for _, idle := range []int{0, mostIdle} {
		b.Run(fmt.Sprintf("idle=%d", idle), func(b *testing.B) {
			ks := NewKeepers(time.Now, hclog.NewNullLogger())
			defer ks.Close()
			for n := range idle {
				k, err := ks.Hold("idle "+strconv.Itoa(n), &fakeStore{})
				if err != nil {
					b.Fatal(err)
				}
				k.hold(time.Now(), time.Hour, &kraken.Error{Kind: kraken.KindLockout, Sent: true})
				k.users, ks.idle[k.id] = 0, k
			}
			for n := 0; b.Loop(); n++ {
				k, err := ks.Hold(strconv.Itoa(n), &fakeStore{})
				if err != nil {
					b.Fatal(err)
				}
				ks.Release(k)
			}
		})
	}
}

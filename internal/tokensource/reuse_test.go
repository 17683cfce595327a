package tokensource

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

const fiveMinutes = 5 * time.Minute

// newReuse is a Reuse that is closed at the test's end.
func newReuse(t *testing.T, ttl time.Duration, next Source) *Reuse {
	t.Helper()
	reuse := NewReuse(ttl, next)
	t.Cleanup(reuse.Close)
	return reuse
}

func read(t *testing.T, source Source) Token {
	t.Helper()
	token, err := source.Token(t.Context())
	require.NoError(t, err)
	return token
}

func TestReuseWithoutTTLPassesEveryReadOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{latency: fixed(time.Second)}
		reuse := newReuse(t, 0, k)
		seen := map[string]bool{}
		for _, a := range readAll(t.Context(), reuse, 100) {
			require.NoError(t, a.err)
			require.False(t, a.token.Cached)
			seen[a.token.Value] = true
		}
		require.Len(t, seen, 100)
		_, ok := reuse.Cached()
		require.False(t, ok)
		_, err := reuse.Fresh(t.Context())
		require.NoError(t, err)
		_, ok = reuse.Cached()
		require.False(t, ok)
		require.Zero(t, reuse.CacheHits()+reuse.Coalesced())
	})
}

func TestThousandFirstReadsShareOneMint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{latency: fixed(time.Second)}
		reuse := newReuse(t, fiveMinutes, k)
		for _, a := range readAll(t.Context(), reuse, 1000) {
			require.NoError(t, a.err)
			require.Equal(t, "1", a.token.Value)
			require.False(t, a.token.Cached)
		}
		require.Equal(t, 1, k.calls)
		require.EqualValues(t, 999, reuse.Coalesced())
	})
}

func TestFirstReaderGoneTakesNobodyWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{latency: fixed(time.Second)}
		reuse := newReuse(t, fiveMinutes, NewRetry(10*time.Second, NewGuard(nil, nil, k)))
		first, leave := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() { _, err := reuse.Token(first); gone <- err }()
		synctest.Wait()
		rest := make(chan []answer)
		go func() { rest <- readAll(t.Context(), reuse, 999) }()
		synctest.Wait()
		leave()
		require.Equal(t, context.Canceled, <-gone)
		for _, a := range <-rest {
			require.NoError(t, a.err)
		}
		require.Equal(t, 1, k.calls)
	})
}

func TestReaderWithADeadlineOfItsOwnGetsATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reuse := newReuse(t, fiveMinutes, &fakeKraken{latency: fixed(10 * time.Second)})
		_, err := reuse.Token(within(t, time.Second))
		requireKind(t, kraken.KindTimeout, err)
		require.Equal(t, "1", read(t, reuse).Value, "the mint goes on without it")
	})
}

func TestReadersShareAFailureToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{latency: fixed(time.Second), answer: always(kraken.KindInvalidKey)}
		for _, a := range readAll(t.Context(), newReuse(t, fiveMinutes, k), 100) {
			requireKind(t, kraken.KindInvalidKey, a.err)
		}
		require.Equal(t, 1, k.calls)
	})
}

func TestCachedTokenIsHandedOutUntilTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{}
		reuse := newReuse(t, fiveMinutes, k)
		first := read(t, reuse)
		require.False(t, first.Cached)
		time.Sleep(fiveMinutes*3/4 - 1)
		second := read(t, reuse)
		first.Cached = true
		require.Equal(t, first, second)
		synctest.Wait()
		require.Equal(t, 1, k.calls)
		require.EqualValues(t, 1, reuse.CacheHits())
	})
}

func TestOldTokenIsRenewedInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{latency: fixed(time.Second)}
		reuse := newReuse(t, fiveMinutes, k)
		read(t, reuse)
		time.Sleep(fiveMinutes * 3 / 4)
		for _, a := range readAll(t.Context(), reuse, 1000) {
			require.NoError(t, a.err)
			require.Zero(t, a.took, "nobody waits")
			require.Equal(t, "1", a.token.Value)
			require.Empty(t, a.token.Warning)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 2, k.made(), "one renewal at most")
		token := read(t, reuse)
		require.Equal(t, "2", token.Value)
		require.True(t, token.Cached)
	})
}

func TestIdleAccountCallsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{}
		reuse := newReuse(t, fiveMinutes, k)
		read(t, reuse)
		time.Sleep(24 * time.Hour)
		require.Equal(t, 1, k.made())
		token := read(t, reuse)
		require.Equal(t, "2", token.Value)
		require.False(t, token.Cached)
	})
}

func TestTokenWithTooLittleLifeIsNotHandedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		reuse := newReuse(t, fiveMinutes, SourceFunc(func(context.Context) (Token, error) {
			n++
			return Token{Value: strconv.Itoa(n), RequestedAt: time.Now(), ExpiresAt: time.Now().Add(2 * time.Minute)}, nil
		}))
		read(t, reuse)
		time.Sleep(time.Minute)
		require.Equal(t, "1", read(t, reuse).Value, "60 s to live")
		time.Sleep(time.Nanosecond)
		require.Equal(t, "2", read(t, reuse).Value, "less than 60 s to live")
	})
}

func TestFreshMintsPastTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{latency: fixed(time.Second)}
		reuse := newReuse(t, fiveMinutes, k)
		read(t, reuse)
		token, err := reuse.Fresh(t.Context())
		require.NoError(t, err)
		require.Equal(t, "2", token.Value)
		require.False(t, token.Cached)
		require.Equal(t, "2", read(t, reuse).Value, "it is the cached one now")

		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { _, _ = reuse.Fresh(t.Context()) })
		}
		all.Wait()
		require.Equal(t, 12, k.made(), "each mints its own")
	})
}

func TestFreshThatFailsKeepsTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{answer: func(n int) error {
			if n == 1 {
				return nil
			}
			return failure(kraken.KindUnavailable)
		}}
		reuse := newReuse(t, fiveMinutes, k)
		read(t, reuse)
		token, err := reuse.Fresh(t.Context())
		requireKind(t, kraken.KindUnavailable, err)
		require.Equal(t, Token{}, token, "no stale answer")
		require.Equal(t, "1", read(t, reuse).Value)
	})
}

func TestSlowerOlderMintDoesNotReplaceANewerToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		reuse := newReuse(t, fiveMinutes, SourceFunc(func(ctx context.Context) (Token, error) {
			n := calls.Add(1)
			token := Token{Value: strconv.Itoa(int(n)), RequestedAt: time.Now(), ExpiresAt: time.Now().Add(tokenLife)}
			if n == 1 {
				return token, sleep(ctx, 5*time.Second)
			}
			return token, nil
		}))
		slow := make(chan Token)
		go func() { token, _ := reuse.Token(t.Context()); slow <- token }()
		time.Sleep(time.Second)
		_, err := reuse.Fresh(t.Context())
		require.NoError(t, err)
		require.Equal(t, "1", (<-slow).Value)
		require.Equal(t, "2", read(t, reuse).Value)
	})
}

func TestCachedTellsWhatThereIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{}
		reuse := newReuse(t, fiveMinutes, k)
		_, ok := reuse.Cached()
		require.False(t, ok)
		minted := read(t, reuse)
		time.Sleep(10 * time.Minute)
		token, ok := reuse.Cached()
		require.True(t, ok, "though too old to be handed out")
		require.Equal(t, minted.ExpiresAt, token.ExpiresAt)
		time.Sleep(5 * time.Minute)
		_, ok = reuse.Cached()
		require.False(t, ok, "it has expired")
		require.Equal(t, 1, k.made())
		require.Zero(t, reuse.CacheHits())
	})
}

func TestCloseEndsTheSharedMintAndWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running atomic.Int32
		reuse := NewReuse(fiveMinutes, SourceFunc(func(ctx context.Context) (Token, error) {
			running.Add(1)
			defer running.Add(-1)
			<-ctx.Done()
			time.Sleep(time.Second) // takes its time
			return Token{}, ctx.Err()
		}))
		waiting := make(chan []answer)
		go func() { waiting <- readAll(t.Context(), reuse, 10) }()
		synctest.Wait()
		require.EqualValues(t, 1, running.Load())
		reuse.Close()
		require.Zero(t, running.Load())
		for _, a := range <-waiting {
			require.Equal(t, ErrClosed, a.err)
		}
		reuse.Close()
		_, err := reuse.Token(t.Context())
		require.Equal(t, ErrClosed, err)
		_, err = reuse.Fresh(t.Context())
		require.Equal(t, ErrClosed, err)
		_, ok := reuse.Cached()
		require.False(t, ok)
	})
}

func TestCloseEndsARenewalInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{latency: fixed(time.Second)}
		reuse := NewReuse(fiveMinutes, NewMeter(NewRetry(10*time.Second, NewGuard(nil, nil, k))))
		read(t, reuse)
		time.Sleep(4 * time.Minute)
		read(t, reuse)
		synctest.Wait()
		began := time.Now()
		reuse.Close() // synctest.Test fails if a goroutine is left
		require.Zero(t, time.Since(began))
	})
}

func TestCloseAmidReads(t *testing.T) {
	for range 50 {
		k := &fakeKraken{}
		reuse := NewReuse(fiveMinutes, k)
		done := make(chan []answer)
		go func() { done <- readAll(t.Context(), reuse, 20) }()
		reuse.Close()
		for _, a := range <-done {
			if a.err != nil {
				require.Equal(t, ErrClosed, a.err)
			}
		}
	}
}

func TestRetireLetsWhatIsUnderWayEndAndBeginsNoRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKraken{latency: fixed(time.Second)}
		reuse := newReuse(t, fiveMinutes, k)
		waiting := make(chan []answer)
		go func() { waiting <- readAll(t.Context(), reuse, 10) }()
		synctest.Wait()
		reuse.Retire()
		for _, a := range <-waiting {
			require.NoError(t, a.err)
		}
		time.Sleep(4 * time.Minute)
		require.Equal(t, "1", read(t, reuse).Value)
		time.Sleep(30 * time.Second)
		require.Equal(t, 1, k.made(), "no renewal")
		time.Sleep(30 * time.Second)
		require.Equal(t, "2", read(t, reuse).Value, "those who hold it can read as before")
	})
}

// Readers that look at the cache just before a mint ends must not begin another; the race detector watches as well.
func TestReadersInARaceWithTheFirstMintShareIt(t *testing.T) {
	for range 200 {
		k := &fakeKraken{}
		reuse := NewReuse(fiveMinutes, k)
		for _, a := range readAll(t.Context(), reuse, 16) {
			require.NoError(t, a.err)
		}
		require.Equal(t, 1, k.made())
		require.EqualValues(t, 15, reuse.CacheHits()+reuse.Coalesced())
		reuse.Close()
	}
}

func TestCachedReadAllocatesNothing(t *testing.T) {
	reuse := newReuse(t, fiveMinutes, &fakeKraken{})
	read(t, reuse)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = reuse.Token(t.Context()) }))
}

func BenchmarkReuseCachedRead(b *testing.B) {
	reuse := NewReuse(fiveMinutes, &fakeKraken{})
	defer reuse.Close()
	_, err := reuse.Token(b.Context())
	require.NoError(b, err)
	b.Run("one reader", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = reuse.Token(b.Context())
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_, _ = reuse.Token(b.Context())
			}
		})
	})
}

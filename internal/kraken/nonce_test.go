package kraken

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// memoryCeiling is a CeilingStore that counts its writes and can fail.
type memoryCeiling struct {
	mu      sync.Mutex
	ceiling uint64
	saves   int
	err     error
}

func (s *memoryCeiling) LoadCeiling(context.Context) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ceiling, s.err
}

func (s *memoryCeiling) SaveCeiling(_ context.Context, ceiling uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.ceiling = ceiling
	s.saves++
	return nil
}

func use(t *testing.T, nonce *Nonce) uint64 {
	t.Helper()
	var used uint64
	require.NoError(t, nonce.Use(t.Context(), func(n uint64) error { used = n; return nil }))
	return used
}

func TestNonceIsTheClockInNanoseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nonce := NewNonce(&memoryCeiling{}, time.Now)
		assert.Equal(t, uint64(time.Now().UnixNano()), use(t, nonce))
		assert.Equal(t, uint64(time.Now().UnixNano())+1, use(t, nonce), "the same instant again: the last one plus 1")
		time.Sleep(time.Second)
		assert.Equal(t, uint64(time.Now().UnixNano()), use(t, nonce))
	})
}

func TestNonceGrowsWhateverTheClockDoes(t *testing.T) {
	for name, now := range map[string]func() time.Time{
		"a clock that goes back": func() func() time.Time {
			at := time.Now()
			return func() time.Time { at = at.Add(-time.Hour); return at }
		}(),
		"a clock that stands":     func() func() time.Time { at := time.Now(); return func() time.Time { return at } }(),
		"a clock before 1970":     func() time.Time { return time.Unix(-1000, 0) },
		"a clock that jumps":      func() time.Time { return time.Unix(rand.Int64N(1<<33), 0) },
		"a clock after year 2262": func() time.Time { return time.Unix(1<<40, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			nonce := NewNonce(&memoryCeiling{}, now)
			last := use(t, nonce)
			for range 1000 {
				next := use(t, nonce)
				require.Greater(t, next, last)
				last = next
			}
		})
	}
}

func TestNonceOutlivesProcessesAndSlowerClocks(t *testing.T) {
	store := &memoryCeiling{}
	var last uint64
	for process := range 50 {
		behind := time.Duration(rand.Int64N(int64(time.Minute)))
		nonce := NewNonce(store, func() time.Time { return time.Now().Add(-behind) })
		for range 20 {
			next := use(t, nonce)
			require.Greater(t, next, last, "process %d, %v behind", process, behind)
			last = next
		}
	}
	ahead := time.Duration(last - uint64(time.Now().UnixNano()))
	assert.Less(t, ahead, 2*time.Minute, "restarts don't push the nonces ahead without end")
}

func TestNonceStoresOnceAMinuteAndBeforeUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memoryCeiling{}
		nonce := NewNonce(store, time.Now)
		for range 100 {
			for range 60 {
				used := use(t, nonce)
				require.Less(t, used, store.ceiling, "the stored ceiling is above what is used")
				time.Sleep(time.Second)
			}
		}
		assert.LessOrEqual(t, store.saves, 100, "100 minutes")
	})
}

func TestNonceAdvanceIsKept(t *testing.T) {
	store := &memoryCeiling{}
	nonce := NewNonce(store, time.Now)
	before := use(t, nonce)
	nonce.Advance()
	after := use(t, nonce)
	assert.GreaterOrEqual(t, after, before+uint64(time.Minute))

	restarted := NewNonce(store, time.Now)
	assert.Greater(t, use(t, restarted), after, "over a restart too")
}

func TestNonceReloadTakesWhatAnotherProcessStored(t *testing.T) {
	store := &memoryCeiling{}
	nonce := NewNonce(store, time.Now)
	use(t, nonce)
	store.ceiling += uint64(time.Hour)
	ceiling := store.ceiling
	nonce.Reload()
	assert.GreaterOrEqual(t, use(t, nonce), ceiling)
}

func TestNoRequestWithoutAStoredCeiling(t *testing.T) {
	store := &memoryCeiling{err: errors.New("disk full")}
	nonce := NewNonce(store, time.Now)
	err := nonce.Use(t.Context(), func(uint64) error { t.Error("a nonce was used that isn't reserved"); return nil })
	var failed *Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, KindNonceStore, failed.Kind)
	assert.ErrorIs(t, err, store.err)

	store.err = nil
	use(t, nonce) // it heals
}

func TestRequestsOfAKeyGoOutOneAtATime(t *testing.T) {
	nonce := NewNonce(&memoryCeiling{}, time.Now)
	var inFlight, last atomic.Int64
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			for range 50 {
				assert.NoError(t, nonce.Use(t.Context(), func(n uint64) error {
					assert.EqualValues(t, 1, inFlight.Add(1))
					assert.Greater(t, int64(n), last.Swap(int64(n)), "in the order of their nonces")
					inFlight.Add(-1)
					return nil
				}))
			}
		})
	}
	group.Wait()
}

func TestWaitingForTheTurnEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nonce := NewNonce(&memoryCeiling{}, time.Now)
		done := make(chan struct{})
		go func() {
			_ = nonce.Use(context.Background(), func(uint64) error { <-done; return nil })
		}()
		synctest.Wait()
		unused := func(uint64) error { t.Error("it wasn't its turn"); return nil }

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var failed *Error
		require.ErrorAs(t, nonce.Use(ctx, unused), &failed)
		assert.Equal(t, KindTimeout, failed.Kind)

		gone, leave := context.WithCancel(t.Context())
		leave()
		assert.ErrorIs(t, nonce.Use(gone, unused), context.Canceled)
		close(done)
		synctest.Wait()
		use(t, nonce)
	})
}

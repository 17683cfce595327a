package account

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
)

func TestACachedReadCountsOnce(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldCacheTTL: "5m"})
		require.False(t, m.mustRead("").Cached)
		require.True(t, m.mustRead("").Cached)
		require.EqualValues(t, 1, m.status("").Cached)
		time.Sleep(fiveMinutes * 3 / 4)
		require.True(t, m.mustRead("").Cached)
		require.EqualValues(t, 2, m.status("").Cached, "one that is due for renewal, too")
		synctest.Wait()
		require.EqualValues(t, 2, m.status("").Cached, "and its renewal isn't one")
	})
}

func TestCloseEndsWhatHangs(t *testing.T) {
	for range 200 {
		bubble(t, func(t *testing.T, m *mount) {
			m.kraken.Misbehave(krakensim.Fault{Hang: true})
			m.configure("")
			reader := m.readers(1, "")
			m.Close()
			require.Equal(t, ErrClosed, reader()[0].err)
			require.Empty(t, m.log.String())
			require.Empty(t, m.takeTold())
		})
	}
}

func TestCloseEndsAProofThatPausesBetweenTwoTries(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.kraken.Misbehave(krakensim.Fault{Errors: []string{"EService:Busy"}})
		written := make(chan error)
		go func() { written <- m.write("", pair(first)) }()
		synctest.Wait()
		closed := time.Now()
		m.Close()
		require.ErrorIs(t, <-written, ErrClosed)
		require.Zero(t, time.Since(closed))
	})
}

func TestZeroOptionsDo(t *testing.T) {
	as := New(Options{})
	defer as.Close()
	change, err := ParseChange(pair(first, unproved))
	require.NoError(t, err)
	s := &storage{Storage: newMount(t).storage}
	written, err := as.Write(t.Context(), s, "", change)
	require.NoError(t, err)
	require.NotEmpty(t, written.Changed)
	a := as.running("")
	require.Equal(t, "vault-plugin-secrets-kraken", a.client().UserAgent)
	require.IsType(t, &kraken.Transport{}, a.transport.RoundTripper)
	a.minted()
	a.failed(errDisk)
}

func TestAnAccountIsLoadedByItsFirstRead(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("desk-a")
		m.Close()
		m.start(time.Now)
		m.storage.takeUsed()
		m.storage.misbehave("get config", after(func() { time.Sleep(time.Second) }))
		for _, a := range m.readers(10, "desk-a")() {
			require.NoError(t, a.err)
		}
		m.storage.behave()
		m.storage.takeUsed()
		running := m.running("desk-a")
		for range 10 {
			m.mustRead("desk-a")
		}
		require.NotContains(t, m.storage.takeUsed(), "get config/desk-a", "it is decoded once")
		require.Same(t, running, m.running("desk-a"))
		require.Equal(t, 1, running.transport.users, "of those loaded at once, one runs")
	})
}

func TestWhatIsNotConfiguredIsNotRemembered(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		for i := range 100 {
			name := strconv.Itoa(i)
			want := &NotConfiguredError{Account: name}
			token, err := m.read(name)
			require.Equal(t, want, err)
			require.Equal(t, Token{}, token)
			_, err = m.Mint(t.Context(), m.storage, name)
			require.Equal(t, want, err)
			_, err = m.KeyInfo(t.Context(), m.storage, name)
			require.Equal(t, want, err)
			require.NoError(t, m.delete(name))
			require.Error(t, m.write(name, fields{}))
			m.Invalidate("config/" + name)
		}
		require.Empty(t, m.entries)
	})
}

func TestAStorageReadThatHangsIsNobodyElsesWait(t *testing.T) {
	for _, what := range []string{"get config/hanging", "get nonce/" + keeper.ID(first.APIKey)} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				m.configure("hanging")
				require.NoError(t, m.write("other", pair(second, unproved)))
				m.Close()
				m.start(time.Now)
				m.storage.misbehave(what, hangs)
				ctx, leave := context.WithCancelCause(t.Context())
				hanging := together(3, func() (Token, error) { return m.Token(ctx, m.storage, "hanging") })
				synctest.Wait()
				began := time.Now()
				m.mustRead("other")
				require.NoError(t, m.write("third", pair(krakensim.Key{APIKey: "third", APISecret: otherSecret}, unproved)))
				require.NoError(t, m.delete("third"))
				require.Zero(t, time.Since(began))
				m.storage.behave()
				leave(errDisk)
				for _, a := range hanging() {
					require.Error(t, a.err)
				}
				m.mustRead("hanging")
			})
		})
	}
}

func TestInvalidationTakesWhatAnotherNodeStored(t *testing.T) {
	for _, name := range []string{"", "desk-a"} {
		bubble(t, func(t *testing.T, m *mount) {
			m.configure(name, fields{FieldCacheTTL: 60})
			token := m.mustRead(name)
			changed := *m.stored(name)
			changed.CacheTTL = 0
			m.put(Path("config", name), changed)
			for _, other := range []string{"config/other", "elsewhere", "nonce/other"} {
				m.Invalidate(other)
			}
			require.Equal(t, token.Value, m.mustRead(name).Value)
			m.Invalidate(Path("config", name))
			require.NotEqual(t, token.Value, m.mustRead(name).Value)

			record := keyStorage + keeper.ID(first.APIKey)
			ahead := uint64(time.Now().Add(time.Hour).UnixNano())
			m.put(record, keeper.Record{Account: name, Ceiling: ahead})
			m.Invalidate(record)
			m.mustRead(name)
			require.GreaterOrEqual(t, m.kraken.LastNonce(first.APIKey), ahead)

			require.NoError(t, m.storage.Delete(t.Context(), Path("config", name)))
			m.Invalidate(Path("config", name))
			m.requireAgreement(name)
			require.Empty(t, m.entries)
		})
	}
}

func TestWhatWasReadBeforeAChangeDoesNotRunAfterIt(t *testing.T) {
	for name, change := range map[string]func(m *mount) error{
		"an invalidation": func(m *mount) error {
			m.put("config", Config{APIKey: second.APIKey, APISecret: second.APISecret, APIURL: kraken.DefaultURL, RequestTimeout: 10, Tier: "none"})
			m.Invalidate("config")
			return nil
		},
		"a write":  func(m *mount) error { return m.write("", pair(second, unproved)) },
		"a delete": func(m *mount) error { return m.delete("") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				m.configure("")
				m.Close()
				m.start(time.Now)
				m.storage.misbehave("get config", once(after(func() { time.Sleep(time.Second) })))
				reader := m.readers(1, "")
				require.NoError(t, change(m))
				a := reader()[0]
				if m.stored("") == nil {
					require.Equal(t, &NotConfiguredError{}, a.err)
				} else {
					require.NoError(t, a.err)
					require.Equal(t, second.APIKey, m.madeFor(a.token))
				}
				m.requireAgreement("")
			})
		})
	}
}

func TestAfterCloseEverythingIsRefusedAndNothingSent(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldCacheTTL: "5m"})
		m.mustRead("")
		m.configure("desk-a", fields{FieldAPIKey: "unloaded"})
		m.Invalidate("config/desk-a")
		m.Close()
		m.forgetCalls()
		m.storage.takeUsed()
		for _, name := range []string{"", "desk-a", "desk-b"} {
			_, err := m.read(name)
			require.Equal(t, ErrClosed, err)
			_, err = m.Mint(t.Context(), m.storage, name)
			require.Equal(t, ErrClosed, err)
			_, err = m.KeyInfo(t.Context(), m.storage, name)
			require.Equal(t, ErrClosed, err)
			_, err = m.Status(t.Context(), m.storage, name)
			require.Equal(t, ErrClosed, err)
			require.Equal(t, ErrClosed, m.write(name, pair(second)))
			require.Equal(t, ErrClosed, m.delete(name))
		}
		m.Invalidate("config")
		m.Close()
		require.Empty(t, m.calls())
		require.Empty(t, m.storage.takeUsed())
		require.Equal(t, 1, m.closing, "its connections are closed")
		require.Empty(t, m.transports.byBundle)
		require.Zero(t, m.keepers.Len())
	})
}

func TestCloseInTheMidstOfAFirstRead(t *testing.T) {
	for _, what := range []string{"get config", "get nonce/"} {
		bubble(t, func(t *testing.T, m *mount) {
			m.configure("")
			m.Close()
			m.start(time.Now)
			m.storage.misbehave(what, after(func() { time.Sleep(time.Second) }))
			reader := m.readers(1, "")
			m.Close()
			require.Equal(t, ErrClosed, reader()[0].err)
			require.Empty(t, m.calls())
			require.Empty(t, m.transports.byBundle)
		})
	}
}

func TestCloseWaitsForWhatIsBeingStoredAndForFlights(t *testing.T) {
	for name, begin := range map[string]func(m *mount){
		"a write": func(m *mount) {
			m.storage.misbehave("put config", before(func() { time.Sleep(3 * time.Second) }))
			go func() { _ = m.write("", pair(second, unproved)) }()
		},
		"a delete": func(m *mount) {
			m.storage.misbehave("delete config", before(func() { time.Sleep(3 * time.Second) }))
			go func() { _ = m.delete("") }()
		},
		"a renewal": func(m *mount) {
			m.mustRead("")
			time.Sleep(4 * time.Minute)
			m.storage.misbehave("put nonce/", before(func() { time.Sleep(3 * time.Second) }))
			m.mustRead("")
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				m.configure("", fields{FieldCacheTTL: "5m"})
				begin(m)
				synctest.Wait()
				began := time.Now()
				m.Close()
				require.Equal(t, 3*time.Second, time.Since(began))
				m.storage.behave()
				m.start(time.Now)
				m.requireAgreement("")
			})
		})
	}
}

// TestEverythingAtOnce mixes reads, config writes and deletes, invalidations and leaving readers, and ends with the mount going in the midst of them.
func TestEverythingAtOnce(t *testing.T) {
	m := newMount(t) // in no bubble: the race detector is to see real interleavings
	names := []string{"a", "b", "c"}
	given := func(i int) fields {
		key := krakensim.Key{APIKey: "key/" + strconv.Itoa(i), APISecret: otherSecret}
		m.kraken.SetKey(key)
		return pair(key, fields{FieldCacheTTL: i, FieldRequestTimeout: 5, FieldVerify: i == 1})
	}
	for i, name := range names {
		require.NoError(t, m.write(name, given(i)))
	}
	const rounds = 60
	fine := func(ctx context.Context, err error) {
		var notConfigured *NotConfiguredError
		if err != nil && ctx.Err() == nil && !errors.As(err, &notConfigured) && !errors.Is(err, ErrDeleted) {
			t.Errorf("%T %v", err, err)
		}
	}
	var group sync.WaitGroup
	for worker := range 6 {
		group.Go(func() {
			for i := range rounds {
				ctx, leave := context.WithCancel(t.Context())
				name := names[(worker+i)%3]
				if i%5 == 4 {
					time.AfterFunc(time.Duration(rand.IntN(700))*time.Microsecond, leave)
				}
				var err error
				switch i % 3 {
				case 0:
					_, err = m.Token(ctx, m.storage, name)
				case 1:
					_, err = m.KeyInfo(ctx, m.storage, name)
				case 2:
					_, err = m.Status(ctx, m.storage, name)
				}
				fine(ctx, err)
				_, err = m.Mint(ctx, m.storage, name)
				fine(ctx, err)
				leave()
			}
		})
	}
	for worker := range 2 {
		group.Go(func() {
			for i := range rounds {
				which := (i/3 + worker) % 3
				if i%3 == 0 {
					fine(t.Context(), m.delete(names[which]))
				}
				fine(t.Context(), m.write(names[which], given(which)))
			}
		})
	}
	group.Go(func() {
		for i := range rounds {
			m.Invalidate("config/" + names[i%3])
			m.Invalidate(keyStorage + keeper.ID("key/"+strconv.Itoa(i%3)))
		}
	})
	group.Wait()
	for i, name := range names {
		require.NoError(t, m.write(name, given(i)))
		m.requireAgreement(name)
	}
	m.requireOrderly()

	for worker := range 6 { // and the mount goes while they read
		group.Go(func() {
			for i := range 20 {
				_, _ = m.read(names[(worker+i)%3])
			}
		})
	}
	m.Close()
	m.Close()
	group.Wait()
	require.Zero(t, m.keepers.Len())
	require.Empty(t, m.transports.byBundle)
}

func TestNoncesComeFromTheClockThatIsGiven(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.Close()
		ahead := time.Now().Add(7 * time.Minute)
		m.start(func() time.Time { return ahead })
		m.configure("")
		m.mustRead("")
		require.Equal(t, uint64(ahead.UnixNano()), m.kraken.LastNonce(first.APIKey))
	})
}

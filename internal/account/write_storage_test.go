package account

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
)

// This file shows what becomes of a change when storage has troubles, or its caller leaves.

// changes are a change of each kind of a mount that has the first pair in "" and nothing in "new".
var changes = map[string]struct {
	name string
	make func(m *mount, ctx context.Context) error
}{
	"a first write": {"new", func(m *mount, ctx context.Context) error {
		_, _, err := m.writeAs(ctx, "new", pair(second, unproved))
		return err
	}},
	"a rotation": {"", func(m *mount, ctx context.Context) error {
		_, _, err := m.writeAs(ctx, "", pair(second, unproved))
		return err
	}},
	"a proved rotation": {"", func(m *mount, ctx context.Context) error {
		_, _, err := m.writeAs(ctx, "", pair(second))
		return err
	}},
	"a move": {"", func(m *mount, ctx context.Context) error {
		_, _, err := m.writeAs(ctx, "", pair(first, unproved, fields{FieldAPIURL: elsewhere}))
		return err
	}},
	"a setting": {"", func(m *mount, ctx context.Context) error {
		_, _, err := m.writeAs(ctx, "", fields{FieldRequestTimeout: "20s"})
		return err
	}},
	"a delete": {"", func(m *mount, ctx context.Context) error { return m.deleteAs(ctx, "") }},
}

// eachChange tries every kind of change. loaded tells whether the account runs already.
func eachChange(t *testing.T, test func(t *testing.T, m *mount, name string, change func(ctx context.Context) error)) {
	t.Helper()
	for kind, change := range changes {
		for _, loaded := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, loaded: %v", kind, loaded), func(t *testing.T) {
				bubble(t, func(t *testing.T, m *mount) {
					m.configure("")
					m.mustRead("")
					if !loaded {
						m.Close()
						m.start(time.Now)
					}
					test(t, m, change.name, func(ctx context.Context) error { return change.make(m, ctx) })
				})
			})
		}
	}
}

func TestAChangeIsDecidedOnceItHasBegunToStoreAndGoesOnWithoutItsCaller(t *testing.T) {
	for _, what := range []string{"put nonce/", "put config", "delete config"} {
		for when, moment := range map[string]func(func()) misbehaviour{"before": before, "after": after} {
			t.Run(when+" "+what, func(t *testing.T) {
				eachChange(t, func(t *testing.T, m *mount, name string, change func(context.Context) error) {
					ctx, leave := context.WithCancel(t.Context())
					defer leave()
					was := m.stored(name)
					m.storage.misbehave(what, once(moment(leave)))
					require.NoError(t, change(ctx))
					require.NotEqual(t, was, m.stored(name))
					m.requireAgreement(name)
				})
			})
		}
	}
}

func TestADeleteIsDecidedFromTheStart(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("")
		ctx, leave := context.WithCancel(t.Context())
		leave()
		require.NoError(t, m.deleteAs(ctx, ""))
		require.Nil(t, m.stored(""))
		m.requireAgreement("")
		require.Empty(t, m.keysUnder(""), "the record of a key that was never used goes as well")
	})
}

func TestTheStoringOfAChangeIsBounded(t *testing.T) {
	for _, what := range []string{"put nonce/", "put config", "delete config"} {
		t.Run(what, func(t *testing.T) {
			eachChange(t, func(t *testing.T, m *mount, name string, change func(context.Context) error) {
				stored := m.stored(name)
				m.storage.misbehave(what, hangs)
				ctx, leave := context.WithCancel(t.Context())
				began := time.Now()
				time.AfterFunc(time.Second, leave)
				err := change(ctx)
				m.storage.behave()
				if err != nil { // it is none that this trouble hits
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.Equal(t, storeTimeout, time.Since(began))
					require.Equal(t, stored, m.stored(name))
				}
				m.requireAgreement(name)
			})
		})
	}
}

func TestNeverIsAConfigGoneAndItsAccountAliveOrStoredNewAndRunningOld(t *testing.T) {
	for _, what := range []string{"", "put", "put nonce/", "put config", "delete", "delete config", "delete nonce/"} {
		for trouble, goes := range map[string]misbehaviour{
			"fails": fails, "fails once": once(fails), "hangs": hangs, "lies": lies, "is read-only": isReadOnly, "blocks": blocks(40 * time.Second),
			"is slow": blocks(time.Second),
		} {
			t.Run(what+" "+trouble, func(t *testing.T) {
				eachChange(t, func(t *testing.T, m *mount, name string, change func(context.Context) error) {
					ctx, leave := context.WithCancel(t.Context())
					time.AfterFunc(10*time.Millisecond, leave)
					m.storage.misbehave(what, goes)
					_ = change(ctx)
					m.storage.behave()
					m.requireAgreement(name)
				})
			})
		}
	}
}

func TestWhereStorageFailsAndItCannotBeKnownTheAccountIsLoadedAnew(t *testing.T) {
	for name, storing := range map[string]misbehaviour{"stored": lies, "not stored": fails} {
		t.Run(name, func(t *testing.T) {
			eachChange(t, func(t *testing.T, m *mount, name string, change func(context.Context) error) {
				blind := before(func() { m.storage.misbehave("get config", fails) })
				both := func(ctx context.Context, operation func() error) error {
					return blind(ctx, func() error { return storing(ctx, operation) })
				}
				m.storage.misbehave("put config", both)
				m.storage.misbehave("delete config", both)
				require.Equal(t, errDisk, change(t.Context()))
				require.Nil(t, m.running(name))
				_, err := m.read(name)
				require.Equal(t, errDisk, err)
				m.storage.behave()
				m.requireAgreement(name)
			})
		})
	}
}

func TestAStorageThatLiesDoesNotFailTheChange(t *testing.T) {
	for _, what := range []string{"put config", "delete config"} {
		eachChange(t, func(t *testing.T, m *mount, name string, change func(context.Context) error) {
			m.storage.misbehave(what, lies)
			require.NoError(t, change(t.Context()))
			m.requireAgreement(name)
		})
	}
}

func TestAReadOnlyStorageIsToldAsSuch(t *testing.T) {
	eachChange(t, func(t *testing.T, m *mount, name string, change func(context.Context) error) {
		running := m.running(name)
		m.storage.misbehave("put", isReadOnly)
		m.storage.misbehave("delete", isReadOnly)
		m.storage.takeUsed()
		require.ErrorIs(t, change(t.Context()), logical.ErrReadOnly)
		used := m.storage.takeUsed()
		require.NotContains(t, used[len(used)-1], "get", "nobody looks what came of it")
		require.Same(t, running, m.running(name))
	})
}

func TestNoRequestWaitsForAnothersStorage(t *testing.T) {
	eachChange(t, func(t *testing.T, m *mount, name string, change func(context.Context) error) {
		require.NoError(t, m.write("other", pair(krakensim.Key{APIKey: "others", APISecret: otherSecret}, unproved)))
		m.kraken.SetKey(krakensim.Key{APIKey: "others", APISecret: otherSecret})
		m.mustRead("")
		for _, what := range []string{"put config", "delete config"} {
			m.storage.misbehave(what, once(blocks(10*time.Second)))
		}
		changed := together(1, func() (Token, error) { return Token{}, change(t.Context()) })
		synctest.Wait()
		began := time.Now()
		m.storage.behave()
		m.mustRead("") // what runs runs on until it is stored
		m.mustRead("other")
		require.NoError(t, m.write("other", fields{FieldTier: "pro"}))
		require.NoError(t, m.delete("other"))
		require.Zero(t, time.Since(began))

		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		require.ErrorIs(t, m.deleteAs(ctx, name), context.DeadlineExceeded, "another change of the account waits, while its caller does")
		require.NoError(t, changed()[0].err)
		require.Equal(t, 10*time.Second, changed()[0].took)
		m.requireAgreement(name)
	})
}

// TestWhatIsStoredTooLateIsFoundOut: raft's writes may land after their context has ended.
func TestWhatIsStoredTooLateIsFoundOut(t *testing.T) {
	late := func(ctx context.Context, operation func() error) error {
		<-ctx.Done()
		return errors.Join(operation(), ctx.Err())
	}
	bubble(t, func(t *testing.T, m *mount) {
		m.configure("", fields{FieldCacheTTL: "5m"})
		m.mustRead("")
		m.storage.misbehave("put config", once(late))
		m.storage.misbehave("delete config", once(late))
		require.ErrorIs(t, m.write("", pair(second, unproved)), context.DeadlineExceeded)
		require.Equal(t, second.APIKey, m.madeFor(m.mustRead("")), "neither the old pair nor its cached token")
		m.requireAgreement("")
		require.ErrorIs(t, m.delete(""), context.DeadlineExceeded)
		_, err := m.read("")
		require.Equal(t, &NotConfiguredError{}, err)
	})
}

package account

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// storage can be told to misbehave.
type storage struct {
	logical.Storage

	mu     sync.Mutex // guards all below
	faults []storageFault
	used   []string // "operation key", in the order of their coming
}

// storageFault is how operations on keys with a prefix go wrong: "put config", "get nonce/", or "" for all.
type storageFault struct {
	what string
	goes misbehaviour
}

// misbehaviour is given an operation and does what becomes of it.
type misbehaviour func(ctx context.Context, operation func() error) error

var errDisk = errors.New("disk full")

func fails(context.Context, func() error) error { return errDisk }

func isReadOnly(context.Context, func() error) error { return logical.ErrReadOnly }

// hangs until its context ends.
func hangs(ctx context.Context, _ func() error) error {
	<-ctx.Done()
	return ctx.Err()
}

// lies that it failed.
func lies(_ context.Context, operation func() error) error {
	if err := operation(); err != nil {
		return err
	}
	return errDisk
}

// blocks takes its time, whatever its context says.
func blocks(until time.Duration) misbehaviour {
	return func(_ context.Context, operation func() error) error {
		time.Sleep(until)
		return operation()
	}
}

// before has something happen first, after something afterwards.
func before(happens func()) misbehaviour {
	return func(_ context.Context, operation func() error) error {
		happens()
		return operation()
	}
}

func after(happens func()) misbehaviour {
	return func(_ context.Context, operation func() error) error {
		defer happens()
		return operation()
	}
}

// once does it the first time only.
func once(goes misbehaviour) misbehaviour {
	var done atomic.Bool
	return func(ctx context.Context, operation func() error) error {
		if done.Swap(true) {
			return operation()
		}
		return goes(ctx, operation)
	}
}

func (s *storage) misbehave(what string, goes misbehaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, storageFault{what, goes})
}

func (s *storage) behave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// takeUsed is what was asked of the storage since it was last asked for.
func (s *storage) takeUsed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := s.used
	s.used = nil
	return used
}

func (s *storage) do(ctx context.Context, what string, operation func() error) error {
	s.mu.Lock()
	s.used = append(s.used, what)
	var goes misbehaviour
	for _, fault := range s.faults {
		if strings.HasPrefix(what, fault.what) {
			goes = fault.goes
			break
		}
	}
	s.mu.Unlock()
	if goes == nil {
		return operation()
	}
	return goes(ctx, operation)
}

func (s *storage) Get(ctx context.Context, key string) (entry *logical.StorageEntry, err error) {
	err = s.do(ctx, "get "+key, func() (err error) { entry, err = s.Storage.Get(ctx, key); return err })
	if err != nil {
		return nil, err
	}
	return entry, nil
}

func (s *storage) Put(ctx context.Context, entry *logical.StorageEntry) error {
	return s.do(ctx, "put "+entry.Key, func() error { return s.Storage.Put(context.WithoutCancel(ctx), entry) })
}

func (s *storage) Delete(ctx context.Context, key string) error {
	return s.do(ctx, "delete "+key, func() error { return s.Storage.Delete(context.WithoutCancel(ctx), key) })
}

func (s *storage) List(ctx context.Context, prefix string) (keys []string, err error) {
	err = s.do(ctx, "list "+prefix, func() (err error) { keys, err = s.Storage.List(ctx, prefix); return err })
	return keys, err
}

// storageFixture is what the first release stored of a mount: a default account, and two named ones with a second
// factor. It was made by v0.1.0's own code, in three writes (verify=false) to config, config/desk-a and config/desk.b and
// one SaveCeiling for each API key, and then copied from the storage, entry by entry. All its secrets are examples: the
// private key is the one of Kraken's authentication guide.
//
// Storage that users have must stay readable, so this file never changes; a release that stores something else gets
// another one beside it.
const storageFixture = "testdata/storage-v0.1.0.json"

// fixtureCeiling is 1 January 2100: the host's clock was far ahead when the fixture was made, so that no test mistakes a
// nonce that comes from the clock for one that goes on from the ceiling.
const fixtureCeiling = uint64(4102444800000000000)

// What the first release stored, every later one reads.
func TestStorageOfTheFirstRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in the year 2000, when the fixture's certificate isn't valid yet, but nobody asks
		m := newMount(t)
		deskA := krakensim.Key{APIKey: "EXAMPLE/KEY/OF/DESK/A", APISecret: krakensim.ExampleAPISecret, TOTPSecret: "JBSWY3DPEHPK3PXP"}
		deskB := krakensim.Key{APIKey: "EXAMPLE/KEY/OF/DESK/B", APISecret: krakensim.ExampleAPISecret, OTPPassword: "example password"}
		m.kraken.SetKey(deskA)
		m.kraken.SetKey(deskB)
		entries := fixtureEntries(t)
		require.Len(t, entries, 6)
		for key, entry := range entries {
			m.put(key, entry)
		}

		names, err := List(t.Context(), m.storage)
		require.NoError(t, err)
		assert.Equal(t, []string{"desk-a", "desk.b"}, names)
		for name, want := range map[string]fields{
			"": {
				FieldAPIKey: first.APIKey, FieldTwoFactor: "none", FieldRequestTimeout: 10, FieldCacheTTL: 0,
				FieldTier: "starter", FieldCACert: "",
			},
			"desk-a": {
				FieldAPIKey: deskA.APIKey, FieldTwoFactor: "totp", FieldRequestTimeout: 30, FieldCacheTTL: 300,
				FieldTier: "pro", FieldCACert: certificate(t),
			},
			"desk.b": {
				FieldAPIKey: deskB.APIKey, FieldTwoFactor: "password", FieldRequestTimeout: 10, FieldCacheTTL: 0,
				FieldTier: "none", FieldCACert: "",
			},
		} {
			want[FieldAPIURL], want[FieldWebSocketURL], want[FieldDisabled] = "https://api.kraken.com", "wss://ws-auth.kraken.com/v2", false
			assert.Equal(t, want, m.stored(name).Shown(), name)
		}

		// Each account signs with its stored key and factor, and the nonce goes on where it was.
		for _, name := range []string{"", "desk-a", "desk.b"} {
			m.mustRead(name)
		}
		require.Len(t, m.calls(), 3)
		for _, call := range m.calls() {
			assert.GreaterOrEqual(t, call.Nonce, fixtureCeiling)
		}

		// An API key is still known to be in use.
		assert.Equal(t, &KeyInUseError{Account: "desk-a"}, m.write("another", pair(deskA)))

		// An update keeps what it doesn't name, and no secret is lost.
		require.NoError(t, m.write("desk-a", fields{FieldTier: "none"}))
		m.mustRead("desk-a")
		m.requireOrderly()
	})
}

// fixtureEntries are the storage entries of the fixture.
func fixtureEntries(t *testing.T) map[string]map[string]any {
	t.Helper()
	text, err := os.ReadFile(storageFixture)
	require.NoError(t, err)
	var fixture struct {
		Entries map[string]map[string]any `json:"entries"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&fixture))
	return fixture.Entries
}

// certificate is some CA certificate in PEM.
func certificate(t *testing.T) string {
	t.Helper()
	return fixtureEntries(t)["config/desk-a"]["ca_cert"].(string)
}

func TestEachAccountHasItsPaths(t *testing.T) {
	assert.Equal(t, "config", Path("config", ""))
	assert.Equal(t, "config/desk-a", Path("config", "desk-a"))
	for path, want := range map[string]struct {
		name string
		ok   bool
	}{"config": {"", true}, "config/desk-a": {"desk-a", true}, "configs": {"configs", false}, "nonce/config": {"nonce/config", false}} {
		name, ok := configOf(path)
		assert.Equal(t, want.name, name, path)
		assert.Equal(t, want.ok, ok, path)
	}
	id, ok := cutKeyPath("nonce/abc")
	assert.True(t, ok)
	assert.Equal(t, "abc", id)
	_, ok = cutKeyPath("config/nonce/abc")
	assert.False(t, ok)
}

func TestAnEntryThatCannotBeDecodedIsNotQuoted(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		require.NoError(t, m.storage.Put(t.Context(), &logical.StorageEntry{Key: "config/desk-a", Value: []byte(`{"api_secret": sesame`)}))
		_, err := m.read("desk-a")
		require.EqualError(t, err, `the stored config of account "desk-a" can't be decoded; delete it, then write it again`)
		require.Equal(t, err, m.write("desk-a", pair(first, unproved)))
		require.NoError(t, m.delete("desk-a"))
		m.configure("desk-a")
		m.requireAgreement("desk-a")
	})
}

func TestAKeysRecordIsStored(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		store := newKeyStore(m.storage, first.APIKey)
		_, ok, err := store.Load(t.Context())
		require.NoError(t, err)
		require.False(t, ok)
		record := keeper.Record{Account: "desk-a", Ceiling: 7}
		require.NoError(t, store.Save(t.Context(), record))
		require.Equal(t, []string{"nonce/" + keeper.ID(first.APIKey)}, m.keysUnder(""))
		loaded, ok, err := store.Load(t.Context())
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, record, loaded)
		require.NoError(t, store.Delete(t.Context()))
		require.Empty(t, m.keysUnder(""))

		m.storage.misbehave("", fails)
		_, _, err = store.Load(t.Context())
		require.Equal(t, errDisk, err)
		require.Equal(t, errDisk, store.Save(t.Context(), record))
		require.Equal(t, errDisk, store.Delete(t.Context()))
		_, err = Read(t.Context(), m.storage, "")
		require.Equal(t, errDisk, err)
	})
}

func TestARecordThatCannotBeDecodedIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		store := newKeyStore(m.storage, first.APIKey)
		require.NoError(t, m.storage.Put(t.Context(), &logical.StorageEntry{Key: store.path(), Value: []byte("{")}))
		_, _, err := store.Load(t.Context())
		require.Error(t, err)
	})
}

// TestStorageCalls says what each request asks of Vault's storage: each is one more round trip to Vault. The account "" has the first pair and runs, "new" isn't configured.
func TestStorageCalls(t *testing.T) {
	exists := func(name string) func(m *mount) error {
		return func(m *mount) error {
			_, err := m.Exists(m.t.Context(), m.storage, name)
			return err
		}
	}
	write := func(name string, given fields) func(m *mount) error {
		return func(m *mount) error { return m.write(name, given) }
	}
	restarted := func(do func(m *mount) error) func(m *mount) error {
		return func(m *mount) error {
			m.Close()
			m.start(time.Now)
			return do(m)
		}
	}
	read := func(m *mount) error {
		_, err := m.read("")
		return err
	}
	for name, test := range map[string]struct {
		do    func(m *mount) error
		calls string
	}{
		"whether an account exists":                 {exists("new"), "get config/new"},
		"whether one exists that runs":              {exists(""), ""},
		"a first write":                             {write("new", pair(second, unproved)), "get config/new, get nonce/second, put nonce/second, put config/new"},
		"a first write, proved":                     {write("new", pair(second)), "get config/new, get nonce/second, put nonce/second, put config/new"},
		"another field":                             {write("", fields{FieldTier: "pro"}), "get config, put config"},
		"another field, when the account isn't run": {restarted(write("", fields{FieldTier: "pro"})), "get config, get nonce/first, put config"},
		"nothing new":                               {write("", fields{FieldTier: "none"}), "get config"},
		"the key of another account": {func(m *mount) error {
			require.Error(m.t, m.write("new", pair(first)))
			return nil
		}, "get config/new, get config"},
		"a rotation": {
			write("", pair(second, unproved)),
			"get config, get nonce/second, put nonce/second, put config" + ", get config, get nonce/first", // to see whether the old key's record is worth anything
		},
		"a delete":                {func(m *mount) error { return m.delete("") }, "get config, delete config, get config, get nonce/first"},
		"a cached read":           {read, ""},
		"a read that isn't":       {func(m *mount) error { _, err := m.Mint(m.t.Context(), m.storage, ""); return err }, ""},
		"the first read of a run": {restarted(read), "get config, get nonce/first, put nonce/first"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *mount) {
				require.NoError(t, m.write("", pair(first, fields{FieldCacheTTL: "5m"})))
				m.mustRead("")
				m.storage.takeUsed()
				require.NoError(t, test.do(m))
				used := strings.NewReplacer(keeper.ID(first.APIKey), "first", keeper.ID(second.APIKey), "second").Replace(strings.Join(m.storage.takeUsed(), ", "))
				require.Equal(t, test.calls, used)
			})
		})
	}
}

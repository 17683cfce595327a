package account

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// TestMain finds goroutines left behind. The one that is let pass is begun by a package that the SDK imports for its databases.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

const (
	// otherSecret is a second private key, and totpSeed an authenticator's seed (of RFC 6238's examples); neither opens anything.
	otherSecret = "b3RoZXIgcHJpdmF0ZSBrZXkgZm9yIHRlc3RzLCBtYWRlIHVwLCBvcGVucyBub3RoaW5nIGF0IGFsbCwgNjQgYg=="
	totpSeed    = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	// elsewhere is an api_url that isn't Kraken's own.
	elsewhere = "https://elsewhere.example"
)

// places are all that tests have api_url point to.
var places = func() Places {
	places, err := ParsePlaces("https://api.kraken.com,https://elsewhere.example,https://place0.example,https://place1.example,https://place2.example,https://place3.example")
	if err != nil {
		panic(err)
	}
	return places
}()

// The keys that both Krakens know.
var (
	first  = krakensim.Key{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret}
	second = krakensim.Key{APIKey: "second", APISecret: otherSecret}
)

// mount is the accounts of a mount, in a bubble of testing/synctest. One simulator is Kraken, another what is elsewhere.
type mount struct {
	*Accounts
	t         *testing.T
	storage   *storage
	kraken    *krakensim.Exchange
	elsewhere *krakensim.Exchange
	log       *bytes.Buffer // what is logged, from Debug on

	mu      sync.Mutex        // guards all below
	owners  map[string]string // token → the API key that it was made for
	told    []string          // by Options.Minted: "account outcome"
	closing int               // how often idle connections were closed
}

// bubble runs a test of a mount whose storage is empty.
func bubble(t *testing.T, test func(t *testing.T, m *mount)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newMount(t)) })
}

func newMount(t *testing.T) *mount {
	m := &mount{
		t: t, storage: &storage{Storage: &logical.InmemStorage{}}, log: new(bytes.Buffer), owners: map[string]string{},
		kraken: krakensim.New(first, second), elsewhere: krakensim.New(first, second),
	}
	m.start(time.Now)
	return m
}

// start makes the accounts over the storage, as after a restart.
func (m *mount) start(clock func() time.Time) {
	m.Accounts = New(Options{
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: m.log}),
		Minted: func(account string, err error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.told = append(m.told, fmt.Sprintf("%q %v", account, err))
		},
		Transport: func(*x509.CertPool) http.RoundTripper { return wire{m} },
		Clock:     clock,
		Allowed:   places,
	})
	m.t.Cleanup(m.Accounts.Close)
}

// wire carries requests to the Kraken that their host names, and notes whom tokens are made for.
type wire struct{ *mount }

func (w wire) RoundTrip(request *http.Request) (*http.Response, error) {
	exchange := w.kraken
	if request.URL.Host == "elsewhere.example" {
		exchange = w.elsewhere
	}
	response, err := exchange.Transport().RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var answer struct{ Result struct{ Token string } }
	_ = json.Unmarshal(body, &answer)
	w.mu.Lock()
	w.owners[answer.Result.Token] = request.Header.Get("API-Key")
	w.mu.Unlock()
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

func (w wire) CloseIdleConnections() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closing++
}

// madeFor is the API key that a token was made for.
func (m *mount) madeFor(token Token) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.owners[token.Value]
}

// takeTold is what Options.Minted was told since it was last asked for.
func (m *mount) takeTold() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	told := m.told
	m.told = nil
	return told
}

// calls are the requests that have reached one of the Krakens.
func (m *mount) calls() []krakensim.Call { return append(m.kraken.Calls(), m.elsewhere.Calls()...) }

func (m *mount) forgetCalls() {
	m.kraken.ForgetCalls()
	m.elsewhere.ForgetCalls()
}

// requireOrderly checks that no Kraken had a reason to complain: no error, one request of a key at a time, growing nonces.
func (m *mount) requireOrderly() {
	m.t.Helper()
	for _, exchange := range []*krakensim.Exchange{m.kraken, m.elsewhere} {
		last := map[string]uint64{}
		for i, call := range exchange.Calls() {
			require.Empty(m.t, call.Errors, "call %d", i)
			require.Equal(m.t, 1, call.InFlight, "call %d", i)
			require.Greater(m.t, call.Nonce, last[call.APIKey], "call %d", i)
			last[call.APIKey] = call.Nonce
		}
	}
}

type fields = map[string]any

// pair is what a write of a key pair gives, and more.
func pair(key krakensim.Key, more ...fields) fields {
	given := fields{FieldAPIKey: key.APIKey, FieldAPISecret: key.APISecret, FieldAPIURL: kraken.DefaultURL, FieldTier: "none"}
	for _, m := range more {
		maps.Copy(given, m)
	}
	return given
}

// unproved makes a write not prove its pair.
var unproved = fields{FieldVerify: false}

func (m *mount) writeAs(ctx context.Context, name string, given fields) (written *Config, changed bool, err error) {
	m.t.Helper()
	change, err := ParseChange(given)
	if err != nil {
		return nil, false, err
	}
	result, err := m.Write(ctx, m.storage, name, change)
	return result.Config, len(result.Changed) > 0, err
}

func (m *mount) write(name string, given fields) error {
	m.t.Helper()
	_, _, err := m.writeAs(m.t.Context(), name, given)
	return err
}

// configure stores the first pair, unproved and with no counter kept, and more.
func (m *mount) configure(name string, more ...fields) {
	m.t.Helper()
	require.NoError(m.t, m.write(name, pair(first, append([]fields{unproved}, more...)...)))
}

func (m *mount) delete(name string) error { return m.deleteAs(m.t.Context(), name) }

func (m *mount) deleteAs(ctx context.Context, name string) error {
	_, err := m.Delete(ctx, m.storage, name)
	return err
}

func (m *mount) read(name string) (Token, error) { return m.Token(m.t.Context(), m.storage, name) }

func (m *mount) mustRead(name string) Token {
	m.t.Helper()
	token, err := m.read(name)
	require.NoError(m.t, err)
	return token
}

func (m *mount) status(name string) Status {
	m.t.Helper()
	status, err := m.Status(m.t.Context(), m.storage, name)
	require.NoError(m.t, err)
	return status
}

// stored is what is stored for an account.
func (m *mount) stored(name string) *Config {
	m.t.Helper()
	stored, err := Read(m.t.Context(), m.storage.Storage, name)
	require.NoError(m.t, err)
	return stored
}

// entries are the keys of all storage entries under a prefix.
func (m *mount) keysUnder(prefix string) []string {
	m.t.Helper()
	keys, err := logical.CollectKeysWithPrefix(m.t.Context(), m.storage.Storage, prefix)
	require.NoError(m.t, err)
	return keys
}

// put stores an entry, as another node would.
func (m *mount) put(key string, value any) {
	m.t.Helper()
	entry, err := logical.StorageEntryJSON(key, value)
	require.NoError(m.t, err)
	require.NoError(m.t, m.storage.Storage.Put(m.t.Context(), entry))
}

// requireAgreement checks that what runs is what is stored.
func (m *mount) requireAgreement(name string) {
	m.t.Helper()
	stored := m.stored(name)
	token, err := m.read(name)
	if stored == nil {
		require.Equal(m.t, &NotConfiguredError{Account: name}, err)
		return
	}
	require.NoError(m.t, err)
	require.Equal(m.t, stored.APIKey, m.madeFor(token))
	running := m.Accounts.running(name)
	require.Equal(m.t, stored.settings(), running.settings.Load())
	require.True(m.t, running.runsBy(stored))
}

// answer is what somebody who asked for a token got, and how long that took.
type answer struct {
	token Token
	err   error
	took  time.Duration
}

// together asks so many times at once. What it returns waits for the answers.
func together(times int, ask func() (Token, error)) (answers func() []answer) {
	got := make([]answer, times)
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() {
			began := time.Now()
			token, err := ask()
			got[i] = answer{token, err, time.Since(began)}
		})
	}
	return func() []answer { all.Wait(); return got }
}

// readers read an account's token, so many at once.
func (m *mount) readers(times int, name string) (answers func() []answer) {
	answers = together(times, func() (Token, error) { return m.read(name) })
	synctest.Wait()
	return answers
}

const (
	fiveMinutes = 5 * time.Minute
	tokenLife   = 15 * time.Minute
)

// mint mints tokens named 1, 2, 3…
type mint struct {
	latency func(n int) time.Duration // of the n-th call; nil: none
	answer  func(n int) error         // nil: always success

	mu    sync.Mutex
	times []time.Time // of the calls
}

func (m *mint) token() (Token, error) {
	requested := time.Now()
	m.mu.Lock()
	m.times = append(m.times, requested)
	n := len(m.times)
	m.mu.Unlock()
	if m.latency != nil {
		time.Sleep(m.latency(n))
	}
	if m.answer != nil {
		if err := m.answer(n); err != nil {
			return Token{}, err
		}
	}
	return Token{Value: strconv.Itoa(n), RequestedAt: requested, ExpiresAt: requested.Add(tokenLife)}, nil
}

func (m *mint) calls() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.times)
}

func oneSecond(int) time.Duration { return time.Second }

// thenFails lets the first so many calls succeed.
func thenFails(good int, err error) func(int) error {
	return func(n int) error {
		if n <= good {
			return nil
		}
		return err
	}
}

// cached is a cache before a mint.
func cached(t *testing.T, m *mint) *cache {
	t.Helper()
	var flights sync.WaitGroup
	t.Cleanup(flights.Wait)
	return &cache{source: &fakeSource{launches: func(fly func()) bool { flights.Go(fly); return true }, mints: m.token, clock: time.Now}}
}

func get(t *testing.T, c *cache) Token {
	t.Helper()
	token, err := c.get(t.Context(), fiveMinutes)
	require.NoError(t, err)
	return token
}

func getTogether(ctx context.Context, times int, c *cache) []answer {
	return together(times, func() (Token, error) { return c.get(ctx, fiveMinutes) })()
}

// coalesced counts those that shared somebody else's call.
func coalesced(answers []answer) (count int) {
	for _, a := range answers {
		if a.token.Coalesced {
			count++
		}
	}
	return count
}

// krakenSays is an error that Kraken answered.
func krakenSays(kind kraken.Kind) *kraken.Error {
	return &kraken.Error{Kind: kind, Sent: true, Detail: "failure of kind " + kind.String()}
}

func requireKind(t *testing.T, want kraken.Kind, err error) {
	t.Helper()
	var failed *kraken.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, want.String(), failed.Kind.String(), err)
}

// asError is errors.As.
func asError[E error](err error, target *E) bool { return errors.As(err, target) }

// within is a context that ends after a time, or with the test.
func within(t *testing.T, timeout time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	return ctx
}

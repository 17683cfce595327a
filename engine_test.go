package krakensecrets

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/helper/testhelpers/schema"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// This file is what all tests of the package stand on: the engine as Vault sees it, end to end over the simulator.

// TestMain finds no goroutine of the engine's left behind. The one that is let pass is begun by a package that the SDK
// imports for its databases.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

const (
	// otherSecret is a second private key; it is made up.
	otherSecret = "b3RoZXIgcHJpdmF0ZSBrZXkgZm9yIHRlc3RzLCBtYWRlIHVwLCBvcGVucyBub3RoaW5nIGF0IGFsbCwgNjQgYg=="
	totpSeed    = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" // of RFC 6238's examples
)

var (
	exampleKey = krakensim.Key{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret}
	secondKey  = krakensim.Key{APIKey: "second", APISecret: otherSecret}
)

// engine is the engine as Vault sees it, with a simulator as Kraken.
type engine struct {
	t       testing.TB
	storage *troubledStorage
	backend *backend
	system  *cluster
	events  *eventLog
	log     *bytes.Buffer // what the engine logs, from Info on
	sim     *krakensim.Exchange
	url     string // of the simulator
	options account.Options
	allowed string // the mount's option allowed_api_urls
}

// newEngine has a simulator that knows the keys (none: the example key) and an engine without any config. They meet without
// sockets, inside a synctest bubble or not.
func newEngine(t testing.TB, keys ...krakensim.Key) *engine {
	t.Helper()
	if len(keys) == 0 {
		keys = []krakensim.Key{exampleKey}
	}
	sim := krakensim.New(keys...)
	return startEngine(t, sim, "http://localhost", account.Options{
		Transport: func(*x509.CertPool) http.RoundTripper { return sim.Transport() },
	})
}

// newServedEngine is newEngine over real sockets. The options' keys are the example key, if there are none.
func newServedEngine(t testing.TB, options krakensim.Options) (*engine, *krakensim.Server) {
	t.Helper()
	if len(options.Keys) == 0 {
		options.Keys = []krakensim.Key{exampleKey}
	}
	sim, err := krakensim.Start(options)
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	return startEngine(t, sim.Exchange, sim.RESTURL(), account.Options{}), sim
}

func startEngine(t testing.TB, sim *krakensim.Exchange, url string, options account.Options) *engine {
	t.Helper()
	e := &engine{
		t: t, storage: &troubledStorage{Storage: &logical.InmemStorage{}}, system: &cluster{StaticSystemView: logical.TestSystemView()}, events: &eventLog{}, log: new(bytes.Buffer), sim: sim, url: url, options: options,
		allowed: "https://api.kraken.com,http://localhost:*,http://127.0.0.1:*,https://localhost:*,https://127.0.0.1:*,https://elsewhere.example,https://hangs.example",
	}
	e.start()
	return e
}

// start makes the backend over the storage. The one before is dropped as a crash would drop it.
func (e *engine) start() {
	e.t.Helper()
	conf := logical.TestBackendConfig()
	conf.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: e.log})
	conf.StorageView = e.storage
	conf.System = e.system
	conf.EventsSender = e.events
	conf.Config = map[string]string{account.OptionAllowedURLs: e.allowed}
	b, err := newBackend(context.Background(), conf, e.options)
	require.NoError(e.t, err)
	e.backend = b
	e.t.Cleanup(func() { b.Cleanup(context.Background()) })
}

// do handles a request as Vault's core would, and checks the answer against the path's response schema.
func (e *engine) do(ctx context.Context, operation logical.Operation, requestPath string, data map[string]any) (*logical.Response, error) {
	e.t.Helper()
	request := &logical.Request{
		Operation: operation, Path: requestPath, Data: maps.Clone(data), Storage: e.storage, MountPoint: "kraken/",
		EntityID: "alice-id", DisplayName: "userpass-alice",
	}
	if operation == logical.UpdateOperation {
		checked, exists, err := e.backend.HandleExistenceCheck(ctx, request)
		if err == nil && checked && !exists {
			request.Operation = logical.CreateOperation
		}
	}
	response, err := e.backend.HandleRequest(ctx, request)
	if t, ok := e.t.(*testing.T); ok && err == nil && response != nil && !response.IsError() {
		route := e.backend.Route(requestPath)
		complete := route.HelpSynopsis != keyInfoSynopsis && route.HelpSynopsis != metricsSynopsis
		schema.ValidateResponse(t, schema.GetResponseSchema(t, route, request.Operation), response, complete)
	}
	return response, err
}

func (e *engine) read(requestPath string) (*logical.Response, error) {
	e.t.Helper()
	return e.do(e.t.Context(), logical.ReadOperation, requestPath, nil)
}

func (e *engine) write(requestPath string, data map[string]any) (*logical.Response, error) {
	e.t.Helper()
	return e.do(e.t.Context(), logical.UpdateOperation, requestPath, data)
}

// writeOnly is write, where its answer doesn't matter.
func (e *engine) writeOnly(requestPath string, data map[string]any) error {
	e.t.Helper()
	_, err := e.write(requestPath, data)
	return err
}

func (e *engine) delete(requestPath string) error {
	e.t.Helper()
	_, err := e.do(e.t.Context(), logical.DeleteOperation, requestPath, nil)
	return err
}

// mustRead reads what must succeed.
func (e *engine) mustRead(requestPath string) map[string]any {
	e.t.Helper()
	response, err := e.read(requestPath)
	require.NoError(e.t, err)
	require.NotNil(e.t, response)
	return response.Data
}

// configure writes the example pair to an account's config, with other fields over it.
func (e *engine) configure(name string, fields map[string]any) {
	e.t.Helper()
	_, err := e.write(account.Path("config", name), e.pair(fields))
	require.NoError(e.t, err)
}

// pair is a config write's data: the example pair for the simulator, with other fields over it.
func (e *engine) pair(fields map[string]any) map[string]any {
	data := map[string]any{
		account.FieldAPIKey: exampleKey.APIKey, account.FieldAPISecret: exampleKey.APISecret, account.FieldAPIURL: e.url, account.FieldTier: "none",
	}
	maps.Copy(data, fields)
	return data
}

// outcome is what a reader of ws-token got, and after how long.
type outcome struct {
	token any
	err   error
	after time.Duration
}

// herd has readers come at once, in a synctest bubble, and returns when they wait. What it returns waits for what they get.
func (e *engine) herd(readers int) func() []outcome {
	e.t.Helper()
	outcomes := make([]outcome, readers)
	var group sync.WaitGroup
	began := time.Now()
	for i := range outcomes {
		group.Go(func() {
			response, err := e.read("ws-token")
			if outcomes[i] = (outcome{err: err, after: time.Since(began)}); err == nil {
				outcomes[i].token = response.Data[fieldToken]
			}
		})
	}
	synctest.Wait()
	return func() []outcome { group.Wait(); return outcomes }
}

// put writes a storage entry, as another node would.
func (e *engine) put(key string, value any) {
	e.t.Helper()
	entry, err := logical.StorageEntryJSON(key, value)
	require.NoError(e.t, err)
	require.NoError(e.t, e.storage.Put(e.t.Context(), entry))
}

// stored is all that is stored.
func (e *engine) stored() map[string]string {
	e.t.Helper()
	stored := map[string]string{}
	keys, err := logical.CollectKeys(e.t.Context(), e.storage)
	require.NoError(e.t, err)
	for _, key := range keys {
		entry, err := e.storage.Get(e.t.Context(), key)
		require.NoError(e.t, err)
		stored[key] = string(entry.Value)
	}
	return stored
}

// calls counts the requests that reached Kraken.
func (e *engine) calls() int { return len(e.sim.Calls()) }

// requireOrderly checks that Kraken saw no error, no two requests of a key in flight, and only growing nonces.
func (e *engine) requireOrderly() {
	e.t.Helper()
	last := map[string]uint64{}
	for i, call := range e.sim.Calls() {
		require.Empty(e.t, call.Errors, "call %d", i)
		require.Equal(e.t, 1, call.InFlight, "call %d", i)
		require.Greater(e.t, call.Nonce, last[call.APIKey], "call %d", i)
		last[call.APIKey] = call.Nonce
	}
}

// says is a fault that answers Kraken's error strings, for good.
func says(messages ...string) krakensim.Fault { return krakensim.Fault{Errors: messages} }

// requireCode checks that an error has an HTTP code, by its exact type, as the plugin boundary demands.
func requireCode(t testing.TB, code int, err error) {
	t.Helper()
	require.Error(t, err)
	coded, ok := err.(logical.HTTPCodedError)
	require.Truef(t, ok, "%T isn't a coded error: %v", err, err)
	require.Equal(t, code, coded.Code(), err)
}

var secondsTold = regexp.MustCompile(`\b(\d+) s\b`)

// waitTold is how long an error says to wait.
func waitTold(t testing.TB, err error) time.Duration {
	t.Helper()
	requireCode(t, http.StatusTooManyRequests, err)
	found := secondsTold.FindStringSubmatch(err.Error())
	require.NotNil(t, found, err)
	seconds, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	return time.Duration(seconds) * time.Second
}

// roundTripper is a function as a transport.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// readByTheWaits reads ws-token until it gets one, by the waits that it is told: a minute at most each. It returns how many these were.
func (e *engine) readByTheWaits() (told int64) {
	e.t.Helper()
	for {
		_, err := e.read("ws-token")
		if err == nil {
			return told
		}
		wait := waitTold(e.t, err)
		require.LessOrEqual(e.t, wait, time.Minute)
		time.Sleep(wait)
		told++
		require.Less(e.t, told, int64(100), "it is never served")
	}
}

// certificate is some CA certificate in PEM.
func certificate(t testing.TB) string {
	t.Helper()
	sim, err := krakensim.Start(krakensim.Options{TLS: true})
	require.NoError(t, err)
	defer sim.Close()
	return sim.CACertPEM()
}

// troubledStorage counts what is asked of a storage. What begins with failing can't be written, and what begins with hanging gets no
// answer until its context ends.
type troubledStorage struct {
	logical.Storage
	gets, puts       atomic.Int64
	failing, hanging atomic.Value // of string; "" or nothing: no key
	readOnly         atomic.Bool  // as on a node that isn't the active one
}

func isOf(prefix *atomic.Value, key string) bool {
	text, _ := prefix.Load().(string)
	return text != "" && strings.HasPrefix(key, text)
}

func (s *troubledStorage) hang(ctx context.Context, key string) error {
	if isOf(&s.hanging, key) {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (s *troubledStorage) Get(ctx context.Context, key string) (*logical.StorageEntry, error) {
	s.gets.Add(1)
	if err := s.hang(ctx, key); err != nil {
		return nil, err
	}
	return s.Storage.Get(ctx, key)
}

func (s *troubledStorage) Put(ctx context.Context, entry *logical.StorageEntry) error {
	if s.readOnly.Load() {
		return errors.New(logical.ErrReadOnly.Error()) // as it comes over the plugin boundary
	}
	s.puts.Add(1)
	if err := s.hang(ctx, entry.Key); err != nil {
		return err
	}
	if isOf(&s.failing, entry.Key) {
		return errors.New("disk full")
	}
	return s.Storage.Put(ctx, entry)
}

func (s *troubledStorage) Delete(ctx context.Context, key string) error {
	if s.readOnly.Load() {
		return errors.New(logical.ErrReadOnly.Error())
	}
	return s.Storage.Delete(ctx, key)
}

// eventLog is an event bus that keeps what it is sent.
type eventLog struct {
	mu     sync.Mutex
	events []string
	err    error // answered instead
	hangs  bool  // takes nothing
}

func (l *eventLog) SendEvent(ctx context.Context, eventType logical.EventType, event *logical.EventData) error {
	if l.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	fields := event.Metadata.AsMap()
	text := fmt.Sprintf("%s %s account=%s outcome=%s", eventType, fields["path"], fields["account"], fields["outcome"])
	if entity := fields["entity_id"]; entity != nil {
		text += fmt.Sprint(" entity=", entity)
	}
	l.events = append(l.events, text)
	return nil
}

// takeEvents is what the bus was sent since it was last asked for.
func (e *engine) takeEvents() []string {
	e.backend.events.sendNow()
	e.backend.events.work.Wait()
	return e.events.take()
}

func (l *eventLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	events := l.events
	l.events = nil
	return events
}

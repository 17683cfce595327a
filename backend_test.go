package krakensecrets

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"maps"
	"net/http"
	"path"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/sdk/helper/testhelpers/schema"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/keeper"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// TestMain finds no goroutine of the engine's left behind. The one that is let pass is begun by a package that the SDK
// imports for its databases.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// otherSecret is a second private key; it is made up.
const otherSecret = "b3RoZXIgcHJpdmF0ZSBrZXkgZm9yIHRlc3RzLCBtYWRlIHVwLCBvcGVucyBub3RoaW5nIGF0IGFsbCwgNjQgYg=="

// engine is the engine as Vault sees it, with a simulator as Kraken.
type engine struct {
	t       *testing.T
	storage logical.Storage
	backend *backend
	events  *eventLog
	log     *bytes.Buffer // what the engine logs, from Info on
	sim     *krakensim.Exchange
	url     string // of the simulator
	options account.Options
}

// newEngine starts a simulator that knows the keys (none: the example key) and an engine without any config.
func newEngine(t *testing.T, keys ...krakensim.Key) *engine {
	t.Helper()
	if len(keys) == 0 {
		keys = []krakensim.Key{{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret}}
	}
	sim, err := krakensim.Start(krakensim.Options{Keys: keys})
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	return startEngine(t, sim.Exchange, sim.RESTURL(), account.Options{})
}

// newBubbleEngine is newEngine without sockets, for use in a synctest bubble.
func newBubbleEngine(t *testing.T, keys ...krakensim.Key) *engine {
	t.Helper()
	if len(keys) == 0 {
		keys = []krakensim.Key{{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret}}
	}
	sim := krakensim.New(keys...)
	return startEngine(t, sim, "http://localhost", account.Options{
		Transport: func(*x509.CertPool) http.RoundTripper { return sim.Transport() },
	})
}

func startEngine(t *testing.T, sim *krakensim.Exchange, url string, options account.Options) *engine {
	t.Helper()
	e := &engine{t: t, storage: &logical.InmemStorage{}, events: &eventLog{}, log: new(bytes.Buffer), sim: sim, url: url, options: options}
	e.start()
	return e
}

// start makes the backend over the storage. The one before is dropped as a crash would drop it.
func (e *engine) start() {
	e.t.Helper()
	conf := logical.TestBackendConfig()
	conf.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: e.log})
	conf.StorageView = e.storage
	conf.EventsSender = e.events
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
	}
	if operation == logical.UpdateOperation {
		checked, exists, err := e.backend.HandleExistenceCheck(ctx, request)
		if err == nil && checked && !exists {
			request.Operation = logical.CreateOperation
		}
	}
	response, err := e.backend.HandleRequest(ctx, request)
	if err == nil && response != nil && !response.IsError() {
		route := e.backend.Route(requestPath)
		strict := path.Base(route.Pattern) != pathKeyInfoBase+"$" && route.HelpSynopsis != keyInfoSynopsis
		schema.ValidateResponse(e.t, schema.GetResponseSchema(e.t, route, request.Operation), response, strict)
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
		account.FieldAPIKey: krakensim.ExampleAPIKey, account.FieldAPISecret: krakensim.ExampleAPISecret, account.FieldAPIURL: e.url, account.FieldTier: "none",
	}
	maps.Copy(data, fields)
	return data
}

// put writes a storage entry, as another node would.
func (e *engine) put(key string, value any) {
	e.t.Helper()
	entry, err := logical.StorageEntryJSON(key, value)
	require.NoError(e.t, err)
	require.NoError(e.t, e.storage.Put(e.t.Context(), entry))
}

// calls counts the requests that reached Kraken.
func (e *engine) calls() int { return len(e.sim.Calls()) }

// requireCode checks that an error has an HTTP code, by its exact type, as the plugin boundary demands.
func requireCode(t *testing.T, code int, err error) {
	t.Helper()
	require.Error(t, err)
	coded, ok := err.(logical.HTTPCodedError)
	require.Truef(t, ok, "%T isn't a coded error: %v", err, err)
	require.Equal(t, code, coded.Code(), err)
}

// eventLog is an event sender that keeps what it is sent.
type eventLog struct {
	mu     sync.Mutex
	events []string
	err    error // answered instead
}

func (l *eventLog) SendEvent(_ context.Context, eventType logical.EventType, event *logical.EventData) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	fields := event.Metadata.AsMap()
	l.events = append(l.events, fmt.Sprintf("%s %s account=%s outcome=%s", eventType, fields["path"], fields["account"], fields["outcome"]))
	return nil
}

func (l *eventLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	events := l.events
	l.events = nil
	return events
}

func TestFactoryMakesABackendThatVaultCanMount(t *testing.T) {
	conf := logical.TestBackendConfig()
	conf.StorageView = &logical.InmemStorage{}
	b, err := Factory(t.Context(), conf)
	require.NoError(t, err)
	defer b.Cleanup(context.Background())
	assert.Equal(t, logical.TypeLogical, b.Type())
	assert.Equal(t, Version, b.(logical.PluginVersioner).PluginVersion().Version)
	assert.Regexp(t, `^v\d+\.\d+\.\d+`, Version)
	assert.Equal(t, []string{"config", "config/"}, b.SpecialPaths().SealWrapStorage)

	_, err = Factory(t.Context(), nil)
	assert.Error(t, err)
}

func TestOperationsThatNeedTheNonceOrWriteRunOnTheActiveNode(t *testing.T) {
	e := newEngine(t)
	for _, p := range e.backend.Paths {
		for operation, handler := range p.Operations {
			properties := handler.Properties()
			local := operation == logical.ListOperation || operation == logical.ReadOperation && p.HelpSynopsis == configSynopsis
			assert.Equal(t, !local, properties.ForwardPerformanceStandby, "%s %s", operation, p.Pattern)
			assert.Equal(t, !local, properties.ForwardPerformanceSecondary, "%s %s", operation, p.Pattern)
		}
	}
}

func TestEveryPathIsDocumented(t *testing.T) {
	e := newEngine(t)
	for _, p := range e.backend.Paths {
		assert.NotEmpty(t, p.HelpSynopsis, p.Pattern)
		assert.NotEmpty(t, p.HelpDescription, p.Pattern)
		assert.Equal(t, operationPrefix, p.DisplayAttrs.OperationPrefix, p.Pattern)
		for name, field := range p.Fields {
			assert.NotEmpty(t, field.Description, "%s %s", p.Pattern, name)
		}
		for operation, handler := range p.Operations {
			assert.NotEmpty(t, handler.Properties().Summary, "%s %s", operation, p.Pattern)
			assert.NotEmpty(t, handler.Properties().Responses, "%s %s", operation, p.Pattern)
		}
		for _, secret := range []string{account.FieldAPISecret, account.FieldOTPPassword, account.FieldTOTPSecret} {
			if field := p.Fields[secret]; field != nil {
				assert.True(t, field.DisplayAttrs.Sensitive, secret)
			}
		}
	}
}

func TestNamesThatAreNotNames(t *testing.T) {
	e := newEngine(t)
	for _, base := range []string{pathConfigBase, pathTokenBase, pathKeyInfoBase, pathStatusBase} {
		for _, name := range []string{"a b", "a/b", "-a", "a-", "ä", "../config", "%2e", "a\nb"} {
			_, err := e.read(base + "/" + name)
			requireCode(t, http.StatusBadRequest, err)
			assert.Contains(t, err.Error(), "is not an account name")
			assert.NotContains(t, err.Error(), "\n")
		}
	}
	_, err := e.read("nowhere")
	assert.ErrorIs(t, err, logical.ErrUnsupportedPath)
}

func TestNamesDifferInCase(t *testing.T) {
	// A policy names a path exactly: were ws-token/DESK the same account as ws-token/desk, a denied path would have
	// another way in.
	e := newEngine(t)
	e.configure("desk", nil)
	_, err := e.read("ws-token/DESK")
	requireCode(t, http.StatusBadRequest, err)
	assert.Contains(t, err.Error(), `account "DESK"`)
	_, err = e.read("ws-token/")
	assert.ErrorIs(t, err, logical.ErrUnsupportedPath)
}

func TestInvalidationTakesWhatAnotherNodeStored(t *testing.T) {
	for _, name := range []string{"", "desk-a"} {
		t.Run(account.Title(name), func(t *testing.T) {
			e := newEngine(t)
			e.configure(name, map[string]any{account.FieldCacheTTL: 60})
			tokenPath := path.Join(pathTokenBase, name)
			first := e.mustRead(tokenPath)[fieldToken]
			assert.Equal(t, first, e.mustRead(tokenPath)[fieldToken])

			stored, err := account.Read(t.Context(), e.storage, name)
			require.NoError(t, err)
			stored.CacheTTL = 0
			e.put(account.Path("config", name), stored)
			e.backend.InvalidateKey(t.Context(), "config/other")
			assert.Equal(t, first, e.mustRead(tokenPath)[fieldToken], "another account's config")
			e.backend.InvalidateKey(t.Context(), account.Path("config", name))
			assert.NotEqual(t, first, e.mustRead(tokenPath)[fieldToken])

			key := "nonce/" + keeper.ID(krakensim.ExampleAPIKey)
			ahead := uint64(time.Now().Add(time.Hour).UnixNano())
			e.put(key, keeper.Record{Account: name, Ceiling: ahead})
			e.backend.InvalidateKey(t.Context(), key)
			e.mustRead(tokenPath)
			assert.GreaterOrEqual(t, e.sim.LastNonce(krakensim.ExampleAPIKey), ahead)
		})
	}
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/vault/sdk/helper/pluginutil"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/plugin"
	"github.com/krakensecrets/vault-plugin-secrets-kraken"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// These tests drive the built plugin as a process of its own, over gRPC through go-plugin as Vault does, without a Vault:
// they show what survives that boundary, errors with their codes above all.

var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "vault-plugin-secrets-kraken-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "vault-plugin-secrets-kraken")
		if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
			println(string(out))
			return 1
		}
		return m.Run()
	}())
}

// startPlugin starts the plugin's process and returns the backend behind its gRPC client, set up over a storage, and what
// the process has logged.
func startPlugin(t *testing.T, storage logical.Storage) (logical.Backend, func() string) {
	t.Helper()
	return startPluginWithEvents(t, storage, nil)
}

func startPluginWithEvents(t *testing.T, storage logical.Storage, events logical.EventSender) (logical.Backend, func() string) {
	t.Helper()
	var log lockedBuilder
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: &log})
	command := exec.Command(binary)
	command.Env = append(os.Environ(), pluginutil.PluginAutoMTLSEnv+"=true") // as Vault starts it
	client := goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig,
		VersionedPlugins: map[int]goplugin.PluginSet{5: {
			plugin.BackendPluginName: &plugin.GRPCBackendPlugin{Logger: logger, MultiplexingSupport: true},
		}},
		Cmd:              command,
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         true,
		Logger:           logger,
		SyncStderr:       &log,
		GRPCDialOptions:  []grpc.DialOption{grpc.WithUnaryInterceptor(asMount("one"))},
	})
	t.Cleanup(client.Kill)
	protocol, err := client.Client()
	require.NoError(t, err)
	assert.Equal(t, 5, client.NegotiatedVersion())

	multiplexed, err := pluginutil.MultiplexingSupported(t.Context(), protocol.(*goplugin.GRPCClient).Conn, plugin.BackendPluginName)
	require.NoError(t, err)
	assert.True(t, multiplexed, "all mounts share one process")

	dispensed, err := protocol.Dispense(plugin.BackendPluginName)
	require.NoError(t, err)
	backend := dispensed.(logical.Backend)
	conf := logical.TestBackendConfig()
	conf.StorageView, conf.Logger, conf.EventsSender = storage, logger, events
	conf.Config = map[string]string{"allowed_api_urls": "http://127.0.0.1:*,https://127.0.0.1:*"}
	require.NoError(t, backend.Setup(t.Context(), conf))
	t.Cleanup(func() { backend.Cleanup(context.Background()) })
	return backend, log.String
}

// asMount marks each call as that of one mount, for all mounts share the process.
func asMount(id string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		return invoke(metadata.AppendToOutgoingContext(ctx, pluginutil.MultiplexingCtxKey, id), method, request, reply, conn, options...)
	}
}

// lockedBuilder is a strings.Builder for many writers.
type lockedBuilder struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuilder) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func handle(t *testing.T, backend logical.Backend, storage logical.Storage, operation logical.Operation, path string, data map[string]any) (*logical.Response, error) {
	t.Helper()
	return backend.HandleRequest(t.Context(), &logical.Request{
		Operation: operation, Path: path, Data: data, Storage: storage, MountPoint: "kraken/", EntityID: "alice-id", DisplayName: "userpass-alice",
	})
}

func startSimulator(t *testing.T) *krakensim.Server {
	t.Helper()
	sim, err := krakensim.Start(krakensim.Options{Keys: []krakensim.Key{{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret}}})
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	return sim
}

func TestThePluginServesTheEngineOverGRPC(t *testing.T) {
	sim, storage := startSimulator(t), &logical.InmemStorage{}
	backend, log := startPlugin(t, storage)

	require.NoError(t, backend.Initialize(t.Context(), &logical.InitializationRequest{Storage: storage}))
	assert.Equal(t, logical.TypeLogical, backend.Type())
	assert.Equal(t, []string{"config", "config/"}, backend.SpecialPaths().SealWrapStorage)
	assert.Equal(t, krakensecrets.Version, backend.(logical.PluginVersioner).PluginVersion().Version)

	checked, exists, err := backend.HandleExistenceCheck(t.Context(), &logical.Request{
		Operation: logical.CreateOperation, Path: "config", Storage: storage, Data: map[string]any{"api_secret": map[string]any{"open": "sesame"}},
	})
	require.NoError(t, err, "values are none of its business")
	assert.True(t, checked)
	assert.False(t, exists)

	response, err := handle(t, backend, storage, logical.CreateOperation, "config", map[string]any{
		"api_key": krakensim.ExampleAPIKey, "api_secret": krakensim.ExampleAPISecret, "api_url": sim.RESTURL(),
		"cache_ttl": json.Number("60"), "tier": "none", "mistyped": "x",
	})
	require.NoError(t, err)
	assert.Equal(t, "none", response.Data["two_factor"])
	assert.Len(t, response.Warnings, 1)

	first, err := handle(t, backend, storage, logical.ReadOperation, "ws-token", nil)
	require.NoError(t, err)
	assert.NotEmpty(t, first.Data["token"])
	assert.Equal(t, true, first.Data["cached"])
	second, err := handle(t, backend, storage, logical.UpdateOperation, "ws-token", nil)
	require.NoError(t, err)
	assert.NotEqual(t, first.Data["token"], second.Data["token"])

	for _, path := range []string{"key-info", "status", "config"} {
		response, err := handle(t, backend, storage, logical.ReadOperation, path, nil)
		require.NoError(t, err, path)
		assert.NotEmpty(t, response.Data, path)
	}
	_, err = handle(t, backend, storage, logical.DeleteOperation, "config", nil)
	require.NoError(t, err)

	for _, secret := range []string{krakensim.ExampleAPISecret, first.Data["token"].(string), second.Data["token"].(string)} {
		assert.NotContains(t, log(), secret)
	}
}

// TestErrorCodesSurviveTheBoundary: an error crosses it by its exact type, and one that is wrapped becomes a 500.
func TestErrorCodesSurviveTheBoundary(t *testing.T) {
	sim, storage := startSimulator(t), &logical.InmemStorage{}
	backend, _ := startPlugin(t, storage)
	for i, test := range []struct {
		name      string
		operation logical.Operation
		path      string // OWN is an account of the case's own
		data      map[string]any
		fault     krakensim.Fault
		code      int
		want      string
	}{
		// The first request, for one over an HTTP/1.1 connection that was used before gives that up after half of the time.
		{"no answer", logical.ReadOperation, "ws-token/OWN", nil, krakensim.Fault{Hang: true}, 504, "request_timeout"},
		{"not configured", logical.ReadOperation, "ws-token/none", nil, krakensim.Fault{}, 400, `account "none"`},
		{"bad input", logical.UpdateOperation, "config/OWN", map[string]any{"tier": "gold"}, krakensim.Fault{}, 400, "tier is none of Kraken's"},
		{"a value of the wrong type", logical.UpdateOperation, "config/OWN", map[string]any{"api_secret": []any{"sesame"}}, krakensim.Fault{}, 400, "api_secret is not text"},
		{"a name that is none", logical.ReadOperation, "ws-token/a b", nil, krakensim.Fault{}, 400, "not an account name"},
		{"status of no account", logical.ReadOperation, "status/none", nil, krakensim.Fault{}, 400, `account "none"`},
		{"refused", logical.ReadOperation, "ws-token/OWN", nil, krakensim.Fault{Errors: []string{"EAPI:Invalid key"}}, 400, "EAPI:Invalid key"},
		{"invalid nonce", logical.ReadOperation, "ws-token/OWN", nil, krakensim.Fault{Errors: []string{"EAPI:Invalid nonce"}}, 400, "even 10 minutes ahead of the clock"},
		{"rate limit", logical.ReadOperation, "ws-token/OWN", nil, krakensim.Fault{Errors: []string{"EAPI:Rate limit exceeded"}}, 429, "Read again in 5 s"},
		{"nonsense", logical.ReadOperation, "ws-token/OWN", nil, krakensim.Fault{Body: "<html>"}, 502, "Kraken's API"},
		{"unavailable", logical.ReadOperation, "ws-token/OWN", nil, krakensim.Fault{Errors: []string{"EService:Unavailable"}}, 503, "EService:Unavailable"},
		{"key-info too", logical.ReadOperation, "key-info/OWN", nil, krakensim.Fault{Errors: []string{"EAPI:Invalid signature"}}, 400, "EAPI:Invalid signature"},
		{"a config that Kraken refuses", logical.UpdateOperation, "config/OWN", map[string]any{"tier": "pro", "verify": true}, krakensim.Fault{Errors: []string{"EAPI:Invalid key"}}, 400, "The config was not written"},
	} {
		t.Run(test.name, func(t *testing.T) {
			own, key := fmt.Sprint("case-", i), krakensim.Key{APIKey: fmt.Sprint("key", i), APISecret: krakensim.ExampleAPISecret}
			sim.SetKey(key)
			_, err := handle(t, backend, storage, logical.CreateOperation, "config/"+own, map[string]any{
				"api_key": key.APIKey, "api_secret": key.APISecret, "api_url": sim.RESTURL(), "tier": "none", "request_timeout": 1, "verify": false,
			})
			require.NoError(t, err)
			sim.Misbehave(test.fault)
			defer sim.Behave()
			_, err = handle(t, backend, storage, test.operation, strings.Replace(test.path, "OWN", own, 1), test.data)
			require.Error(t, err)
			coded, ok := err.(logical.HTTPCodedError)
			require.Truef(t, ok, "%T: %v", err, err)
			assert.Equal(t, test.code, coded.Code(), err)
			assert.Contains(t, err.Error(), test.want)
			assert.NotContains(t, err.Error(), "sesame")
		})
	}
}

// TestNumbersSurviveTheBoundary: behind it every number is a float64, which holds not each that Kraken may tell of a key. Such a one
// comes as text.
func TestNumbersSurviveTheBoundary(t *testing.T) {
	sim, storage := startSimulator(t), &logical.InmemStorage{}
	backend, _ := startPlugin(t, storage)
	_, err := handle(t, backend, storage, logical.CreateOperation, "config", map[string]any{
		"api_key": krakensim.ExampleAPIKey, "api_secret": krakensim.ExampleAPISecret, "api_url": sim.RESTURL(),
	})
	require.NoError(t, err)
	sim.Misbehave(krakensim.Fault{Body: `{"error":[],"result":{"created_time":1616492376,"limit":9007199254740992,"share":0.1,
		"nonce":1616492376594000001,"more":9223372036854775808,"most":1e400,"fine":[0.12345678901234567890]}}`})
	response, err := handle(t, backend, storage, logical.ReadOperation, "key-info", nil)
	require.NoError(t, err)
	data, err := json.Marshal(response.Data)
	require.NoError(t, err)
	assert.JSONEq(t, `{"created_time":1616492376,"limit":9007199254740992,"share":0.1,
		"nonce":"1616492376594000001","more":"9223372036854775808","most":"1e400","fine":["0.12345678901234567890"]}`, string(data))
}

func TestADifferentProcessTakesOverStorageAndNonce(t *testing.T) {
	sim, storage := startSimulator(t), &logical.InmemStorage{}
	first, _ := startPlugin(t, storage)
	_, err := handle(t, first, storage, logical.CreateOperation, "config", map[string]any{
		"api_key": krakensim.ExampleAPIKey, "api_secret": krakensim.ExampleAPISecret, "api_url": sim.RESTURL(),
	})
	require.NoError(t, err)
	second, _ := startPlugin(t, storage)
	for range 3 {
		_, err = handle(t, second, storage, logical.ReadOperation, "ws-token", nil)
		require.NoError(t, err)
	}
	var last uint64
	for _, call := range sim.Calls() {
		assert.Empty(t, call.Errors)
		assert.Greater(t, call.Nonce, last)
		last = call.Nonce
	}
}

func TestStartedByHandItSaysWhatItIs(t *testing.T) {
	out, err := exec.Command(binary).CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "This binary is a plugin")

	out, err = exec.Command(binary, "-version").CombinedOutput()
	require.NoError(t, err)
	assert.Equal(t, krakensecrets.Version+"\n", string(out))
}

// TestAnAnswerThatNobodyAskedForIsNotLogged: net/http tells of one in the process's log, word for word, tokens and all, and Vault
// copies that into its own.
func TestAnAnswerThatNobodyAskedForIsNotLogged(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				request, err := http.ReadRequest(bufio.NewReader(connection))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, request.Body)
				const body = `{"error":[],"result":{"token":"open-sesame","expires":900}}`
				answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
				_, _ = io.WriteString(connection, answer+answer)
				_, _ = io.Copy(io.Discard, connection) // until the client has seen it and closed
			}()
		}
	}()
	storage := &logical.InmemStorage{}
	backend, log := startPlugin(t, storage)
	_, err = handle(t, backend, storage, logical.CreateOperation, "config", map[string]any{
		"api_key": krakensim.ExampleAPIKey, "api_secret": krakensim.ExampleAPISecret, "verify": false, "tier": "none",
		"api_url": "http://" + listener.Addr().String(),
	})
	require.NoError(t, err)
	for range 20 {
		response, err := handle(t, backend, storage, logical.ReadOperation, "ws-token", nil)
		require.NoError(t, err)
		require.Equal(t, "open-sesame", response.Data["token"])
	}
	// What the process writes arrives here a little later.
	assert.Never(t, func() bool { return strings.Contains(log(), "open-sesame") }, time.Second, 20*time.Millisecond)
	assert.NotContains(t, log(), "open-sesame")
}

// TestDebuggingOfHTTPIsNotLogged: with this in its environment, Go tells of every header that is sent, API-Sign among them.
func TestDebuggingOfHTTPIsNotLogged(t *testing.T) {
	t.Setenv("GODEBUG", "http2debug=2,http2client=1")
	sim, err := krakensim.Start(krakensim.Options{TLS: true, Keys: []krakensim.Key{{APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret}}})
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	storage := &logical.InmemStorage{}
	backend, log := startPlugin(t, storage)
	_, err = handle(t, backend, storage, logical.CreateOperation, "config", map[string]any{
		"api_key": krakensim.ExampleAPIKey, "api_secret": krakensim.ExampleAPISecret, "api_url": sim.RESTURL(), "ca_cert": sim.CACertPEM(),
	})
	require.NoError(t, err)
	response, err := handle(t, backend, storage, logical.ReadOperation, "ws-token", nil)
	require.NoError(t, err)
	for _, secret := range []string{"api-sign", "API-Sign", "http2:", krakensim.ExampleAPISecret, response.Data["token"].(string)} {
		assert.NotContains(t, log(), secret)
	}
}

// TestProxiesSeeNothingOfALoopbackKraken: with HTTP_PROXY set for the Vault server, a request in the clear must not go there.
func TestProxiesSeeNothingOfALoopbackKraken(t *testing.T) {
	var proxied atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied.Add(1) }))
	defer proxy.Close()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	t.Setenv("NO_PROXY", "")
	sim, storage := startSimulator(t), &logical.InmemStorage{}
	backend, _ := startPlugin(t, storage)
	_, err := handle(t, backend, storage, logical.CreateOperation, "config", map[string]any{
		"api_key": krakensim.ExampleAPIKey, "api_secret": krakensim.ExampleAPISecret, "api_url": sim.RESTURL(),
	})
	require.NoError(t, err)
	assert.Zero(t, proxied.Load())
}

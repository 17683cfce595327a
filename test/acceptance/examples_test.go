package acceptance

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/hashicorp/vault/api"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/test/subprocess"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// awaitSubscription waits until Kraken has one subscription to executions, with a token that it hasn't had before, and
// returns the token.
func (c *cluster) awaitSubscription(before ...string) (string, error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		tokens := c.kraken.Subscribed("executions")
		if len(tokens) == 1 && !slices.Contains(before, tokens[0]) {
			return tokens[0], c.evidence.addSecret(tokens[0])
		}
		if time.Now().After(deadline) {
			return "", fmt.Errorf("%d subscriptions, and not one with a new token, within %s", len(tokens), patience)
		}
	}
}

// cmdStaysSubscribed runs a program that keeps a subscription to Kraken's private feed, and has it lose the connection in one
// way after another. Each time it must come back with a token that it hasn't used before, and it must print no secret.
//
// Of the operator it needs the role and the policy trader, and the files role-id and secret-id. It leaves the policy with read only.
//
//	stays-subscribed PROGRAM [ARGUMENT...]
func cmdStaysSubscribed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: stays-subscribed PROGRAM [ARGUMENT...]")
	}
	c := ts.Value(world{}).(*cluster)
	printed, stop := startExample(ts, args)
	defer stop()
	var seen []string
	comesBack := func(after string) {
		token, err := c.awaitSubscription(seen...)
		if err != nil {
			ts.Fatalf("after %s: %v\n%s", after, err, printed())
		}
		seen = append(seen, token)
	}
	until := func(what string, done func() bool) {
		for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				ts.Fatalf("%s: not within %s\n%s", what, patience, printed())
			}
		}
	}
	operator := func(path string, data map[string]any) {
		_, err := c.servers[0].client.Logical().Write(path, data)
		ts.Check(err)
	}
	comesBack("its start")

	// The connection breaks, and the Vault token has ended.
	operator("sys/leases/revoke-prefix/auth/approle/login", nil)
	operator("kraken/config", map[string]any{"cache_ttl": "5m"})
	c.kraken.ForgetCalls()
	c.kraken.DropSockets()
	comesBack("the connection broke")
	if calls := c.kraken.Calls(); len(calls) != 1 {
		ts.Fatalf("%d calls for one connection: %+v", len(calls), calls)
	}

	// Kraken no longer takes the token that the engine has in its cache since.
	c.kraken.ForgetCalls()
	c.kraken.ExpireTokens()
	c.kraken.DropSockets()
	comesBack("the cached token had died")
	if calls := c.kraken.Calls(); len(calls) != 1 {
		ts.Fatalf("%d calls for one token past the cache: %+v", len(calls), calls)
	}

	// Now it may not mint past the cache. So it tries again until the cache has another token.
	operator("sys/policies/acl/trader", map[string]any{"policy": `path "kraken/ws-token" { capabilities = ["read"] }`})
	const refusal = "ESession:Invalid session"
	before := strings.Count(printed(), refusal)
	c.kraken.ExpireTokens()
	c.kraken.DropSockets()
	until("refused with the cached token", func() bool { return strings.Count(printed(), refusal) > before })
	operator("kraken/config", map[string]any{"cache_ttl": 0})
	comesBack("the cache had another token")

	order, err := c.placeOrder(ts.Getenv("API_KEY"))
	ts.Check(err)
	until("tells of order "+order, func() bool { return strings.Contains(printed(), order) })

	stop()
	text := printed()
	ts.Logf("it printed:\n%s", text)
	ts.Check(c.evidence.add(printedLog, []byte(text)))
	if strings.Contains(text, "hvs.") || strings.Contains(text, strings.TrimSpace(ts.ReadFile("secret-id"))) {
		ts.Fatalf("it has printed a Vault token or the secret ID:\n%s", text)
	}
}

// placeOrder places an order as somebody else who has a token of the key, and returns its ID.
func (c *cluster) placeOrder(apiKey string) (id string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(c.kraken.CACertPEM()))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	conn, _, err := websocket.Dial(ctx, c.kraken.WebSocketV2URL(), &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		return "", err
	}
	defer conn.CloseNow()
	err = wsjson.Write(ctx, conn, map[string]any{"method": "add_order", "params": map[string]any{
		"order_type": "limit", "side": "buy", "order_qty": 0.01, "symbol": "BTC/USD", "limit_price": 20_000,
		"token": c.kraken.NewToken(apiKey),
	}})
	for err == nil {
		var answer struct {
			Method, Error string
			Result        struct {
				OrderID string `json:"order_id"`
			}
		}
		if err = wsjson.Read(ctx, conn, &answer); answer.Method == "add_order" {
			if answer.Error != "" {
				return "", errors.New(answer.Error)
			}
			return answer.Result.OrderID, nil
		}
	}
	return "", err
}

// cmdStart starts a program as an application that trusts the simulated Kraken, and has no Vault token. It is killed at the
// end of the script, with all that it has started.
//
//	start PROGRAM [ARGUMENT...]
func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: start PROGRAM [ARGUMENT...]")
	}
	printed, stop := startExample(ts, args)
	ts.Defer(func() {
		stop()
		ts.Logf("%s printed:\n%s", args, printed())
	})
}

// startExample starts a program as an application does.
func startExample(ts *testscript.TestScript, args []string) (printed func() string, stop func()) {
	output, err := os.CreateTemp(ts.Getenv("TMPDIR"), "printed")
	ts.Check(err)
	defer output.Close()
	program, err := exec.LookPath(args[0])
	ts.Check(err)
	c := ts.Value(world{}).(*cluster)
	command := exec.Command(program, args[1:]...)
	command.Dir, command.Stdout, command.Stderr = ts.MkAbs("."), output, output
	for _, name := range []string{"PATH", "HOME", "VAULT_ADDR", "KRAKEN_URL", "SUBSCRIBE_BIN", "EVIDENCE", "VAULT_PID"} {
		command.Env = append(command.Env, name+"="+ts.Getenv(name))
	}
	command.Env = append(command.Env, "SSL_CERT_FILE="+c.caFile, "NODE_EXTRA_CA_CERTS="+c.caFile)
	process, err := subprocess.Start(command)
	ts.Check(err)
	return func() string { return ts.ReadFile(output.Name()) }, process.Kill
}

// Who repeats a read that failed, and how often, as docs/agent.md tells.
func TestSomeClientsRepeatAFailedRead(t *testing.T) {
	c := startCluster(t, setup{storage: inMemory})
	c.enable(t)
	c.configure(t, "", nil)
	c.kraken.Misbehave(krakensim.Fault{Status: http.StatusForbidden}) // the CDN's refusal: a 502 that is remembered
	const path = "/v1/kraken/ws-token"
	python := `import hvac; hvac.Client().read("kraken/ws-token")`
	tests := map[string]struct {
		command []string
		times   int
	}{
		"the vault command": {[]string{vaultBin, "read", "kraken/ws-token"}, 1},
		"curl":              {[]string{"curl", "--fail", "--header", "X-Vault-Token: " + c.rootToken, c.servers[0].address + path}, 1},
		"hvac":              {[]string{"/usr/bin/python3", "-c", python}, 1},
		"Vault's Go client": {nil, 3},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := c.failedReads(t)
			if test.command == nil {
				client, err := api.NewClient(nil)
				require.NoError(t, err)
				require.NoError(t, client.SetAddress(c.servers[0].address))
				client.SetToken(c.rootToken)
				_, err = client.Logical().Read("kraken/ws-token")
				require.Error(t, err)
			} else {
				if found, _ := condition("python"); name == "hvac" && !found {
					t.Skip("python3-hvac is not here")
				}
				program, err := exec.LookPath(test.command[0])
				if err != nil {
					t.Skip(err)
				}
				command := exec.Command(program, test.command[1:]...)
				command.Env = []string{"HOME=" + t.TempDir(), "VAULT_ADDR=" + c.servers[0].address, "VAULT_TOKEN=" + c.rootToken}
				require.Error(t, command.Run())
			}
			assert.Equal(t, test.times, c.failedReads(t)-before)
		})
	}
}

// failedReads counts the answers in the audit log that are an error of kraken/ws-token.
func (c *cluster) failedReads(t *testing.T) (count int) {
	t.Helper()
	text, err := os.ReadFile(c.evidence.file(auditLog))
	require.NoError(t, err)
	for line := range bytes.Lines(text) {
		var entry struct {
			Type, Error string
			Request     struct{ Path string }
		}
		require.NoError(t, json.Unmarshal(line, &entry))
		if entry.Type == "response" && entry.Error != "" && entry.Request.Path == "kraken/ws-token" {
			count++
		}
	}
	return count
}

package control

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/wiretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "GetWebSocketsToken"

const exampleKey = `{"api_key":"` + krakensim.ExampleAPIKey + `","api_secret":"` + krakensim.ExampleAPISecret + `"}`

// bench is a server that listens nowhere, and so can be used in a synctest bubble.
type bench struct {
	t *testing.T
	*krakensim.Server
	control http.Handler
}

func newBench(t *testing.T) bench {
	s := &krakensim.Server{Exchange: krakensim.New(krakensim.Key{
		APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret,
	})}
	return bench{t, s, Handler(s)}
}

// command gives a command, such as "PUT nonce", and returns the answer's status and body.
func (b bench) command(command, body string) (int, string) {
	b.t.Helper()
	method, path, _ := strings.Cut(command, " ")
	w := httptest.NewRecorder()
	b.control.ServeHTTP(w, httptest.NewRequest(method, "/"+path, strings.NewReader(body)))
	if w.Body.Len() > 0 && w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed {
		require.Equal(b.t, "application/json", w.Header().Get("Content-Type"))
	}
	return w.Code, w.Body.String()
}

// done gives a command that succeeds without a result.
func (b bench) done(command, body string) {
	b.t.Helper()
	status, text := b.command(command, body)
	require.Equal(b.t, http.StatusNoContent, status, text)
	require.Empty(b.t, text)
}

type answer struct {
	Error  []string
	Result map[string]any
}

// call calls one of Kraken's methods, with further fields in the body.
func (b bench) call(method string, fields ...string) (got answer) {
	b.t.Helper()
	nonce := strconv.FormatUint(b.LastNonce(krakensim.ExampleAPIKey)+1, 10)
	body := strings.Join(append([]string{"nonce=" + nonce}, fields...), "&")
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, "http://kraken.test/0/private/"+method, strings.NewReader(body))
	require.NoError(b.t, err)
	r.Header.Set("API-Key", krakensim.ExampleAPIKey)
	r.Header.Set("API-Sign", wiretest.Sign(krakensim.ExampleAPISecret, r.URL.Path, nonce, body))
	response, err := b.Transport().RoundTrip(r)
	require.NoError(b.t, err)
	require.NoError(b.t, json.NewDecoder(response.Body).Decode(&got))
	return got
}

func TestCallsAreToldAndForgotten(t *testing.T) {
	b := newBench(t)
	b.call(token)
	b.call(token)
	status, text := b.command("GET calls", "")
	assert.Equal(t, http.StatusOK, status)
	var calls []krakensim.Call
	require.NoError(t, json.Unmarshal([]byte(text), &calls))
	require.Len(t, calls, 2)
	assert.Equal(t, krakensim.ExampleAPIKey, calls[0].APIKey)
	b.done("DELETE calls", "")
	assert.Empty(t, b.Calls())
	_, text = b.command("GET calls", "")
	assert.JSONEq(t, `[]`, text)
}

func TestBadCommandsAreRefusedAndSayWhy(t *testing.T) {
	for _, test := range []struct{ command, body, want string }{
		{"POST misbehave", ``, "JSON object"},
		{"POST misbehave", `{"Status":`, "unexpected"},
		{"POST misbehave", `{"eror":["x"]}`, "eror"},
		{"POST misbehave", `{"latency":"soon"}`, "latency"},
		{"POST misbehave", `{"latency":"-1s"}`, "latency"},
		{"POST misbehave", `{"status":42}`, "status"},
		{"POST misbehave", `{"status":199}`, "status"},
		{"POST misbehave", `{"status":600}`, "status"},
		{"POST misbehave", `{"times":-1}`, "times"},
		{"POST misbehave", `{"oversize":-1}`, "oversize"},
		{"POST misbehave", `{"body":"` + strings.Repeat("a", maxBody) + `"}`, "too large"},
		{"POST misbehave", `null`, "JSON object"},
		{"POST misbehave", `{"status":500} {"status":501}`, "after the JSON object"},
		{"POST misbehave", `{"status":500}]`, "after the JSON object"},
		{"POST misbehave", `{}`, "nothing"},
		{"POST misbehave", `{"path":"x","errors":[],"header":{}}`, "nothing"},
		{"PUT nonce", ``, "JSON object"},
		{"PUT nonce", `{"api_key":"k"}`, "required"},
		{"PUT nonce", `{"nonce":1}`, "required"},
		{"PUT nonce", `{"api_key":"k","nonce":"x"}`, "nonce"},
		{"PUT key", `{"api_key":"k","api_secret":"?"}`, "base64"},
		{"PUT key", `{"api_key":"k","api_secret":"AAAA","decay_step":"-2s"}`, "decay_step"},
		{"PUT key", `{"api_key":"k","api_secret":"AAAA","permissions":["query-fund"]}`, "query-fund"},
		{"DELETE key", `{}`, "required"},
		{"POST fill", `{"quantity":1}`, "order_id is required"},
		{"POST fill", `{"order_id":"none"}`, "Unknown order"},
		{"DELETE key", `{"api_key":"k"}`, "no such key"},
		{"POST fill", `{"order_id":"O","quantity":0}`, "quantity"},
		{"POST fill", `{"order_id":"O","price":-1}`, "price"},
		{"POST fill", `{"order_id":"O","price":"1"}`, "price"},
	} {
		b := newBench(t)
		status, text := b.command(test.command, test.body)
		assert.Equal(t, http.StatusBadRequest, status, test.command)
		var answer map[string]string
		require.NoError(t, json.Unmarshal([]byte(text), &answer))
		assert.Contains(t, answer["error"], test.want, test.command)
		assert.Empty(t, b.call(token).Error, "nothing was done")
	}
}

func TestUnknownCommandsAreNotFound(t *testing.T) {
	b := newBench(t)
	status, _ := b.command("GET nothing", "")
	assert.Equal(t, http.StatusNotFound, status)
	status, _ = b.command("GET behave", "")
	assert.Equal(t, http.StatusMethodNotAllowed, status)
}

// What is about connections and tokens needs some.
func TestConnectionsAreClosedAndTokensExpire(t *testing.T) {
	s, err := krakensim.Start(krakensim.Options{Control: Handler, Keys: []krakensim.Key{{
		APIKey: krakensim.ExampleAPIKey, APISecret: krakensim.ExampleAPISecret,
	}}})
	require.NoError(t, err)
	defer s.Close()
	b := bench{t, s, Handler(s)}

	subscribe := func(token any) string {
		ws := wiretest.Dial(t, s.WebSocketV2URL())
		ws.Next()
		ws.Send(fmt.Sprintf(`{"method":"subscribe","params":{"channel":"executions","token":"%s"}}`, token))
		return ws.Next()
	}
	old := b.call(token).Result["token"]
	require.Contains(t, subscribe(old), `"success":true`)
	b.done("POST expire-tokens", "")
	assert.Contains(t, subscribe(old), "ESession:Invalid session")
	assert.Contains(t, subscribe(b.call(token).Result["token"]), `"success":true`)

	ws := wiretest.Dial(t, s.WebSocketV2URL())
	ws.Next()
	idle, err := net.Dial("tcp", strings.TrimPrefix(s.RESTURL(), "http://"))
	require.NoError(t, err)
	defer idle.Close()
	_, err = io.WriteString(idle, "GET /sim/calls HTTP/1.1\r\nHost: kraken.test\r\n\r\n")
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(idle), nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	read := func() error {
		_ = idle.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, err := idle.Read(make([]byte, 1))
		return err
	}
	require.ErrorIs(t, read(), os.ErrDeadlineExceeded, "it is kept alive")
	require.Eventually(t, func() bool { // the server may learn of the end of a request after the client
		b.done("POST close-connections", "")
		return errors.Is(read(), io.EOF)
	}, 5*time.Second, time.Millisecond)
	ws.Send(`{"method":"ping"}`)
	require.Contains(t, ws.Next(), "pong", "it stays")

	b.done("POST drop-sockets", "")
	_, _, err = ws.Conn.Read(t.Context())
	assert.Error(t, err)
}

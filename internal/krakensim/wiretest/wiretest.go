// Package wiretest has what the tests of the simulated Kraken share: a client's signature, JSON to compare, and a
// client's end of a WebSocket.
package wiretest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// Sign is the API-Sign header of a private request, as Kraken's guide has clients compute it (docs.kraken.com, "Spot
// REST Authentication"). It is written apart from the code that checks it. A private key that isn't base64 signs as an
// empty one.
func Sign(apiSecret, path, nonce, body string) string {
	secret, _ := base64.StdEncoding.DecodeString(apiSecret)
	inner := sha256.Sum256([]byte(nonce + body))
	mac := hmac.New(sha512.New, secret)
	mac.Write(append([]byte(path), inner[:]...))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Matches checks that got has at least the fields of want, and returns got. In want, "*" stands for any value.
func Matches(t testing.TB, want, got string) any {
	t.Helper()
	var w, g any
	require.NoError(t, json.Unmarshal([]byte(want), &w), want)
	require.NoError(t, json.Unmarshal([]byte(got), &g), got)
	contains(t, w, g, got)
	return g
}

func contains(t testing.TB, want, got any, text string) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		require.True(t, ok, text)
		for name, value := range want {
			require.Contains(t, object, name, text)
			contains(t, value, object[name], text)
		}
	case []any:
		list, ok := got.([]any)
		require.True(t, ok, text)
		require.Len(t, list, len(want), text)
		for i := range want {
			contains(t, want[i], list[i], text)
		}
	default:
		if want != "*" {
			require.Equal(t, want, got, text)
		}
	}
}

// Exactly checks that got has the fields of want and no others. In want, "*" stands for any value.
func Exactly(t testing.TB, want, got string) {
	t.Helper()
	var w, g any
	require.NoError(t, json.Unmarshal([]byte(want), &w), want)
	require.NoError(t, json.Unmarshal([]byte(got), &g), got)
	require.Equal(t, filled(w, g), g)
}

// filled is want with what got has where want has "*".
func filled(want, got any) any {
	switch want := want.(type) {
	case map[string]any:
		got, _ := got.(map[string]any)
		for name, value := range want {
			want[name] = filled(value, got[name])
		}
	case []any:
		got, _ := got.([]any)
		for i := range min(len(want), len(got)) {
			want[i] = filled(want[i], got[i])
		}
	case string:
		if want == "*" {
			return got
		}
	}
	return want
}

// Stream is a client's end of a WebSocket.
type Stream struct {
	t    testing.TB
	Conn *websocket.Conn
}

// Dial connects to a WebSocket, for as long as the test.
func Dial(t testing.TB, url string) Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, url, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return Stream{t, conn}
}

// Send sends a message.
func (s Stream) Send(message string) {
	s.t.Helper()
	require.NoError(s.t, s.Conn.Write(s.t.Context(), websocket.MessageText, []byte(message)))
}

// Next reads the next message that isn't a heartbeat.
func (s Stream) Next() string {
	s.t.Helper()
	for {
		if text := s.Read(); !strings.Contains(text, `"heartbeat"`) {
			return text
		}
	}
}

// Read reads the next message.
func (s Stream) Read() string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	_, text, err := s.Conn.Read(ctx)
	require.NoError(s.t, err)
	return string(text)
}

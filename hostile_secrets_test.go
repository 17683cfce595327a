package krakensecrets

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAKrakenThatRepeatsTheRequest: gateways with their debugging left on quote what they were sent, and the password that
// is the second factor is part of that.
func TestAKrakenThatRepeatsTheRequest(t *testing.T) {
	const password = "open sesame & more"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(raw)))
		_ = r.ParseForm()
		said := fmt.Sprintf("%s %s", raw, r.Form.Get("otp"))
		if strings.HasSuffix(r.URL.Path, "GetApiKeyInfo") {
			_, _ = fmt.Fprintf(w, `{"error":[],"result":{"apiKeyName":%q,"permissions":[%q],"nested":{"a":[%q]},%[1]q:1}}`, said, said, said)
			return
		}
		_, _ = fmt.Fprintf(w, `{"error":["EGeneral:Invalid arguments:%s"]}`, said)
	}))
	defer server.Close()
	e := newEngine(t)
	e.configure("", map[string]any{fieldAPIURL: server.URL, fieldVerify: false, fieldOTPPassword: password})
	response, err := e.read("key-info")
	require.NoError(t, err)
	_, refused := e.read("ws-token")
	requireCode(t, http.StatusBadRequest, refused)
	_, unproved := e.write("config", map[string]any{fieldTier: "pro"})
	require.Error(t, unproved)
	status := fmt.Sprint(e.mustRead("status"))
	for name, text := range map[string]string{
		"a message": refused.Error(), "a write's message": unproved.Error(), "the log": e.log.String(), "status": status,
		"key-info": fmt.Sprint(response.Data), "its warnings": fmt.Sprint(response.Warnings),
	} {
		assert.NotContains(t, text, "sesame", name)
	}
}

// TestNothingForgesALogLine: whatever Kraken says, each failure is one line.
func TestNothingForgesALogLine(t *testing.T) {
	e := newEngine(t)
	for i, forged := range []string{
		"\n2026-01-01T00:00:00.000Z [ERROR] forged", "\r[ERROR] forged", "\u2028[ERROR] forged", "\u0085[ERROR] forged",
		"\x1b[2J\x1b[1;1H[ERROR] forged", "\u202e[ERROR] forged", "\x00[ERROR] forged", `" forged="yes`, "%!s(MISSING) %n",
	} {
		e.sim.Behave()
		e.configure("", nil) // forgets the refusal before
		e.sim.Misbehave(krakensim.Fault{Errors: []string{"EForged:" + forged}})
		before := e.log.Len()
		_, err := e.read("ws-token")
		requireCode(t, http.StatusBadRequest, err)
		line := e.log.String()[before:]
		assert.Equal(t, 1, strings.Count(line, "\n"), "%d: %q", i, line)
		assert.NotRegexp(t, `[\x00-\x09\x0b-\x1f\x7f-\x{9f}\x{2028}\x{2029}\x{202e}]`, line)
		assert.NotRegexp(t, ` forged="?yes`, line, "a field of its own")
	}
}

// TestAReadUnderWayWhenTheMountGoes is told so, with a code that clients repeat.
func TestAReadUnderWayWhenTheMountGoes(t *testing.T) {
	for _, requestPath := range []string{"ws-token", "key-info"} {
		for _, cacheTTL := range []string{"0", "5m"} {
			t.Run(requestPath+" "+cacheTTL, func(t *testing.T) {
				e := newEngine(t)
				e.configure("", map[string]any{fieldVerify: false, fieldCacheTTL: cacheTTL})
				e.sim.Misbehave(krakensim.Fault{Hang: true})
				outcome := make(chan error, 1)
				go func() {
					_, err := e.read(requestPath)
					outcome <- err
				}()
				require.Eventually(t, func() bool { return e.calls() == 1 }, 10*time.Second, time.Millisecond)
				e.backend.Cleanup(context.Background())
				requireCode(t, http.StatusServiceUnavailable, <-outcome)
				e.sim.Behave()
			})
		}
	}
}

package krakensecrets

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// echoingGateway is a place that the mount allows and that quotes what it was sent in its error strings.
func echoingGateway(quote func(text string) string) account.Options {
	return account.Options{Transport: func(*x509.CertPool) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			sent, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			form, _ := url.ParseQuery(string(sent))
			var said []string
			for _, text := range []string{r.Header.Get("API-Sign"), form.Get("otp"), string(sent), fmt.Sprint(r.Header)} {
				said = append(said, "EGeneral:Invalid arguments:"+quote(text))
			}
			body, _ := json.Marshal(map[string]any{"error": append(said, quote(r.Header.Get("API-Sign"))), "result": map[string]any{"said": said}})
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
		})
	}}
}

// TestAGatewayThatQuotesWhatItWasSent: nothing of that gets into an answer, which stands in the audit log, nor into the log, status or an event.
func TestAGatewayThatQuotesWhatItWasSent(t *testing.T) {
	const password = "opensesame"
	for name, quote := range map[string]func(string) string{
		"as it is":  func(text string) string { return text },
		"base64":    func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) },
		"base64url": func(text string) string { return base64.URLEncoding.EncodeToString([]byte(text)) },
		"hex":       func(text string) string { return hex.EncodeToString([]byte(text)) },
		"percent":   url.QueryEscape,
		"quoted":    func(text string) string { return fmt.Sprintf("%+q", text) },
	} {
		t.Run(name, func(t *testing.T) {
			var quotes []string
			options := echoingGateway(func(text string) string {
				quoted := quote(text)
				for at := 0; at+12 <= len(quoted); at += 12 {
					quotes = append(quotes, quoted[at:at+12])
				}
				return quoted
			})
			e := startEngine(t, krakensim.New(), "http://localhost", options)
			data := e.pair(map[string]any{account.FieldOTPPassword: password, account.FieldRequestTimeout: 1})
			told := []any{e.writeOnly("config", data)}
			data[account.FieldVerify] = false
			require.NoError(t, e.writeOnly("config", data))
			for _, path := range []string{"ws-token", "key-info"} {
				_, err := e.read(path)
				require.Error(t, err)
				told = append(told, err)
			}
			told = append(told, e.mustRead("status"), e.mustRead("metrics"), e.takeEvents(), e.log.String())
			require.NotEmpty(t, quotes)
			require.Contains(t, fmt.Sprint(told...), "EGeneral:Invalid")
			text := fmt.Sprint(told...)
			for _, part := range append(quotes, password) {
				if !strings.Contains("nonce= otp= Content-Type application/x-www-form-urlencoded User-Agent vault-plugin-secrets-kraken map[Api-Key:["+krakensim.ExampleAPIKey, part) {
					assert.NotContains(t, text, part)
				}
			}
		})
	}
}

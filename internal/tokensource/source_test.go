package tokensource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

func TestTokenNeverShowsItsValue(t *testing.T) {
	const secret = "c2VjcmV0"
	token := Token{Value: secret, RequestedAt: time.Now(), ExpiresAt: time.Now().Add(tokenLife)}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("minted", "token", token, "pointer", &token)
	encoded, err := json.Marshal(struct{ Token Token }{token})
	require.NoError(t, err)
	shown := map[string]string{
		"String": token.String(), "GoString": token.GoString(), "slog": log.String(), "json": string(encoded),
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		shown[verb] = fmt.Sprintf(verb, token) + fmt.Sprintf(verb, &token) + fmt.Sprintf(verb, []Token{token}) +
			fmt.Sprintf(verb, struct{ Token Token }{token})
	}
	for how, text := range shown {
		require.NotContains(t, text, secret, how)
		require.NotContains(t, text, fmt.Sprintf("%x", secret), how)
		require.NotContains(t, text, fmt.Sprintf("%X", secret), how)
		require.Contains(t, text, "token [redacted]", how)
	}
	require.Equal(t, "no token", Token{}.String())
}

func TestErrorsSayWhatHappened(t *testing.T) {
	cases := map[string]struct {
		err  error
		want string
	}{
		"held back by our count": {heldBack(2100*time.Millisecond, nil),
			"held back for 3 s: more calls with this API key than Kraken allows at a time"},
		"held back by Kraken": {heldBack(5*time.Second, failure(kraken.KindRateLimited)),
			"held back for 5 s: Kraken answered EAPI:Rate limit exceeded"},
		"no wait is a second": {heldBack(0, nil),
			"held back for 1 s: more calls with this API key than Kraken allows at a time"},
		"remembered": {&RememberedError{failure(kraken.KindInvalidKey), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
			"Kraken answered EAPI:Invalid key (remembered, to protect the account: " +
				"Kraken is asked again from 2026-01-02T03:04:05Z on)"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { require.EqualError(t, c.err, c.want) })
	}
}

func TestHeldBackIsNotTakenForAnAnswerOfKrakens(t *testing.T) {
	require.Nil(t, as(heldBack(time.Second, failure(kraken.KindRateLimited))))
	require.NotNil(t, as(&RememberedError{Err: failure(kraken.KindInvalidKey)}))
}

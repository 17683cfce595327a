package account

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/clock/clocktest"
	"github.com/stretchr/testify/require"
)

func TestATokenNeverShowsItsValue(t *testing.T) {
	const secret = "c2VjcmV0"
	requested := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	token := Token{Value: secret, RequestedAt: requested, ExpiresAt: requested.Add(15 * time.Minute)}
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
		require.Contains(t, text, "token [redacted] requested 2026-01-02T03:04:05Z, expires 2026-01-02T03:19:05Z", how)
	}
	require.Equal(t, "no token", Token{}.String())
	require.Equal(t, "[cached token] [cached token]", fmt.Sprintf("%v %+v", token.toCache(), *token.toCache()))
}

func TestWhatATokenIsGoodForDependsOnItsAge(t *testing.T) {
	const ttl = 4 * time.Minute
	requested := time.Now()
	token := Token{Value: "t", RequestedAt: requested, ExpiresAt: requested.Add(5 * time.Minute)}.toCache()
	for age, want := range map[time.Duration]struct{ alive, young, due bool }{
		0:                                 {true, true, false},
		3*time.Minute - time.Nanosecond:   {true, true, false},
		3 * time.Minute:                   {true, true, true},
		4*time.Minute - time.Nanosecond:   {true, true, true},
		4 * time.Minute:                   {true, false, true}, // 60 s to live
		4*time.Minute + time.Nanosecond:   {false, false, true},
		100 * time.Minute:                 {false, false, true},
		-time.Minute:                      {true, true, false},
		2*time.Minute + 1*time.Nanosecond: {true, true, false},
	} {
		t.Run(age.String(), func(t *testing.T) {
			now := requested.Add(age)
			require.Equal(t, want.alive, token.alive(now))
			require.Equal(t, want.young, token.young(now, ttl))
			require.Equal(t, want.due, token.renewalDue(now, ttl))
		})
	}
	require.False(t, token.young(requested.Add(4*time.Minute+time.Nanosecond), time.Hour), "too little of its life is left")
	require.False(t, (*cachedToken)(nil).alive(requested), "there is none")
	require.False(t, (*cachedToken)(nil).young(requested, ttl))
}

// TestATokenGrowsOldByEitherClock: what it is told to have left, and until when, goes by the clock that has come further.
func TestATokenGrowsOldByEitherClock(t *testing.T) {
	for name, test := range map[string]struct{ wall, monotonic, left time.Duration }{
		"both agree":                          {time.Minute, time.Minute, 14 * time.Minute},
		"the host slept for ten minutes":      {11 * time.Minute, time.Minute, 4 * time.Minute},
		"the host slept for an hour":          {time.Hour, 0, -45 * time.Minute},
		"the wall clock was set back an hour": {-59 * time.Minute, time.Minute, 14 * time.Minute},
		"the wall clock was set on by a day":  {24 * time.Hour, 0, 15*time.Minute - 24*time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			clocks := clocktest.New()
			requested := clocks.Now()
			token := &Token{Value: "t", RequestedAt: requested, ExpiresAt: requested.Add(tokenLife)}
			clocks.Wall, clocks.Monotonic = test.wall, test.monotonic
			now := clocks.Now()
			require.Equal(t, test.left, token.Left(now))
			require.Equal(t, tokenLife-test.left, token.Age(now))
			require.Equal(t, now.Round(0).Add(test.left), token.Expiry(now).Round(0), "as the wall clock will show it")
			require.Equal(t, test.left >= time.Minute, token.toCache().alive(now))
			require.Equal(t, test.left, token.toCache().left(now))
		})
	}
}

package kraken

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// saidBy calls a server that answers with error strings.
func saidBy(t *testing.T, status int, messages ...string) *Error {
	t.Helper()
	server := answering(t, saying(status, krakenSays(messages...)))
	_, err := plainClient(t, server.URL).GetWebSocketsToken(t.Context(), testNonce)
	var failed *Error
	require.ErrorAs(t, err, &failed)
	assert.True(t, failed.Sent)
	return failed
}

func TestWhatKrakenSays(t *testing.T) {
	for message, want := range map[string]Kind{
		"EAPI:Invalid key":                             KindInvalidKey,
		"EAPI: Invalid key":                            KindInvalidKey,
		"eapi:invalid KEY":                             KindInvalidKey,
		"EAPI:Invalid signature":                       KindInvalidSignature,
		"EAPI:Invalid nonce":                           KindInvalidNonce,
		"EAPI:Rate limit exceeded":                     KindRateLimited,
		"EAuth:Rate limit exceeded":                    KindRateLimited,
		"EAuth:Too many requests":                      KindRateLimited,
		"EGeneral:Too many requests":                   KindRateLimited,
		"EService:Throttled":                           KindRateLimited,
		"EService: Throttled: 1700000000":              KindRateLimited,
		"EGeneral:Temporary lockout":                   KindLockout,
		"EGeneral:Permission denied":                   KindPermissionDenied,
		"EAuth:Account temporary disabled":             KindAccountRefused,
		"EAuth:Account unconfirmed":                    KindAccountRefused,
		"EAccount:Invalid permissions":                 KindAccountRefused,
		"EAccount:Invalid permissions:X trading, DE":   KindAccountRefused,
		"EGeneral:Internal error":                      KindUnavailable,
		"EGeneral:Internal error:abc123":               KindUnavailable,
		"EDatabase: Internal error (to be deprecated)": KindUnavailable,
		"EService:Unavailable":                         KindUnavailable,
		"EService:Busy":                                KindUnavailable,
		"EService:Timeout":                             KindUnavailable,
		"EService:Deadline elapsed":                    KindUnavailable,
		"EService:Market in cancel_only mode":          KindUnavailable,
		"EGeneral:Unknown Method":                      KindUnexpected,
		"EFuture:Something new":                        KindUnexpected,
		"EFuture:EAPI:Invalid key":                     KindUnexpected,
	} {
		t.Run(message, func(t *testing.T) {
			failed := saidBy(t, 200, message)
			assert.Equal(t, want.String(), failed.Kind.String())
			assert.Equal(t, []string{message}, failed.Messages)
			assert.EqualError(t, failed, "Kraken answered "+message)
		})
	}
}

func TestTheMessageThatAsksForTheMostCareWins(t *testing.T) {
	const lockout, limit, key, nonce, unknown = "EGeneral:Temporary lockout", "EAPI:Rate limit exceeded", "EAPI:Invalid key", "EAPI:Invalid nonce", "EFuture:New"
	for _, test := range []struct {
		messages []string
		want     Kind
	}{
		{[]string{lockout, limit, key}, KindLockout},
		{[]string{limit, lockout}, KindLockout},
		{[]string{key, lockout}, KindLockout},
		{[]string{key, limit}, KindRateLimited},
		{[]string{limit, key}, KindRateLimited},
		{[]string{key, nonce}, KindInvalidKey},
		{[]string{unknown, nonce}, KindInvalidNonce},
		{[]string{nonce, unknown}, KindInvalidNonce},
		{[]string{"WGeneral:Rate limit exceeded", nonce}, KindInvalidNonce},
		{[]string{unknown, unknown, unknown, unknown, unknown, lockout}, KindLockout}, // though it isn't told
	} {
		t.Run(fmt.Sprint(test.messages), func(t *testing.T) {
			failed := saidBy(t, 200, test.messages...)
			assert.Equal(t, test.want.String(), failed.Kind.String())
			assert.NotContains(t, failed.Error(), "WGeneral")
		})
	}
}

func TestWhatKrakenSaysCountsBeforeTheStatus(t *testing.T) {
	for _, test := range []struct {
		status  int
		message string
		want    Kind
	}{
		{500, "EAPI:Invalid key", KindInvalidKey},
		{429, "EAPI:Invalid nonce", KindInvalidNonce},
		{403, "EGeneral:Permission denied", KindPermissionDenied},
		{500, "EFuture:Down", KindUnavailable},
		{429, "EFuture:Slower", KindRateLimited},
		{403, "EFuture:Forbidden", KindUnexpected},
		{302, "EFuture:Elsewhere", KindUnexpected},
		{200, "EFuture:New", KindUnexpected},
	} {
		failed := saidBy(t, test.status, test.message)
		assert.Equal(t, test.want.String(), failed.Kind.String(), "%d %s", test.status, test.message)
		assert.Equal(t, "Kraken answered "+test.message, failed.Error())
	}
}

func TestWhatHasTheFormOfAMessage(t *testing.T) {
	for message, want := range map[string]struct{ failure, strange bool }{
		"EAPI:Invalid key":  {true, false},
		"eapi:x":            {true, false},
		"E1:x":              {false, true},
		"E:x":               {false, true},
		"EAPI:":             {false, true},
		"EAPI: ":            {false, true},
		"EAPI":              {false, true},
		" EAPI:x":           {false, true},
		"E API:x":           {false, true},
		"XAPI:x":            {false, true},
		"":                  {false, true},
		"WAPI:x":            {false, false},
		"wapi: x":           {false, false},
		"Whatever":          {false, true},
		"EForged:\n[ERROR]": {true, false},
	} {
		failures, strange := sortMessages([]string{message})
		assert.Equal(t, want.failure, len(failures) == 1, "%q", message)
		assert.Equal(t, want.strange, strange, "%q", message)
	}
}

func TestThrottledUntil(t *testing.T) {
	now := time.Unix(1700000000, 0)
	for message, want := range map[string]time.Duration{
		"EService: Throttled: 1700000042":           42 * time.Second,
		"EService:Throttled:1700000042":             42 * time.Second,
		"EService: Throttled: 1699999999":           0,
		"EService: Throttled: 1700009999":           time.Hour,
		"EService: Throttled: 1099511627775":        time.Hour,
		"EService: Throttled: 1099511627776":        0,
		"EService: Throttled: -1":                   0,
		"EService: Throttled: 99999999999999999999": 0,
		"EService: Throttled: soon":                 0,
		"EService: Throttled":                       0,
		"EService: Busy: 1700000042":                0,
	} {
		response := &http.Response{StatusCode: 200, Header: http.Header{"Retry-After": {"7"}}}
		failed := newAPIError([]string{message}, response, newRedactor("", "", ""), now)
		assert.Equal(t, max(want, 7*time.Second), failed.RetryAfter, message)
		assert.Equal(t, want, throttledFor(message, now), message)
	}
}

func TestErrorStringsCannotForgeLogLines(t *testing.T) {
	for _, forged := range []string{
		"\n2026-01-01T00:00:00.000Z [ERROR] forged", "\r[ERROR] forged", "\u2028[ERROR] forged", "\u0085[ERROR] forged",
		"\x1b[2J\x1b[1;1H[ERROR] forged", "\u202e[ERROR] forged", "\x00[ERROR] forged", "\ufffd\xff[ERROR] forged",
	} {
		failed := saidBy(t, 200, "EForged:"+forged)
		assert.NotRegexp(t, `[\x00-\x1f\x7f-\x{9f}\x{2028}\x{2029}\x{202e}\x{fffd}]`, failed.Error())
		assert.Regexp(t, `^Kraken answered EForged: .*\[ERROR\] forged$`, failed.Error())
	}
	assert.Equal(t, "Kraken answered EFuture:%!s(MISSING) %n", saidBy(t, 200, "EFuture:%!s(MISSING) %n").Error())
	assert.Equal(t, "EFuture:x", cleanMessage("EFuture:x\n\t "))
}

func TestErrorStringsAreBounded(t *testing.T) {
	messages := strings.Split(strings.Repeat("EFake:more,", 100), ",")[:100]
	assert.Len(t, saidBy(t, 200, messages...).Messages, 5)

	full := strings.Repeat("a", 200)
	assert.Equal(t, full, cleanMessage(full))
	assert.Equal(t, full+"…", cleanMessage(full+"a"))
	euros := cleanMessage(strings.Repeat("€", 1000)) // of three bytes each
	assert.Equal(t, strings.Repeat("€", 66)+"…", euros)
}

package kraken

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// krakenMessage is the form of Kraken's error strings: a severity (E: error, W: warning), a category and a text.
var krakenMessage = regexp.MustCompile(`^(?i:([EW])[A-Z]+): *[^ ]`)

// sortMessages picks the errors out of an answer's error list. A warning stands beside a good result. strange says that
// the list holds what can't be a message of Kraken's.
func sortMessages(messages []string) (failures []string, strange bool) {
	if len(messages) > mostMessages {
		return nil, true
	}
	for _, message := range messages {
		parts := krakenMessage.FindStringSubmatch(message)
		if parts == nil {
			strange = true
		} else if strings.EqualFold(parts[1], "E") {
			failures = append(failures, message)
		}
	}
	return failures, strange
}

const (
	throttled = "eservice:throttled"
	// Kraken's error strings are under 100 characters and come one or two at a time; the bounds (a number, and bytes)
	// keep a hostile server from filling messages and logs.
	maxMessages      = 5
	maxMessageLength = 200
	// mostMessages bounds those that are looked at: a body that is full of them, 150,000, takes a second.
	mostMessages = 100
)

// kindByPrefix is the table of Kraken's error strings worth telling apart (docs.kraken.com, "Spot REST errors", and what
// users of other clients report), as plainMessage writes them. The first that fits counts.
var kindByPrefix = []struct {
	prefix string
	kind   Kind
}{
	{"eapi:invalid key", KindInvalidKey},
	{"eapi:invalid signature", KindInvalidSignature},
	{"eapi:invalid nonce", KindInvalidNonce},
	{"eapi:rate limit exceeded", KindRateLimited},
	{"eauth:rate limit exceeded", KindRateLimited},
	{"eauth:too many requests", KindRateLimited},
	{"egeneral:too many requests", KindRateLimited},
	{throttled, KindRateLimited},
	{"egeneral:temporary lockout", KindLockout},
	{"egeneral:permission denied", KindPermissionDenied},
	{"eauth:account temporary disabled", KindAccountRefused},
	{"eauth:account unconfirmed", KindAccountRefused},
	{"eaccount:invalid permissions", KindAccountRefused},
	{"egeneral:internal error", KindUnavailable},
	{"edatabase:internal error", KindUnavailable},
	{"eservice:", KindUnavailable}, // unavailable, busy, timeout, deadline elapsed, market in cancel_only mode, …
}

// plainMessage is a message without what Kraken writes sometimes this way, sometimes that: capitals, spaces after a colon.
func plainMessage(message string) string {
	parts := strings.Split(strings.ToLower(message), ":")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return strings.Join(parts, ":")
}

func kindOf(message string) Kind {
	plain := plainMessage(message)
	for _, known := range kindByPrefix {
		if strings.HasPrefix(plain, known.prefix) {
			return known.kind
		}
	}
	return KindUnexpected
}

// newAPIError makes the error for Kraken's error strings. Where they differ in kind, the one that asks for the most care
// wins: a lockout, then a rate limit, then the first that is known.
func newAPIError(messages []string, response *http.Response, redact *redactor, now time.Time) *Error {
	failed := &Error{Kind: KindUnexpected, Sent: true, RetryAfter: retryAfter(response, now)}
	for i, message := range messages {
		if kind := kindOf(message); care(kind) > care(failed.Kind) {
			failed.Kind = kind
		}
		failed.RetryAfter = max(failed.RetryAfter, throttledFor(message, now))
		if i < maxMessages {
			failed.Messages = append(failed.Messages, redact.message(message))
		}
	}
	// A message that says nothing to us may come with a status that does.
	if byStatus := kindByStatus(response.StatusCode); failed.Kind == KindUnexpected && (byStatus == KindUnavailable || byStatus == KindRateLimited) {
		failed.Kind = byStatus
	}
	return failed
}

// care is how much care a kind asks for beside others.
func care(kind Kind) int {
	switch kind {
	case KindLockout:
		return 3
	case KindRateLimited:
		return 2
	case KindUnexpected:
		return 0
	default:
		return 1
	}
}

// throttledFor is how long "EService: Throttled: <UNIX timestamp>" asks to wait; 0 of any other message.
func throttledFor(message string, now time.Time) time.Duration {
	until, ok := strings.CutPrefix(plainMessage(message), throttled+":")
	if !ok {
		return 0
	}
	seconds, err := strconv.ParseUint(until, 10, 40) // to the year 36812
	if err != nil {
		return 0
	}
	return boundRetryAfter(time.Unix(int64(seconds), 0).Sub(now))
}

// printable is a text from outside with a space for each character that could forge a log line, move a terminal's cursor,
// turn what stands around it or hide: control and format characters, line separators, what takes no room, what isn't UTF-8.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			return ' '
		}
		return r
	}, text)
}

// cleanMessage makes a string from outside fit for a message and a log line: printable, and bounded in length.
func cleanMessage(message string) string {
	clean := strings.TrimSpace(printable(message))
	if len(clean) <= maxMessageLength {
		return clean
	}
	cut := maxMessageLength
	for !utf8.RuneStart(clean[cut]) {
		cut--
	}
	return clean[:cut] + "…"
}

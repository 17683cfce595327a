// Package kraken speaks the private part of Kraken's Spot REST API, as far as WebSocket tokens need it. It knows
// nothing of Vault, keeps no state of an API key, and decides nothing about when to retry, wait or cache.
package kraken

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// DefaultURL is where Kraken's REST API is.
const DefaultURL = "https://api.kraken.com"

// Client makes signed calls with one API key. It is safe for concurrent use, but Kraken refuses a nonce that arrives
// after a higher one, so the calls of one API key must go out one at a time, with nonces that grow.
//
// Every failure of a call is an *Error.
type Client struct {
	// BaseURL is the scheme, host and possibly path prefix in front of "/0/private/…", without a slash at its end.
	// The prefix isn't signed.
	BaseURL      string
	APIKey       string
	PrivateKey   PrivateKey
	SecondFactor SecondFactor // nil: none
	// Transport carries the requests; see NewTransport. All failures of another one look sent, but those of dialling.
	Transport http.RoundTripper
	// UserAgent is sent with each request; Kraken refuses requests without one.
	UserAgent string
	// Now is the clock for the second factor, for RequestedAt and for waits that are told as a time.
	Now func() time.Time
}

// WebSocketsToken is the answer of GetWebSocketsToken.
type WebSocketsToken struct {
	Token string // secret
	// RequestedAt is the time just before the request was sent.
	RequestedAt time.Time
	// Expires is how long after its making, at Kraken, the token must have been used, in whole seconds.
	Expires time.Duration
}

// GetWebSocketsToken makes a token for the private WebSocket feeds.
//
// A ctx that is cancelled while the request is under way leaves the request behind in the network, where the next one
// may overtake it; a caller that must not see its nonce refused for that gives a ctx with a deadline only.
func (c *Client) GetWebSocketsToken(ctx context.Context, nonce uint64) (WebSocketsToken, error) {
	said, err := c.call(ctx, "GetWebSocketsToken", nonce)
	if err != nil {
		return WebSocketsToken{}, err
	}
	const ( // a token of Kraken's has 43 characters and lives 900 s; the bounds only sort out nonsense
		maxLength  = 4096
		maxExpires = 24 * 60 * 60 // s
	)
	var answer struct {
		Token   string `json:"token"`
		Expires int64  `json:"expires"`
	}
	if json.Unmarshal(said.result, &answer) != nil {
		return WebSocketsToken{}, nonsense("its result is not a token")
	}
	if answer.Token == "" {
		return WebSocketsToken{}, nonsense("it holds no token")
	}
	if len(answer.Token) > maxLength || strings.ContainsFunc(answer.Token, notGraphic) {
		return WebSocketsToken{}, nonsense("its token is not one that Kraken makes")
	}
	if answer.Expires <= 0 || answer.Expires > maxExpires {
		return WebSocketsToken{}, nonsense("its token's expiry is missing or out of range")
	}
	return WebSocketsToken{Token: answer.Token, RequestedAt: said.requestedAt, Expires: time.Duration(answer.Expires) * time.Second}, nil
}

func notGraphic(r rune) bool { return r <= ' ' || r >= 0x7f }

// answer is a good answer.
type answer struct {
	result      json.RawMessage
	requestedAt time.Time
	redact      *redactor // for what is handed on of the result
}

// call makes one signed request to /0/private/<method>.
func (c *Client) call(ctx context.Context, method string, nonce uint64) (answer, error) {
	at := c.Now()
	request, redact, err := c.newRequest(ctx, "/0/private/"+method, nonce, at)
	if err != nil {
		return answer{}, err
	}
	if ctx.Err() != nil {
		return answer{}, contextError(ctx, false)
	}
	response, err := c.Transport.RoundTrip(request) // not an http.Client: it would follow redirects
	if err != nil {
		return answer{}, transportError(ctx, err, maySent(err))
	}
	defer response.Body.Close()
	result, err := readAnswer(ctx, response, redact, c.Now())
	if failed := (*Error)(nil); errors.As(err, &failed) && (failed.Kind == KindInvalidSignature || failed.Kind == KindInvalidKey) {
		failed.KeyBytes = c.PrivateKey.Len()
	}
	return answer{result: result, requestedAt: at, redact: redact}, err
}

// newRequest makes the signed request, and what takes its secrets out of what is told of its answer.
func (c *Client) newRequest(ctx context.Context, path string, nonce uint64, at time.Time) (*http.Request, *redactor, error) {
	nonceText := strconv.FormatUint(nonce, 10)
	body := append([]byte("nonce="), nonceText...)
	var otp string
	if c.SecondFactor != nil {
		var err error
		if otp, err = c.SecondFactor(at); err != nil {
			return nil, nil, &Error{Kind: KindInvalidSignature, Detail: "no code could be made from the second factor's seed", Err: err}
		}
		body = append(append(body, "&otp="...), url.QueryEscape(otp)...)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.BaseURL+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, &Error{Kind: KindUnavailable, Detail: "the server's URL is not one that a request can be sent to", Err: err}
	}
	signature := c.PrivateKey.Sign(path, nonceText, body)
	request.Header = http.Header{ // by names in the form that net/http keeps
		"Content-Type": {"application/x-www-form-urlencoded"},
		"User-Agent":   {c.UserAgent},
		"Api-Key":      {c.APIKey},
		"Api-Sign":     {signature},
	}
	return request, newRedactor(signature, nonceText, otp), nil
}

// unsentError is the error of a request of which a Transport has sent nothing.
type unsentError struct{ error }

func (u unsentError) Unwrap() error { return u.error }

// maySent reports whether the request may have been sent, though the transport failed with err.
func maySent(err error) bool {
	return !errors.As(err, new(unsentError)) && !isDialError(err) && !isProxyTrouble(err)
}

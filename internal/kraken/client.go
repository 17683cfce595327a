// Package kraken speaks the private part of Kraken's Spot REST API, as far as WebSocket tokens need it. It knows
// nothing of Vault, and nothing of when to retry, wait or cache.
package kraken

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// DefaultURL is where Kraken's REST API is.
const DefaultURL = "https://api.kraken.com"

// maxBody bounds what is read of an answer. The largest good one is a few kilobytes.
const maxBody = 1 << 20

// Client makes signed calls with one API key. It is safe for concurrent use; calls of one Nonce go out one at a time.
type Client struct {
	// BaseURL is the scheme, host and possibly path prefix in front of "/0/private/…", without a slash at its end.
	// The prefix isn't signed.
	BaseURL      string
	APIKey       string
	PrivateKey   PrivateKey
	SecondFactor SecondFactor // nil: none
	Nonce        *Nonce
	// Transport carries the requests; see NewTransport.
	Transport http.RoundTripper
	// UserAgent is sent with each request; Kraken refuses requests without one.
	UserAgent string
	// Now is the clock for the second factor and for RequestedAt.
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

const (
	// A token of Kraken's has 43 characters and lives 900 s; the bounds only sort out nonsense.
	maxTokenLength  = 4096
	maxTokenExpires = 24 * time.Hour
)

// GetWebSocketsToken makes a token for the private WebSocket feeds. It fails with an *Error, or with context.Canceled.
//
// A ctx that is cancelled while the request is under way leaves the request behind in the network, where the next one
// may overtake it; a caller that must not see its nonce refused for that gives a ctx with a deadline only.
func (c *Client) GetWebSocketsToken(ctx context.Context) (WebSocketsToken, error) {
	said, err := c.call(ctx, "GetWebSocketsToken")
	if err != nil {
		return WebSocketsToken{}, err
	}
	var answer struct {
		Token   string `json:"token"`
		Expires int64  `json:"expires"`
	}
	if json.Unmarshal(said.result, &answer) != nil {
		return WebSocketsToken{}, nonsense("its result is not a token")
	}
	expires := time.Duration(min(answer.Expires, int64(2*maxTokenExpires/time.Second))) * time.Second
	switch {
	case answer.Token == "":
		return WebSocketsToken{}, nonsense("it holds no token")
	case len(answer.Token) > maxTokenLength || strings.ContainsFunc(answer.Token, notGraphic):
		return WebSocketsToken{}, nonsense("its token is not one that Kraken makes")
	case expires <= 0 || expires > maxTokenExpires:
		return WebSocketsToken{}, nonsense("its token's expiry is missing or out of range")
	}
	return WebSocketsToken{Token: answer.Token, RequestedAt: said.requestedAt, Expires: expires}, nil
}

func notGraphic(r rune) bool { return r <= ' ' || r >= 0x7f }

// GetAPIKeyInfo asks what Kraken knows of the API key: its name, permissions, restrictions, validity. The fields are
// handed on as they come, numbers as json.Number. It fails as GetWebSocketsToken does.
func (c *Client) GetAPIKeyInfo(ctx context.Context) (map[string]any, error) {
	said, err := c.call(ctx, "GetApiKeyInfo")
	if err != nil {
		return nil, err
	}
	var info map[string]any
	decoder := json.NewDecoder(bytes.NewReader(said.result))
	decoder.UseNumber()
	if decoder.Decode(&info) != nil || len(info) == 0 {
		return nil, nonsense("its result is not the API key's data")
	}
	return said.redact.value(info).(map[string]any), nil
}

// answer is a good answer.
type answer struct {
	result      json.RawMessage
	requestedAt time.Time
	redact      redactor // for what is handed on of the result
}

// call makes one signed request to /0/private/<method>.
func (c *Client) call(ctx context.Context, method string) (said answer, err error) {
	err = c.Nonce.Use(ctx, func(nonce uint64) error {
		said.requestedAt = c.Now()
		request, otp, err := c.newRequest(ctx, "/0/private/"+method, nonce, said.requestedAt)
		if err != nil {
			return err
		}
		said.redact = newRedactor(otp)
		response, err := c.Transport.RoundTrip(request) // not an http.Client: it would follow redirects
		if err != nil {
			return transportError(ctx, err)
		}
		defer response.Body.Close()
		if response.StatusCode == http.StatusSwitchingProtocols {
			return statusError(response) // its body is the connection itself, and wouldn't end with ctx
		}
		body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
		if err != nil {
			return transportError(ctx, err)
		}
		said.result, err = readAnswer(response, body, said.redact)
		return err
	})
	return said, err
}

// newRequest makes the signed request, and tells the second factor that is in it.
func (c *Client) newRequest(ctx context.Context, path string, nonce uint64, at time.Time) (request *http.Request, otp string, err error) {
	nonceText := strconv.FormatUint(nonce, 10)
	values := url.Values{"nonce": {nonceText}}
	if c.SecondFactor != nil {
		if otp, err = c.SecondFactor(at); err != nil {
			return nil, "", &Error{Kind: KindInvalidSignature, Detail: "no code could be made from the stored totp_secret; write a good one", Err: err}
		}
		values.Set("otp", otp)
	}
	body := []byte(values.Encode())
	request, err = http.NewRequestWithContext(ctx, http.MethodPost, c.BaseURL+path, bytes.NewReader(body))
	if err != nil {
		return nil, "", &Error{Kind: KindUnavailable, Detail: "api_url is not a URL that a request can be sent to", Err: err}
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("User-Agent", c.UserAgent)
	request.Header.Set("API-Key", c.APIKey)
	request.Header.Set("API-Sign", c.PrivateKey.Sign(path, nonceText, body))
	return request, otp, nil
}

// readAnswer takes Kraken's envelope apart: {"error":[…],"result":…}. Failures come as HTTP 200 with errors in it, but
// in front of Kraken stands a CDN that answers with statuses and HTML of its own.
func readAnswer(response *http.Response, body []byte, redact redactor) (json.RawMessage, error) {
	var envelope struct {
		Error  []string        `json:"error"`
		Result json.RawMessage `json:"result"`
	}
	var decodeErr error
	if len(body) > maxBody {
		decodeErr = errors.New("too long")
	} else {
		decodeErr = json.Unmarshal(body, &envelope)
	}
	if decodeErr == nil {
		if failed := withoutWarnings(envelope.Error); len(failed) > 0 {
			apiErr := newAPIError(failed, redact)
			if apiErr.Kind == KindUnexpected && response.StatusCode != http.StatusOK {
				apiErr.Kind = kindByStatus(response.StatusCode)
			}
			apiErr.RetryAfter = retryAfter(response)
			return nil, apiErr
		}
	}
	if response.StatusCode != http.StatusOK {
		return nil, statusError(response)
	}
	if decodeErr != nil {
		return nil, nonsense("it is not Kraken's JSON")
	}
	return envelope.Result, nil
}

// withoutWarnings drops "W…" entries, which stand beside a good result.
func withoutWarnings(messages []string) []string {
	var failed []string
	for _, message := range messages {
		if !strings.HasPrefix(message, "W") {
			failed = append(failed, message)
		}
	}
	return failed
}

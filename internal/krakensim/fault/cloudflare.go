package fault

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"math/rand/v2"
	"mime"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cloudflareError is an error that Cloudflare tells in Kraken's place: a refusal (1xxx), or trouble with Kraken's own
// servers (5xx).
//
// The titles, names, categories and times to wait are Cloudflare's (developers.cloudflare.com, "Error responses" and
// "Retry-After HTTP header for retryable 1xxx errors"; answers that clients have recorded). So are the headers. The
// names of 520, 521, 523, 525 and 526 are by analogy. What happened, and what to do, is said in words of our own.
//
// The page's template reads the fields that are exported.
type cloudflareError struct {
	Code       int
	status     int
	Title      string
	name       string
	category   string
	retryAfter int // seconds; 0 if it's no use
	Happened   string
	Advice     string
}

var cloudflareErrors = []cloudflareError{
	{1010, http.StatusForbidden, "Access denied", "browser_signature_banned", "access_denied", 0,
		"The owner of this website doesn't let in clients that look like this one.", "Don't retry. Send a User-Agent that names the client."},
	{1015, http.StatusTooManyRequests, "You are being rate limited", "rate_limited", "rate_limit", 30,
		"The owner of this website has banned this address for a while.", "Wait for 30 seconds, and longer each time."},
	{1020, http.StatusForbidden, "Access denied", "firewall_rule_blocked", "access_denied", 0,
		"A rule of this website's owner doesn't let the request pass.", "Don't retry. Ask the owner of this website."},
	{502, 502, "Bad gateway", "origin_bad_gateway", "origin", 60,
		"The web server reported a bad gateway.", "Wait for a minute."},
	{504, 504, "Gateway time-out", "origin_gateway_timeout", "origin", 120,
		"The web server reported a gateway time-out.", "Wait for two minutes."},
	{520, 520, "Web server is returning an unknown error", "origin_unknown_error", "origin", 60,
		"The web server's answer can't be understood.", "Wait for a minute."},
	{521, 521, "Web server is down", "origin_down", "origin", 120,
		"The web server refuses connections.", "Wait for two minutes."},
	{522, 522, "Connection timed out", "connection_timeout", "origin", 120,
		"No connection to the web server came about in time.", "Wait for two minutes."},
	{523, 523, "Origin is unreachable", "origin_unreachable", "origin", 120,
		"There is no way to the web server.", "Wait for two minutes."},
	{524, 524, "A timeout occurred", "origin_response_timeout", "origin", 120,
		"The web server didn't answer in time.", "Wait for two minutes."},
	{525, 525, "SSL handshake failed", "ssl_handshake_failed", "ssl", 0,
		"The TLS handshake with the web server failed.", "Don't retry. The owner of this website has to mend it."},
	{526, 526, "Invalid SSL certificate", "invalid_ssl_certificate", "ssl", 0,
		"The web server's certificate isn't valid.", "Don't retry. The owner of this website has to mend it."},
}

// mostLikely are the errors that a status alone stands for, where there are several.
var mostLikely = map[int]int{http.StatusForbidden: 1020, http.StatusTooManyRequests: 1015}

// cloudflareErrorOf is the error with a code; nil if there is none.
func cloudflareErrorOf(code int) *cloudflareError {
	if i := slices.IndexFunc(cloudflareErrors, func(e cloudflareError) bool { return e.Code == code }); i >= 0 {
		return &cloudflareErrors[i]
	}
	return nil
}

// Cloudflare is what Cloudflare answers in Kraken's place: to one of its own errors, for example 1010 or 522, or else
// to an HTTP status.
//
// A client that asks for JSON gets it (RFC 9457), one that asks for HTML or takes gzip gets a page, and any other a
// line of text. Cloudflare's page promises HTML to the latter two, but clients that take no gzip report the line of
// text.
func Cloudflare(code int) Answer {
	e := cloudflareErrorOf(cmp.Or(mostLikely[code], code))
	if e == nil {
		return NewAnswer(code, "text/html; charset=UTF-8", plainPage(code))
	}
	header := http.Header{
		"Cache-Control":   {"private, max-age=0, no-store, no-cache, must-revalidate, post-check=0, pre-check=0"},
		"Expires":         {"Thu, 01 Jan 1970 00:00:01 GMT"},
		"Referrer-Policy": {"same-origin"},
		"X-Frame-Options": {"SAMEORIGIN"},
	}
	if e.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(e.retryAfter))
	}
	return Answer{Status: e.status, Header: header, cloudflare: e}
}

// plainPage is the page for a status that isn't an error of Cloudflare's own, such as 400 and 503. It comes from the web
// server that Cloudflare is made of.
func plainPage(status int) []byte {
	text := http.StatusText(status)
	if status == http.StatusServiceUnavailable {
		text = "Service Temporarily Unavailable"
	}
	return fmt.Appendf(nil, "<html>\r\n<head><title>%[1]d %[2]s</title></head>\r\n<body>\r\n<center><h1>%[1]d %[2]s"+
		"</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n", status, text)
}

// throughCloudflare is the answer as it comes to the client that made the request. Every answer of Kraken's comes through
// Cloudflare.
func (a Answer) throughCloudflare(r *http.Request) Answer {
	ray := fmt.Sprintf("%016x", rand.Uint64())
	header := http.Header{"Server": {"cloudflare"}, "Cf-Ray": {ray + "-AMS"}} // the airport near to where it took the request
	if a.cloudflare != nil {
		var contentType string
		contentType, a.Body = a.cloudflare.render(r, ray)
		header.Set("Content-Type", contentType)
	}
	maps.Copy(header, a.Header) // where a fault's own may be
	a.Header = header
	return a
}

// render is the error in the form that suits the client.
func (e *cloudflareError) render(r *http.Request, ray string) (contentType string, body []byte) {
	switch form := wanted(r); form {
	case "":
		return "text/plain; charset=UTF-8", fmt.Appendf(nil, "error code: %d\n", e.Code)
	case "text/html":
		return "text/html; charset=UTF-8", e.page(hostname(r), ray)
	default:
		return form + "; charset=utf-8", e.problem(hostname(r), ray)
	}
}

// hostname is the host that a request is for, without the port.
func hostname(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	return r.Host
}

// wanted is the media type that a client likes best of those that there are, or "" if it likes none.
func wanted(r *http.Request) string {
	best, quality := "", 0.0
	for accepted := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		mediaType, parameters, err := mime.ParseMediaType(accepted)
		if err != nil || mediaType != "application/json" && mediaType != "application/problem+json" && mediaType != "text/html" {
			continue
		}
		q, err := strconv.ParseFloat(cmp.Or(parameters["q"], "1"), 64)
		if err == nil && q > quality {
			best, quality = mediaType, q
		}
	}
	if best == "" && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		return "text/html"
	}
	return best
}

//go:embed cloudflare.html
var pageText string

var pageTemplate = template.Must(template.New("").Parse(pageText))

func (e *cloudflareError) page(host, ray string) []byte {
	var page bytes.Buffer
	err := pageTemplate.Execute(&page, struct {
		*cloudflareError
		Host, Ray, At string
	}{e, host, ray, time.Now().UTC().Format("2006-01-02 15:04:05 UTC")})
	if err != nil {
		panic("fault: " + err.Error())
	}
	return page.Bytes()
}

// problem is the error as a problem detail (RFC 9457), with Cloudflare's extensions.
func (e *cloudflareError) problem(host, ray string) []byte {
	class := "5xx"
	if e.Code >= 1000 {
		class = "1xxx"
	}
	text, err := json.Marshal(struct {
		Type                string `json:"type"`
		Title               string `json:"title"`
		Status              int    `json:"status"`
		Detail              string `json:"detail"`
		Instance            string `json:"instance"`
		ErrorCode           int    `json:"error_code"`
		ErrorName           string `json:"error_name"`
		ErrorCategory       string `json:"error_category"`
		RayID               string `json:"ray_id"`
		Timestamp           string `json:"timestamp"`
		Zone                string `json:"zone"`
		CloudflareError     bool   `json:"cloudflare_error"`
		Retryable           bool   `json:"retryable"`
		RetryAfter          int    `json:"retry_after,omitempty"`
		OwnerActionRequired bool   `json:"owner_action_required"`
		WhatYouShouldDo     string `json:"what_you_should_do"`
		Footer              string `json:"footer"`
	}{
		Type: fmt.Sprintf("https://developers.cloudflare.com/support/troubleshooting/http-status-codes/"+
			"cloudflare-%s-errors/error-%d/", class, e.Code),
		Title:               fmt.Sprintf("Error %d: %s", e.Code, e.Title),
		Status:              e.status,
		Detail:              e.Happened,
		Instance:            ray,
		ErrorCode:           e.Code,
		ErrorName:           e.name,
		ErrorCategory:       e.category,
		RayID:               ray,
		Timestamp:           time.Now().UTC().Format(time.RFC3339),
		Zone:                host,
		CloudflareError:     true,
		Retryable:           e.retryAfter > 0,
		RetryAfter:          e.retryAfter,
		OwnerActionRequired: e.category != "rate_limit",
		WhatYouShouldDo:     e.Advice,
		Footer:              "This error is told by Cloudflare, for the website's owner.",
	})
	if err != nil {
		panic("fault: " + err.Error())
	}
	return text
}

package kraken

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// This file makes an *Error of what goes wrong below Kraken's own answers. Texts of Go's errors are not handed on where
// they may quote what the server sent.

func nonsense(why string) *Error {
	return &Error{Kind: KindNonsense, Detail: "what answered doesn't speak Kraken's API: " + why}
}

func kindByStatus(status int) Kind {
	switch {
	case status == http.StatusTooManyRequests:
		return KindRateLimited
	case status >= 500, status == http.StatusRequestTimeout:
		return KindUnavailable
	case status >= 300 && status < 400:
		return KindNonsense
	default:
		return KindUnexpected
	}
}

func statusError(response *http.Response) *Error {
	status := response.StatusCode
	switch kind := kindByStatus(status); kind {
	case KindRateLimited:
		return &Error{Kind: kind, Detail: "HTTP 429 (too many requests) came from in front of Kraken", RetryAfter: retryAfter(response)}
	case KindUnavailable:
		return &Error{Kind: kind, Detail: fmt.Sprintf("HTTP %d came from in front of Kraken", status), RetryAfter: retryAfter(response)}
	case KindNonsense:
		return nonsense(fmt.Sprintf("it redirects (HTTP %d), and a signed request is never sent elsewhere", status))
	default:
		return nonsense(fmt.Sprintf("HTTP %d without an error of Kraken's", status))
	}
}

// maxRetryAfter bounds what a server may ask to wait.
const maxRetryAfter = time.Hour

// retryAfter reads the Retry-After header, in seconds or as a date (RFC 9110, section 10.2.3). 0: none that is any good.
func retryAfter(response *http.Response) time.Duration {
	header := response.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(header, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, min(time.Until(at), maxRetryAfter))
	}
	return 0
}

// contextError is what is returned when ctx ended: an *Error if its deadline passed, context.Canceled if its
// owner went away.
func contextError(ctx context.Context, why string) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &Error{Kind: KindTimeout, Detail: "no answer within request_timeout: " + why, Err: context.DeadlineExceeded}
	}
	return context.Canceled
}

// transportError sorts an error of the HTTP transport.
func transportError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return contextError(ctx, "Kraken was asked but hasn't answered")
	}
	if why := distrust(err); why != "" {
		return &Error{Kind: KindUntrusted, Detail: "the server at api_url isn't trusted, so nothing was sent: " + why, Err: err}
	}
	return &Error{Kind: KindUnavailable, Detail: connectionTrouble(err), Err: err}
}

// distrust says why the server's certificate doesn't verify; empty if that isn't the trouble.
func distrust(err error) string {
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		verify   *tls.CertificateVerificationError
		record   tls.RecordHeaderError
		alert    *net.OpError
	)
	switch {
	case errors.As(err, &unknown):
		return "its certificate is signed by an unknown authority (a private gateway's goes into ca_cert)"
	case errors.As(err, &hostname):
		return "its certificate is for another host"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired or is not valid yet"
	case errors.As(err, &invalid), errors.As(err, &verify):
		return "its certificate doesn't verify"
	case errors.As(err, &record):
		return "it doesn't speak TLS"
	case errors.As(err, &alert) && alert.Op == "remote error":
		// It sent a TLS alert: it speaks no TLS from 1.2 on, say, or demands a client certificate.
		return "it refuses the TLS connection"
	}
	return ""
}

func connectionTrouble(err error) string {
	var (
		dns   *net.DNSError
		dial  *net.OpError
		errno syscall.Errno
	)
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("the host %q of api_url can't be resolved", cleanMessage(dns.Name))
	case errors.As(err, &dial) && dial.Op == "dial" && errors.As(err, &errno):
		return "no connection to api_url: " + errno.Error()
	case errors.As(err, &dial) && dial.Op == "dial":
		return "no connection to api_url"
	default:
		return "the connection broke before the answer was whole"
	}
}

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
	return &Error{Kind: KindNonsense, Sent: true, Detail: "what answered doesn't speak Kraken's API: " + why}
}

// kindByStatus is what an HTTP status other than 200 says by itself.
func kindByStatus(status int) Kind {
	switch status {
	case http.StatusTooManyRequests:
		return KindRateLimited
	case http.StatusRequestTimeout:
		return KindUnavailable
	case http.StatusForbidden, http.StatusUnavailableForLegalReasons:
		return KindBlocked
	}
	if status >= 500 {
		return KindUnavailable
	}
	return KindNonsense
}

// statusError is the error of an answer in which Kraken itself didn't speak.
func statusError(response *http.Response, now time.Time) *Error {
	status := response.StatusCode
	kind := kindByStatus(status)
	failed := &Error{Kind: kind, Sent: true}
	// With these the header has a meaning (RFC 9110, section 10.2.3; RFC 6585, section 4). Cloudflare sends a fixed one, of a minute or two, with
	// each 502, 504 and 520 to 524 too, however short the trouble is.
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		failed.RetryAfter = retryAfter(response, now)
	}
	switch kind {
	case KindRateLimited:
		failed.Detail = "HTTP 429 (too many requests) came from in front of Kraken"
	case KindUnavailable:
		failed.Detail = fmt.Sprintf("HTTP %d came from in front of Kraken", status)
	case KindBlocked:
		failed.Detail = fmt.Sprintf("HTTP %d came from in front of Kraken: this host's address is refused there", status)
	default:
		if status >= 300 && status < 400 {
			return nonsense(fmt.Sprintf("it redirects (HTTP %d), and a signed request is never sent elsewhere", status))
		}
		return nonsense(fmt.Sprintf("HTTP %d without an error of Kraken's", status))
	}
	return failed
}

// maxRetryAfter bounds what a server may ask to wait.
const maxRetryAfter = time.Hour

func boundRetryAfter(wait time.Duration) time.Duration { return max(0, min(wait, maxRetryAfter)) }

// retryAfter reads the Retry-After header, in seconds or as a date (RFC 9110, section 10.2.3). 0: none that is any good.
func retryAfter(response *http.Response, now time.Time) time.Duration {
	header := response.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(header, 10, 32); err == nil {
		return boundRetryAfter(time.Duration(seconds) * time.Second)
	}
	if at, err := http.ParseTime(header); err == nil {
		return boundRetryAfter(at.Sub(now))
	}
	return 0
}

// contextError is the error of a call whose context has ended.
func contextError(ctx context.Context, sent bool) *Error {
	switch {
	case !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &Error{Kind: KindAborted, Sent: sent, Detail: "the call was aborted before an answer came", Err: context.Canceled}
	case sent:
		return &Error{Kind: KindTimeout, Sent: sent, Detail: "no answer in time: Kraken was asked but hasn't answered", Err: context.DeadlineExceeded}
	default:
		return &Error{Kind: KindTimeout, Sent: sent, Detail: "no answer in time: there was no connection yet", Err: context.DeadlineExceeded}
	}
}

// transportError sorts an error of the HTTP transport.
func transportError(ctx context.Context, err error, sent bool) *Error {
	if ctx.Err() != nil {
		failed := contextError(ctx, sent)
		if failed.Proxy = isProxyTrouble(err); failed.Proxy && failed.Kind == KindTimeout {
			failed.Detail = "no answer in time: " + theProxy + " has made no connection yet"
		}
		return failed
	}
	if isProxyTrouble(err) {
		return proxyError(err)
	}
	failed := &Error{Kind: KindUnavailable, Sent: sent, Err: err}
	why := distrust(err)
	if why == "" {
		failed.HungUp = errors.As(err, new(hungUpError))
		failed.Detail = connectionTrouble(err, "the server")
		return failed
	}
	failed.Kind = KindUntrusted
	failed.Detail = "the server isn't trusted: " + why
	if !sent {
		failed.Detail = "the server isn't trusted, so nothing was sent: " + why
	}
	return failed
}

// distrust says why there is no TLS connection that can be trusted; empty if that isn't the trouble.
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
		return "its certificate is signed by an unknown authority"
	case errors.As(err, &hostname):
		return "its certificate is for another host"
	case errors.As(err, &invalid):
		if invalid.Reason == x509.Expired {
			return "its certificate has expired or is not valid yet"
		}
		return "its certificate doesn't verify"
	case errors.As(err, &verify):
		return "its certificate doesn't verify"
	case errors.As(err, &record):
		return "it doesn't speak TLS"
	case errors.As(err, &alert):
		if alert.Op == "remote error" && alert.Err.Error() != internalErrorAlert {
			// It sent a TLS alert: it speaks no TLS from 1.2 on, say, or demands a client certificate.
			return "it refuses the TLS connection"
		}
	}
	return ""
}

// internalErrorAlert is the text of the TLS alert that a load balancer sends while it restarts; crypto/tls exports no type
// for alerts.
const internalErrorAlert = "tls: internal error"

func isDialError(err error) bool {
	var dns *net.DNSError
	var dial *net.OpError
	return errors.As(err, &dns) || errors.As(err, &dial) && (dial.Op == "dial" || dial.Op == "proxyconnect" || dial.Op == "socks connect")
}

func connectionTrouble(err error, who string) string {
	var (
		dns   *net.DNSError
		errno syscall.Errno
	)
	switch {
	case errors.Is(err, errSilent):
		return "the connection broke: " + errSilent.Error()
	case errors.As(err, &dns):
		return fmt.Sprintf("no connection to %s: the host %q can't be resolved", who, cleanMessage(dns.Name))
	case isDialError(err) && errors.As(err, &errno):
		return "no connection to " + who + ": " + errno.Error()
	case isDialError(err):
		return "no connection to " + who
	default:
		return "the connection broke before the answer was whole"
	}
}

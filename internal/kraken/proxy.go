package kraken

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// theProxy is how messages call it. Its address isn't told: it may have a login in it.
const theProxy = "the proxy on the way to Kraken"

// proxyTrouble is the error of a request that came no further than to a proxy.
type proxyTrouble struct{ error }

func (p proxyTrouble) Unwrap() error { return p.error }

// proxyRefusal is the answer of a proxy that wants to connect to nobody.
type proxyRefusal struct{ status int }

func (*proxyRefusal) Error() string { return "the proxy refused to connect" }

func refusedByProxy(_ context.Context, _ *url.URL, _ *http.Request, response *http.Response) error {
	if response.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyRefusal{response.StatusCode}
}

// blameProxy makes a proxyTrouble of the error of a request that got no connection, if that is a proxy's doing: so many TLS handshakes
// were begun, and the one with the server comes after the proxy has made the connection.
func (t *Transport) blameProxy(request *http.Request, handshakes int, err error) error {
	if request.URL.Scheme != "https" || t.http1.Proxy == nil {
		return err
	}
	proxy, proxyErr := t.http1.Proxy(request)
	if proxyErr != nil || proxy == nil {
		return err
	}
	if proxy.Scheme == "https" {
		handshakes-- // the one with the proxy
	}
	if handshakes > 0 {
		return err
	}
	return proxyTrouble{err}
}

// isProxyTrouble tells whether an error is a proxy's doing.
func isProxyTrouble(err error) bool {
	if errors.As(err, new(proxyTrouble)) {
		return true
	}
	var trouble *net.OpError
	return errors.As(err, &trouble) && (trouble.Op == "proxyconnect" || trouble.Op == "socks connect")
}

// proxyError sorts the error of a request that came no further than to a proxy. Nothing was sent to Kraken.
func proxyError(err error) *Error {
	failed := &Error{Kind: KindUnavailable, Proxy: true, Err: err}
	var refusal *proxyRefusal
	switch why := distrust(err); {
	case errors.As(err, &refusal) && refusal.status == http.StatusProxyAuthRequired:
		failed.Kind, failed.Detail = KindNonsense, theProxy+" wants a login, or another one: HTTP 407"
	case errors.As(err, &refusal):
		failed.Detail = fmt.Sprintf("%s refuses to connect: HTTP %d", theProxy, refusal.status)
		if kind := kindByStatus(refusal.status); kind != KindUnavailable && kind != KindRateLimited {
			failed.Kind = KindNonsense // it will go on to
		}
	case why != "":
		failed.Kind, failed.Detail = KindUntrusted, theProxy+" isn't trusted, so nothing was sent: "+why
	case isDialError(err):
		failed.Detail = connectionTrouble(err, theProxy)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, new(*net.OpError)):
		failed.Detail = theProxy + " broke the connection"
	default:
		failed.Kind, failed.Detail = KindNonsense, theProxy+" doesn't speak HTTP"
	}
	return failed
}

package account

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// DefaultWebSocketURL is where a token is used: Kraken's private WebSocket API, version 2.
const DefaultWebSocketURL = "wss://ws-auth.kraken.com/v2"

// urlKind is a kind of URLs that a field may hold.
type urlKind struct {
	secure, plain string // its schemes, the latter for loopback hosts
	example       string
}

var (
	apiURLs       = urlKind{"https", "http", kraken.DefaultURL}
	webSocketURLs = urlKind{"wss", "ws", DefaultWebSocketURL}
)

// normal is the one form of a field's URL. The error is a *FieldError.
func (kind urlKind) normal(field, text string) (string, error) {
	parsed, problem := kind.parse(text)
	if problem != "" {
		return "", &FieldError{field, problem, "give " + kind.secure + "://HOST[:PORT][/PREFIX], as in " + kind.example}
	}
	return parsed.String(), nil
}

// parse checks a URL and returns it in its one form: in lower case and without a slash at its end. The problem is empty if there is none.
func (kind urlKind) parse(text string) (parsed *url.URL, problem string) {
	if text == "" {
		return nil, "is empty"
	}
	if len(text) > maxURLLength {
		return nil, fmt.Sprintf("is %d bytes long, which is more than %d", len(text), maxURLLength)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, "holds white space, control or non-ASCII characters"
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Opaque != "" || parsed.Hostname() == "" {
		return nil, "is not a URL with a host"
	}
	host := strings.ToLower(parsed.Hostname())
	address, addressErr := netip.ParseAddr(host)
	switch {
	case parsed.User != nil:
		return nil, "holds user info before an @"
	case strings.ContainsAny(text, "?#"):
		return nil, "holds a query or a fragment"
	case parsed.Scheme != kind.secure && parsed.Scheme != kind.plain:
		return nil, "is not " + kind.secure
	case addressErr != nil && !validHostname(host), address.Zone() != "":
		return nil, "has a host that is neither a name nor an address"
	case parsed.Scheme == kind.plain && !isLoopback(host):
		return nil, "is " + kind.plain + ", which is for loopback hosts only"
	case !validPort(parsed):
		return nil, "has a port that is out of range"
	}
	path := strings.TrimRight(parsed.Path, "/")
	switch {
	case parsed.RawPath != "" || parsed.EscapedPath() != parsed.Path || strings.ContainsAny(parsed.Path, `\;`):
		return nil, "has a path with characters that need escaping"
	case strings.Contains(path, "//") || slices.ContainsFunc(strings.Split(path, "/"), func(s string) bool { return s == "." || s == ".." }):
		return nil, "has a path with empty or dot segments"
	case kind == apiURLs && (strings.HasSuffix(path, "/0") || strings.Contains(path+"/", "/0/private/")):
		return nil, "includes /0, which the engine adds itself"
	}
	parsed.Host, parsed.Path = strings.ToLower(parsed.Host), path
	return parsed, ""
}

// isLoopback tells whether a host, in lower case, is this machine.
func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

func validPort(parsed *url.URL) bool {
	if strings.HasSuffix(parsed.Host, ":") {
		return false
	}
	port := parsed.Port()
	number, err := strconv.ParseUint(port, 10, 16)
	return port == "" || (err == nil && number > 0)
}

func validHostname(host string) bool {
	return !strings.ContainsFunc(host, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_')
	}) && strings.ContainsFunc(host, func(r rune) bool { return r >= 'a' && r <= 'z' }) && !strings.HasPrefix(host, ".")
}

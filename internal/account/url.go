package account

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// normalURL checks api_url and returns its one form, in lower case and without a slash at its end. The problem is
// empty if there is none.
func normalURL(text string) (normal, problem string) {
	if text == "" {
		return "", "is empty"
	}
	if len(text) > maxURLLength {
		return "", fmt.Sprintf("is %d bytes long, which is more than %d", len(text), maxURLLength)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", "holds white space, control or non-ASCII characters"
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Opaque != "" || parsed.Hostname() == "" {
		return "", "is not a URL with a host"
	}
	host := strings.ToLower(parsed.Hostname())
	address, addressErr := netip.ParseAddr(host)
	switch {
	case parsed.User != nil:
		return "", "holds user info before an @"
	case strings.ContainsAny(text, "?#"):
		return "", "holds a query or a fragment"
	case parsed.Scheme != "https" && parsed.Scheme != "http":
		return "", "is not https"
	case addressErr != nil && !validHostname(host), address.Zone() != "":
		return "", "has a host that is neither a name nor an address"
	case parsed.Scheme == "http" && host != "localhost" && !(addressErr == nil && address.IsLoopback()):
		return "", "is http, which is for loopback hosts only"
	case !validPort(parsed):
		return "", "has a port that is out of range"
	}
	path := strings.TrimRight(parsed.Path, "/")
	switch {
	case parsed.RawPath != "" || parsed.EscapedPath() != parsed.Path || strings.ContainsAny(parsed.Path, `\;`):
		return "", "has a path with characters that need escaping"
	case strings.Contains(path, "//") || slices.ContainsFunc(strings.Split(path, "/"), func(s string) bool { return s == "." || s == ".." }):
		return "", "has a path with empty or dot segments"
	case strings.HasSuffix(path, "/0") || strings.Contains(path+"/", "/0/private/"):
		return "", "includes /0, which the engine adds itself"
	}
	return parsed.Scheme + "://" + strings.ToLower(parsed.Host) + path, ""
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

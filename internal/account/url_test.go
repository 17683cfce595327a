package account

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// parsed is an api_url's one form, or what is wrong with it.
func parsed(text string) (normal, problem string) {
	url, problem := apiURLs.parse(text)
	if problem != "" {
		return "", problem
	}
	return url.String(), ""
}

// TestURLsThatAreTricks: each looks like one place and may lead to another.
func TestURLsThatAreTricks(t *testing.T) {
	for _, trick := range []string{
		`https://api.kraken.com\@evil.example`, `https://api.kraken.com\.evil.example`, `https:\\evil.example`, `https:/\evil.example`,
		"https://@evil.example", "https://:@evil.example", "https://api.kraken.com:443@evil.example", "https://api.kraken.com%40evil.example",
		"https://api%2ekraken.com", "https://%61pi.kraken.com", "https://api.kraken.com%00.evil.example", "https://api.kraken.com%2f.evil.example",
		"https://api.kraken.com/a%2fb", "https://api.kraken.com/a%2F..%2Fb", `https://api.kraken.com/a\b`, "https://api.kraken.com/a;b", "https://api.kraken.com/./a",
		"https://api.kraken.com//a", "https://api.kraken.com/%41", "https://api.kraken.com/a%", "https://api.kraken.com/a/0/", "https://api.kraken.com/0/private/x",
		"https://api.kraken.com/a\tb", "https://api.\tkraken.com", "https://api.kraken.com\x00", "https://аpi.kraken.com", "https://api。kraken.com", "https://api.kraken.com\u200b",
		"https://api.kraken.com:443:443", "https://api.kraken.com:-1", "https://api.kraken.com:+443", "https://api.kraken.com:0x1bb", "https://api.kraken.com:99999999999", "https://api.kraken.com:４４３",
		"https://[::1", "https://::1", "https://[::1]evil.example", "https://[::1]:", "https://[fe80::1%25eth0]", "https://[::1%25lo]:80", "https://[api.kraken.com]", "https://[v1.a]",
		"http://[fe80::1]", "http://[::]", "http://[::ffff:10.0.0.1]", "http://[64:ff9b::7f00:1]", "http://0.0.0.0", "http://10.0.0.1", "http://169.254.169.254",
		"http://0177.0.0.1", "http://0x7f.0.0.1", "http://0x7f000001", "http://127.1", "http://017700000001", "http://127.0.0.1.", "http://127.0.0.256",
		"http://localhost.", "http://localhost.localdomain", "http://localhost@evil.example", "http://localhost%00", "http://localhost_", "http://ip6-localhost", "http://127.0.0.1:80@evil.example",
		"https://.kraken.com", "https://2130706433", "https://1.2.3", "https://", "https://:443", "//api.kraken.com", "api.kraken.com", "http+unix://localhost", "file:///etc/passwd", "javascript:1",
		"https://api.kraken.com?", "https://api.kraken.com#", "https://api.kraken.com/?a", "https://api.kraken.com/#@evil.example",
	} {
		normal, problem := parsed(trick)
		assert.NotEmpty(t, problem, "%q was taken as %q", trick, normal)
		assert.NotContains(t, problem, "evil")
	}
	for good, want := range map[string]string{
		"http://[::ffff:127.0.0.1]:80": "http://[::ffff:127.0.0.1]:80", // loopback, in other words
		"http://LOCALHOST":             "http://localhost",
		"https://api.kraken.com.":      "https://api.kraken.com.", // the same host, absolute
		"https://api.kraken.com///":    "https://api.kraken.com",
		"https://api.kraken.com/00/a":  "https://api.kraken.com/00/a",
		"https://xn--krken-jra.com":    "https://xn--krken-jra.com", // what a unicode host is in DNS, seen as what it is
	} {
		normal, problem := parsed(good)
		assert.Empty(t, problem, good)
		assert.Equal(t, want, normal)
	}
}

func TestURLsThatAreWrongAreToldWhy(t *testing.T) {
	for given, want := range map[string]string{
		"":                                     "is empty",
		strings.Repeat("a", maxURLLength+1):    "is 2049 bytes long, which is more than 2048",
		"kraken":                               "is not a URL with a host",
		"https:///0/private":                   "is not a URL with a host",
		"https:api.kraken.com":                 "is not a URL with a host",
		"ftp://api.kraken.com":                 "is not https",
		"http://api.kraken.com":                "is http, which is for loopback hosts only",
		"http://localhost.evil.example":        "is http, which is for loopback hosts only",
		"http://127.0.0.1.evil.example":        "is http, which is for loopback hosts only",
		"http://2130706433":                    "has a host that is neither a name nor an address",
		"https://a@b.example":                  "holds user info before an @",
		"https://127.0.0.1@evil.example":       "holds user info before an @",
		"https://api.kraken.com?a=b":           "holds a query or a fragment",
		"https://api.kraken.com/#":             "holds a query or a fragment",
		"https://api.kraken.com/ ":             "holds white space, control or non-ASCII characters",
		"https://api.kraken.com\x7f":           "holds white space, control or non-ASCII characters",
		"https://api.kräken.com":               "holds white space, control or non-ASCII characters",
		"https://api.kraken.com:0":             "has a port that is out of range",
		"https://api.kraken.com:65536":         "has a port that is out of range",
		"https://api.kraken.com:":              "has a port that is out of range",
		"http://[fe80::1%25lo]":                "has a host that is neither a name nor an address",
		"https://api.kraken.com/0":             "includes /0, which the engine adds itself",
		"https://api.kraken.com/0/private/a/b": "includes /0, which the engine adds itself",
		"https://api.kraken.com/a/../b":        "has a path with empty or dot segments",
		"https://api.kraken.com/a//b":          "has a path with empty or dot segments",
		"https://api.kraken.com/%2e%2e/":       "has a path with characters that need escaping",
	} {
		normal, problem := parsed(given)
		assert.Equal(t, want, problem, given)
		assert.Empty(t, normal, given)
	}
}

func TestGoodURLs(t *testing.T) {
	for given, want := range map[string]string{
		"https://api.kraken.com":              "https://api.kraken.com",
		"https://api.kraken.com/":             "https://api.kraken.com",
		"HTTPS://API.Kraken.com:443/":         "https://api.kraken.com:443",
		"https://gateway.example/Kraken/v1/":  "https://gateway.example/Kraken/v1",
		"https://10.1.2.3:8443":               "https://10.1.2.3:8443",
		"https://[2001:db8::1]:8443":          "https://[2001:db8::1]:8443",
		"http://localhost:8080":               "http://localhost:8080",
		"http://127.0.0.53":                   "http://127.0.0.53",
		"http://[::1]:80":                     "http://[::1]:80",
		"https://kraken_gateway.svc.internal": "https://kraken_gateway.svc.internal",
		"https://0-9az.example:65535/~":       "https://0-9az.example:65535/~",
		"https://a:1":                         "https://a:1",
		"https://z9":                          "https://z9",
	} {
		normal, problem := parsed(given)
		assert.Empty(t, problem, given)
		assert.Equal(t, want, normal, given)
	}
	for _, bad := range []string{"a`b", "a{b", "a/b", "a:b", "A", ".a", "1"} {
		assert.False(t, validHostname(bad), bad)
	}
	longest := "https://api.kraken.com/" + strings.Repeat("a", maxURLLength-23)
	normal, problem := parsed(longest)
	assert.Empty(t, problem)
	assert.Equal(t, longest, normal)
}

// FuzzURL: whatever api_url is accepted, requests go to the host that stands in it, by https or to this machine, and to Kraken's
// path behind the prefix; and it is its own one form.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{
		"https://api.kraken.com", "http://127.0.0.1:8080/prefix/", "http://[::1]:80", "https://127.0.0.1@evil", `https://a\@b`, "https://a/%2e%2e/0", "http://LOCALHOST/a:b@c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		normal, problem := parsed(text)
		if problem != "" {
			assert.NotRegexp(t, `[[:cntrl:]]`, problem)
			return
		}
		again, problem := parsed(normal)
		require.Empty(t, problem, normal)
		require.Equal(t, normal, again)
		request, err := url.Parse(normal + "/0/private/GetWebSocketsToken")
		require.NoError(t, err)
		given, err := url.Parse(text)
		require.NoError(t, err)
		assert.Equal(t, strings.ToLower(given.Host), request.Host)
		assert.Nil(t, request.User)
		assert.Empty(t, request.RawQuery+request.Fragment+request.RawPath+request.Opaque)
		assert.True(t, strings.HasSuffix(request.EscapedPath(), "/0/private/GetWebSocketsToken"))
		if request.Scheme != "https" {
			assert.Equal(t, "http", request.Scheme)
			address, err := netip.ParseAddr(request.Hostname())
			assert.True(t, request.Hostname() == "localhost" || err == nil && address.IsLoopback(), normal)
		}
	})
}

package account

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/kraken"
)

// OptionAllowedURLs is the mount's option that says where api_url may point. It is given by whoever mounts, not by whoever writes an account's config:
// else that one could have the Vault server send requests to hosts and ports of their choice, and read what comes back.
const OptionAllowedURLs = "allowed_api_urls"

const (
	// anyPort stands for all ports of a loopback host: simulators and tests take the one that is free.
	anyPort = "*"
	// maxPlaces bounds the option: a mount has Kraken, and perhaps a gateway or two.
	maxPlaces = 100
)

// Places are where api_url may point. They don't change.
type Places []place

// place allows the URLs of one scheme, host and port whose path is, or is below, a prefix.
type place struct{ scheme, host, port, path string }

// defaultPlaces is Kraken itself.
func defaultPlaces() Places {
	places, _ := ParsePlaces(kraken.DefaultURL)
	return places
}

// ParsePlaces reads the mount's option: URLs, with commas between. Without any it is Kraken itself. The error says which one is wrong, and what is right.
func ParsePlaces(option string) (Places, error) {
	if strings.TrimSpace(option) == "" {
		return defaultPlaces(), nil
	}
	texts := strings.Split(option, ",")
	if len(texts) > maxPlaces {
		return nil, fmt.Errorf("%s has %d URLs; give at most %d", OptionAllowedURLs, len(texts), maxPlaces)
	}
	var places Places
	for _, text := range texts {
		allowed, problem := parsePlace(strings.TrimSpace(text))
		if problem != "" {
			return nil, fmt.Errorf("%s: %.200q %s; give URLs with commas between, as in %s,https://gateway.example.com:8443/kraken",
				OptionAllowedURLs, text, problem, kraken.DefaultURL)
		}
		places = append(places, allowed)
	}
	return places, nil
}

func parsePlace(text string) (allowed place, problem string) {
	// net/url knows no such port.
	scheme, rest, _ := strings.Cut(text, "://")
	authority, path, hasPath := strings.Cut(rest, "/")
	withoutPort, anyPorts := strings.CutSuffix(authority, ":"+anyPort)
	if anyPorts {
		text = scheme + "://" + withoutPort
		if hasPath {
			text += "/" + path
		}
	}
	parsed, problem := apiURLs.parse(text)
	if problem != "" {
		return place{}, problem
	}
	allowed = placeOf(parsed)
	if anyPorts {
		if !isLoopback(allowed.host) {
			return place{}, "allows any port, which is for loopback hosts only"
		}
		allowed.port = anyPort
	}
	return allowed, ""
}

// placeOf is the place that a URL is.
func placeOf(u *url.URL) place {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return place{u.Scheme, u.Hostname(), port, u.Path}
}

// CheckPlace returns a *PlaceError where the mount doesn't allow the place where a config points. What runs by such a one asks nobody.
func (as *Accounts) CheckPlace(c *Config) error {
	if as.options.BadAllowed == nil && as.options.Allowed.allow(c.APIURL) {
		return nil
	}
	return &PlaceError{APIURL: c.APIURL, BadOption: as.options.BadAllowed}
}

// allow tells whether api_url, in its one form, may be this.
func (ps Places) allow(apiURL string) bool {
	parsed, err := url.Parse(apiURL)
	if err != nil {
		return false
	}
	for _, allowed := range ps {
		if allowed.includes(placeOf(parsed)) {
			return true
		}
	}
	return false
}

func (p place) includes(other place) bool {
	return p.scheme == other.scheme && p.host == other.host && (p.port == other.port || p.port == anyPort) &&
		(p.path == "" || p.path == other.path || strings.HasPrefix(other.path, p.path+"/"))
}

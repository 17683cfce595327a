package account

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnAPIURLMayPointWhereTheMountAllows(t *testing.T) {
	for option, may := range map[string]map[string]bool{
		"": {
			"https://api.kraken.com": true, "https://api.kraken.com:443": true, "https://api.kraken.com/prefix": true,
			"https://api.kraken.com:8443": false, "https://kraken.com": false, "https://api.kraken.com.evil.example": false, "http://localhost": false,
		},
		" \n": {"https://api.kraken.com": true},
		"https://gateway.example.com, https://gateway.example.com:8443/Kraken/": {
			"https://gateway.example.com": true, "https://gateway.example.com/kraken": true, "https://api.kraken.com": false,
			"https://gateway.example.com:8443/Kraken": true, "https://gateway.example.com:8443/Kraken/v1": true,
			"https://gateway.example.com:8443": false, "https://gateway.example.com:8443/kraken": false, "https://gateway.example.com:8443/Krakens": false,
		},
		"HTTPS://API.KRAKEN.COM:443": {"https://api.kraken.com": true, "https://api.kraken.com.": false},
		"http://127.0.0.1:8080": {
			"http://127.0.0.1:8080": true, "https://127.0.0.1:8080": false, "http://127.0.0.1": false, "http://127.0.0.2:8080": false, "http://localhost:8080": false,
		},
		"http://localhost:*,https://[::1]:*/a": {
			"http://localhost:1": true, "http://localhost": true, "http://localhost:1/a": true, "https://localhost:1": false, "http://127.0.0.1:1": false,
			"https://[::1]:8/a": true, "https://[::1]:8/a/b": true, "https://[::1]:8": false, "http://[::1]:8/a": false,
		},
	} {
		places, err := ParsePlaces(option)
		require.NoError(t, err, option)
		for given, want := range may {
			normal, problem := parsed(given)
			require.Empty(t, problem, given)
			assert.Equal(t, want, places.allow(normal), "%q allows %s", option, given)
		}
	}
}

func TestABadOptionIsToldWhatIsWrong(t *testing.T) {
	for option, want := range map[string]string{
		"api.kraken.com":                          `"api.kraken.com" is not a URL with a host; give URLs with commas between`,
		"https://api.kraken.com,":                 `"" is empty`,
		"http://gateway.example.com":              "is http, which is for loopback hosts only",
		"https://gateway.example.com:*":           "allows any port, which is for loopback hosts only",
		"https://*.example.com":                   "has a host that is neither a name nor an address",
		"https://a@b.example":                     "holds user info",
		"https://a.example:*:*":                   "is not a URL with a host",
		"http://localhost:*?a":                    "is not a URL with a host",
		"*":                                       "is not a URL with a host",
		"http://localhost:*/a/../b":               "has a path with empty or dot segments",
		strings.Repeat("https://a.example,", 101): "has 102 URLs; give at most 100",
		"https://a.example;https://b.example":     "has a host that is neither",
		"https://a.example https://b.example":     "holds white space",
		"https://" + strings.Repeat("a", 3000):    "is 3008 bytes long",
	} {
		_, err := ParsePlaces(option)
		if assert.Error(t, err, option) {
			assert.Contains(t, err.Error(), want)
			assert.Contains(t, err.Error(), OptionAllowedURLs)
			assert.Less(t, len(err.Error()), 500)
		}
	}
}

// TestAPlaceThatIsNotAllowedIsNotAsked, neither by a write nor by reads of what was stored when it was allowed.
func TestAPlaceThatIsNotAllowedIsNotAsked(t *testing.T) {
	bubble(t, func(t *testing.T, m *mount) {
		var place *PlaceError
		require.ErrorAs(t, m.write("", pair(first, fields{FieldAPIURL: "https://evil.example"})), &place)
		require.Equal(t, "https://evil.example", place.APIURL)
		require.ErrorAs(t, m.write("", pair(first, unproved, fields{FieldAPIURL: "http://127.0.0.1:8200"})), &place)
		require.Empty(t, m.keysUnder(""))

		m.configure("", fields{FieldAPIURL: elsewhere, FieldCacheTTL: "5m"})
		m.mustRead("")
		m.Close()
		m.elsewhere.ForgetCalls()
		places := m.options.Allowed
		m.start(nil)
		m.options.Allowed = defaultPlaces()
		for range 2 {
			_, err := m.Token(t.Context(), m.storage, "")
			require.ErrorAs(t, err, &place)
			_, err = m.Mint(t.Context(), m.storage, "")
			require.ErrorAs(t, err, &place)
			_, err = m.KeyInfo(t.Context(), m.storage, "")
			require.ErrorAs(t, err, &place)
		}
		_, err := m.Status(t.Context(), m.storage, "")
		require.NoError(t, err)
		require.NoError(t, m.write("", fields{FieldCacheTTL: "6m"}), "all that asks nobody can be changed")
		require.ErrorAs(t, m.write("", fields{FieldVerify: true}), &place)
		require.ErrorAs(t, m.write("", pair(second, unproved, fields{FieldAPIURL: elsewhere})), &place)
		require.Empty(t, m.elsewhere.Calls())
		require.NoError(t, m.write("", pair(first)), "it can be moved to where it may be")
		m.mustRead("")
		m.options.Allowed = places
	})
}

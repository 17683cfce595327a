package krakensecrets

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/account"
	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The bounds of what anybody's input may come to.
const (
	longestRefusal = 500             // bytes of an error or a warning
	longestRequest = 5 * time.Second // on a busy machine; all take milliseconds
	marker         = "sesame"        // in hostile values, so that a repetition of one is found
)

const megabyte = 1 << 20

// nested is a map in a list in a map and so on.
func nested(levels int) any {
	var value any = marker
	for range levels / 2 {
		value = []any{map[string]any{marker: value}}
	}
	return value
}

// hostileTexts are what no name and no value should be.
var hostileTexts = map[string]string{
	"a space":            " ",
	"a megabyte":         strings.Repeat(marker+" ", megabyte/7),
	"a megabyte of base": strings.Repeat("c2VzYW1l", megabyte/8),
	"a word":             marker,
	"control characters": marker + "\x00\x01\x07\x08\x1b\x7f",
	"C1 controls":        marker + "\u0085\u009b31m",
	"invalid UTF-8":      marker + "\xff\xfe\xc0\xaf" + strings.Repeat("\x80", 200),
	"bidi overrides":     marker + "\u202e\u2066terces\u2069",
	"zero width":         marker + "\u200b\u200d\ufeff\u2060",
	"tags":               marker + strings.Repeat("\U000e0041", 200),
	"combining":          marker + strings.Repeat("\u0301", 200),
	"homoglyphs":         "\u0440ro-" + marker, // a Cyrillic r
	"fullwidth":          "\uff41\uff50\uff49-" + marker,
	"escape sequences":   marker + "\x1b[2J\x1b]0;title\x07",
	"percent":            marker + "%00%0a%2e%2e%2f%c0%af",
	"line ends":          marker + "\r\n2026-01-01T00:00:00.000Z [ERROR] forged",
	"line separators":    marker + "\u2028\u2029[ERROR] forged",
	"verbs":              marker + "%s%n%!x(MISSING)%999999999d",
	"template":           "{{identity.entity.name}}${" + marker + "}$(" + marker + ")`" + marker + "`",
	"path":               "../../" + marker + "/..%2f",
	"JSON":               `{"` + marker + `":1}`,
	"a number":           strings.Repeat("9", 1000),
	"URL, long":          "https://elsewhere.example/" + strings.Repeat(marker, 300),
	"URL, not allowed":   "https://" + strings.Repeat(marker+".", 200) + "example",
	"URL, user info":     "https://open:" + marker + "@localhost",
	"URL, homoglyph":     "https://api.kr\u0430ken.com/" + marker,
	"URL, loopback":      "http://127.0.0.1@" + marker,
	"URL, line end":      "https://localhost/\r\nHost: " + marker,
	"URL, other scheme":  "gopher://localhost/" + marker,
}

// hostileValues are hostileTexts and all other types.
func hostileValues() map[string]any {
	values := map[string]any{
		"null": nil, "true": true, "1": json.Number("1"), "-1": json.Number("-1"), "1e400": json.Number("1e400"), "1.5": json.Number("1.5"),
		"2^63": json.Number("9223372036854775808"), "a long number": json.Number(strings.Repeat("9", megabyte)), "empty": "",
		"float": 1e300, "half a second": 1.5, "not a number": math.NaN(), "true in spaces": " true ", "a duration in spaces": " 5s ", "a duration overflown": "9223372036s",
		"list": []any{marker}, "texts": []string{marker, marker}, "map": map[string]any{marker: marker}, "nested": nested(100_000),
		"wide": slices.Repeat([]any{marker}, 100_000), "bytes": []byte(marker),
	}
	for name, text := range hostileTexts {
		values[name] = text
	}
	return values
}

// guarded does a request that may not harm, whatever is in it, and tells whether it was accepted.
func (e *engine) guarded(t *testing.T, operation logical.Operation, path string, data map[string]any, secret bool) (accepted bool) {
	t.Helper()
	before, calls := e.stored(), e.calls()
	e.log.Reset()
	request := &logical.Request{
		Operation: operation, Path: path, Data: data, Storage: e.storage, MountPoint: "kraken/", EntityID: "mallory-id", DisplayName: "userpass-mallory",
	}
	began := time.Now()
	if operation == logical.CreateOperation || operation == logical.UpdateOperation {
		_, _, err := e.backend.HandleExistenceCheck(t.Context(), request)
		assert.NoError(t, err, "it looks at nothing but the path")
	}
	response, err := e.backend.HandleRequest(t.Context(), request)
	assert.Less(t, time.Since(began), longestRequest)

	requireClean(t, e.log.String(), 2*longestRefusal)
	if err != nil {
		assert.Nil(t, response)
		if err == logical.ErrUnsupportedPath || err == logical.ErrUnsupportedOperation {
			return false
		}
		coded, ok := err.(logical.HTTPCodedError)
		require.Truef(t, ok, "%T: %.200v", err, err)
		assert.GreaterOrEqual(t, coded.Code(), 400)
		assert.Less(t, coded.Code(), 500, err)
		requireClean(t, err.Error(), longestRefusal)
		if secret {
			assert.NotContains(t, err.Error()+e.log.String(), marker)
		}
		assert.Equal(t, before, e.stored(), "a refused request changes nothing")
		assert.Equal(t, calls, e.calls(), "and asks Kraken nothing")
		return false
	}
	if response == nil {
		return true
	}
	require.False(t, response.IsError(), "the framework's own refusal: %.300v", response.Data["error"])
	requireClean(t, strings.Join(response.Warnings, " "), longestRefusal)
	if secret {
		assert.NotContains(t, fmt.Sprint(response.Data, response.Warnings, e.log.String()), marker)
	}
	return true
}

// requireClean checks that a text is bounded and holds nothing that could be taken for more than text.
func requireClean(t *testing.T, text string, longest int) {
	t.Helper()
	require.LessOrEqual(t, len(text), longest, "%.300q…", text)
	require.True(t, utf8.ValidString(text), "%q", text)
	require.False(t, strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }), "%q", text)
}

// TestHostileValuesOfEveryField: whatever an operator or a tenant gives as whatever field of whatever path, the answer is a clean one.
func TestHostileValuesOfEveryField(t *testing.T) {
	e := newEngine(t)
	values := hostileValues()
	for _, path := range e.backend.Paths {
		request := strings.Trim(path.Pattern, "^$")
		if base, _, named := strings.Cut(request, "/(?P<"); named {
			request = base + "/desk-a"
		}
		fields := append(slices.Collect(maps.Keys(path.Fields)), fieldName, account.FieldPairWrittenAt, "unknown")
		for operation := range path.Operations {
			if operation == logical.CreateOperation {
				continue // is what TestHostileValuesBesideAPair does
			}
			for _, field := range fields {
				t.Run(fmt.Sprintf("%s %s %s", operation, request, field), func(t *testing.T) {
					schema := path.Fields[field]
					secret := schema != nil && schema.DisplayAttrs != nil && schema.DisplayAttrs.Sensitive
					e.reset()
					before := e.stored()["config"] + e.stored()["config/desk-a"]
					for name, value := range values {
						t.Run(name, func(t *testing.T) {
							data := map[string]any{field: value}
							if field == account.FieldOTPPassword {
								data[account.FieldVerify] = false // Kraken would refuse it: the key has no second factor
							}
							if !e.guarded(t, operation, request, data, secret) {
								return
							}
							if now := e.stored(); now["config"]+now["config/desk-a"] != before {
								e.requireRuns(t, request)
								e.reset()
							}
						})
					}
				})
			}
		}
	}
}

// TestHostileValuesBesideAPair: what changes only with the pair, and what needs it in the first write.
func TestHostileValuesBesideAPair(t *testing.T) {
	e := newEngine(t)
	e.sim.SetLockout(krakensim.Lockout{Scope: krakensim.LockoutOff}) // Kraken is asked with one wrong pair after the other
	values := hostileValues()
	values["certificate, escape sequences"] = "\x1b[2J" + certificate(t)
	values["certificate, bidi override"] = certificate(t) + "\u202e" + marker
	for _, field := range account.Fields {
		for name, value := range values {
			t.Run(field.Name+" "+name, func(t *testing.T) {
				data := e.pair(map[string]any{account.FieldVerify: false, field.Name: value})
				for _, operation := range []logical.Operation{logical.CreateOperation, logical.UpdateOperation} {
					if e.guarded(t, operation, "config", data, field.Secret) {
						response, err := e.read("config")
						require.NoError(t, err)
						_, err = e.write("config", map[string]any{account.FieldVerify: false, account.FieldCacheTTL: "3m"})
						require.NoError(t, err, "what was accepted can be changed again")
						requireClean(t, fmt.Sprint(response.Data), megabyte)
						e.start()
						_, _ = e.read("ws-token")
						again := e.mustRead("config")
						again[account.FieldCacheTTL] = response.Data[account.FieldCacheTTL]
						assert.Equal(t, response.Data, again, "it reads back after a restart as before")
					}
				}
				require.NoError(t, e.delete("config"))
			})
		}
	}
}

// reset configures both accounts as they were.
func (e *engine) reset() {
	e.t.Helper()
	e.sim.SetKey(secondKey)
	for name, key := range map[string]krakensim.Key{"": exampleKey, "desk-a": secondKey} {
		require.NoError(e.t, e.delete(account.Path("config", name)))
		e.configure(name, map[string]any{account.FieldAPIKey: key.APIKey, account.FieldAPISecret: key.APISecret, account.FieldVerify: false})
	}
	e.sim.ForgetCalls()
	e.takeEvents()
}

// requireRuns checks that what a hostile write has left can be read and used.
func (e *engine) requireRuns(t *testing.T, path string) {
	t.Helper()
	response, err := e.read(path)
	require.NoError(t, err)
	if response == nil || response.Data[account.FieldDisabled] == true {
		return
	}
	if response.Data[account.FieldTwoFactor] == "none" {
		_, err = e.read(strings.Replace(path, "config", "ws-token", 1))
		require.NoError(t, err)
	}
}

// TestHostileFieldNames: they stand in the framework's own warnings.
func TestHostileFieldNames(t *testing.T) {
	e := newEngine(t)
	e.reset()
	many := map[string]any{}
	for i := range 100_000 {
		many[fmt.Sprint("field", i)] = marker
	}
	for _, path := range []string{"config", "config/desk-a", "ws-token", "ws-token/desk-a", "key-info", "status"} {
		for _, operation := range []logical.Operation{logical.ReadOperation, logical.UpdateOperation} {
			for name, text := range hostileTexts {
				t.Run(fmt.Sprint(operation, " ", path, " ", name), func(t *testing.T) {
					e.guarded(t, operation, path, map[string]any{text: marker}, false)
				})
			}
			t.Run(fmt.Sprint(operation, " ", path, " many"), func(t *testing.T) { e.guarded(t, operation, path, many, true) })
		}
	}
	response, err := e.write("ws-token", map[string]any{"cache_tll": "5m"})
	require.NoError(t, err)
	assert.Equal(t, []string{"Endpoint ignored these unrecognized parameters: [cache_tll]"}, response.Warnings, "a mistyped name is still told")
}

// TestHostilePaths: names of accounts come in the path.
func TestHostilePaths(t *testing.T) {
	e := newEngine(t)
	for _, base := range []string{pathConfigBase, pathTokenBase, pathKeyInfoBase, pathStatusBase} {
		for name, text := range hostileTexts {
			for _, operation := range []logical.Operation{logical.ReadOperation, logical.CreateOperation, logical.UpdateOperation, logical.DeleteOperation, logical.ListOperation, logical.HelpOperation} {
				t.Run(fmt.Sprint(operation, " ", base, " ", name), func(t *testing.T) {
					if text == marker {
						return // that is a name
					}
					accepted := e.guarded(t, operation, base+"/"+text, e.pair(nil), false)
					mayBeOld := base == pathConfigBase && operation == logical.DeleteOperation // what an older version has stored can be deleted
					assert.False(t, accepted && (!mayBeOld || len(text) > longestStoredName))
				})
			}
		}
	}
	assert.Empty(t, e.stored())
	assert.Zero(t, e.calls())
}

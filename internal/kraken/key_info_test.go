package kraken

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// toldKeyInfo is what comes of a result of GetApiKeyInfo.
func toldKeyInfo(t *testing.T, result string) (KeyInfo, error) {
	t.Helper()
	server := answering(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/0/private/GetApiKeyInfo", r.URL.Path)
		_, _ = fmt.Fprintf(w, `{"error":[],"result":%s}`, result)
	})
	return plainClient(t, server.URL).GetAPIKeyInfo(t.Context(), testNonce)
}

func TestKeyInfoHandsFieldsOnAsTheyCome(t *testing.T) {
	info, err := toldKeyInfo(t, `{"api_key_name":" Desk ÄÖ 東京 ","nonce":"`+strconv.Itoa(testNonce)+`","permissions":["query-funds"],
		"last_used":null,"new":{"a":1,"b":[true,-0.5,{}]},"list":[],"long":"`+strings.Repeat("€", 1000)+`"}`)
	require.NoError(t, err)
	assert.Equal(t, KeyInfo{
		"api_key_name": " Desk ÄÖ 東京 ", "nonce": strconv.Itoa(testNonce), "permissions": []any{"query-funds"}, "last_used": nil,
		"new":  map[string]any{"a": json.Number("1"), "b": []any{true, json.Number("-0.5"), map[string]any{}}},
		"list": []any{}, "long": strings.Repeat("€", 1000),
	}, info)
}

func TestKeyInfoOfNonsense(t *testing.T) {
	nested := func(levels int) string {
		return `{"a":` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + `}`
	}
	sized := func(bytes int) string { return `{"a":"` + strings.Repeat("x", bytes-8) + `"}` }
	for name, test := range map[string]struct{ result, want string }{
		"null":                               {`null`, "not the API key's data"},
		"a list":                             {`[]`, "not the API key's data"},
		"a list with something in it":        {`[{"permissions":[]}]`, "not the API key's data"},
		"a text":                             {`"x"`, "not the API key's data"},
		"a number":                           {`1`, "not the API key's data"},
		"nothing in it":                      {`{}`, "not the API key's data"},
		"64 KiB":                             {sized(64 << 10), ""},
		"a byte more":                        {sized(64<<10 + 1), "too large"},
		"nearly 1 MiB":                       {sized(1<<20 - 100), "too large"},
		"1 MiB":                              {sized(1 << 20), "not Kraken's JSON"},
		"10 levels":                          {nested(10), ""},
		"11 levels":                          {nested(11), "nested too deeply"},
		"9,000 levels":                       {nested(9000), "nested too deeply"},
		"11,000 levels":                      {nested(11000), "not Kraken's JSON"},
		"a name twice":                       {`{"permissions":["query-funds"],"permissions":["withdraw-funds"]}`, "a name twice"},
		"a name twice, deeper":               {`{"a":[{"b":1,"b":1}]}`, "a name twice"},
		"a name twice, escaped":              {`{"ab":1,"\u0061b":2}`, "a name twice"},
		"a name twice once it is clean":      {`{"a\u001b":1,"a\u0007":2}`, "a name twice"},
		"both spellings":                     {`{"valid_until":"0","validUntil":"0"}`, ""},
		"permissions that are a number":      {`{"permissions":7}`, "another type"},
		"permissions that are text":          {`{"permissions":"query-funds"}`, "another type"},
		"permissions in an object":           {`{"permissions":{"query-funds":true}}`, "another type"},
		"permissions that aren't all text":   {`{"permissions":["query-funds",7]}`, "another type"},
		"permissions in lists":               {`{"permissions":[["query-funds"]]}`, "another type"},
		"permissions of null":                {`{"permissions":null}`, ""},
		"an allow-list that is a number":     {`{"ip_allowlist":1}`, "another type"},
		"an allow-list, in camel case, too":  {`{"ipAllowlist":[1]}`, "another type"},
		"an allow-list of null":              {`{"ip_allowlist":null}`, ""},
		"a nonce window that is a list":      {`{"nonce_window":[0]}`, "another type"},
		"a nonce window that is true":        {`{"nonceWindow":true}`, "another type"},
		"an expiry that is an object":        {`{"valid_until":{}}`, "another type"},
		"an expiry of null":                  {`{"validUntil":null}`, ""},
		"an expiry that is no number":        {`{"valid_until":"never"}`, ""},
		"another type of what we don't read": {`{"api_key_name":7,"iban":[],"last_used":{"a":1}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			info, err := toldKeyInfo(t, test.result)
			if test.want == "" {
				require.NoError(t, err)
				assert.NotEmpty(t, info)
				return
			}
			failed := requireError(t, err, KindNonsense, true)
			assert.Contains(t, failed.Error(), test.want)
			assert.Less(t, len(failed.Error()), 200)
		})
	}
	server := answering(t, saying(200, krakenSays("EGeneral:Permission denied")))
	_, err := plainClient(t, server.URL).GetAPIKeyInfo(t.Context(), testNonce)
	requireError(t, err, KindPermissionDenied, true)
}

// TestKeyInfoIsExact: what a float64 doesn't give back is handed on as text, in the digits that came.
func TestKeyInfoIsExact(t *testing.T) {
	for _, number := range []string{
		"0", "-0", "0.0", "0e999", "1", "-1", "15", "1.50", "0.1", "-123.456", "1e3", "1E+3", "25e-1", "1616492376", "1616492376.5941",
		"9007199254740991", "9007199254740992", "-9007199254740992", "1e-300", "0.00000000000000000001",
	} {
		info, err := toldKeyInfo(t, `{"n":`+number+`}`)
		require.NoError(t, err)
		assert.Equal(t, KeyInfo{"n": json.Number(number)}, info)
	}
	for _, number := range []string{
		"9007199254740993", "-9007199254740993", "9223372036854775808", "18446744073709551616", "1616492376594000000", "9007199254740994", "1e22",
		"1e400", "-1e400", "1e999999999", "1e-400", "1e-999999999", "1e99999999999999999999", "4.9e-324000",
		"0.1000000000000000000001", "3.14159265358979323846264338327950288", "1616492376.594123456", "1." + strings.Repeat("0", 100),
	} {
		info, err := toldKeyInfo(t, `{"n":`+number+`,"deep":[{"n":`+number+`}]}`)
		require.NoError(t, err)
		assert.Equal(t, KeyInfo{"n": number, "deep": []any{map[string]any{"n": number}}}, info)
	}
}

// hostileTexts are JSON strings that could do harm where they are shown, and what is shown of them.
var hostileTexts = map[string]string{
	`\u001b[2J\u001b]0;owned\u0007`:  " [2J ]0;owned ", // a terminal's escape sequences
	`\u009b31m`:                      " 31m",           // and in one character
	`a\r\n[ERROR] b\t\u0000`:         "a  [ERROR] b  ",
	`a\u0085\u2028\u2029b`:           "a   b",
	`\u202eevil\u2066\u200b\ufeff`:   " evil   ", // turns the direction of writing; takes no room
	"a\xff\xfe\\ud800b":              "a   b",    // not UTF-8; half a surrogate pair
	`\u007f\ue000\u00a0`:             "   ",
	"a\u3164\u034f\ufe0f\U000e0100b": "a    b", // letters and marks that show nothing
	`😀 €`:                            "😀 €",
}

func TestKeyInfoIsCleanAtAnyDepth(t *testing.T) {
	for hostile, want := range hostileTexts {
		info, err := toldKeyInfo(t, fmt.Sprintf(`{"a":"%[1]s","list":["%[1]s",{"x%[1]s":"%[1]s"}],"x%[1]s":1}`, hostile))
		require.NoError(t, err)
		assert.Equal(t, KeyInfo{"a": want, "list": []any{want, map[string]any{"x" + want: want}}, "x" + want: json.Number("1")}, info)
	}
}

func TestWhatKeyInfoSays(t *testing.T) {
	year := func(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
	for result, want := range map[string]any{
		`{"permissions":["query-funds","modify-trades"]}`: []string{"query-funds", "modify-trades"},
		`{"permissions":[]}`:                              []string(nil),
		`{"permissions":null}`:                            nil,
		`{"x":1}`:                                         nil,
	} {
		requireTold(t, result, want, KeyInfo.Permissions)
	}
	for value, want := range map[string]any{
		`["192.0.2.1","2001:db8::/32"]`: []string{"192.0.2.1", "2001:db8::/32"},
		`["192.0.2.1",""]`:              []string{"192.0.2.1"},
		`[]`:                            []string(nil),
		`[""," "]`:                      []string{},
		`null`:                          []string(nil),
	} {
		requireTold(t, `{"ip_allowlist":`+value+`}`, want, KeyInfo.IPAllowList)
		requireTold(t, `{"ipAllowlist":`+value+`}`, want, KeyInfo.IPAllowList)
	}
	requireTold(t, `{"x":1}`, nil, KeyInfo.IPAllowList)
	for value, want := range map[string]any{
		`0`: int64(0), `"0"`: int64(0), `"15"`: int64(15), `15000`: int64(15000), `" 7 "`: int64(7), `"-1"`: int64(-1),
		`99999999999999999999`: int64(1<<63 - 1), `"much"`: nil, `""`: nil, `null`: nil, `1.5`: nil,
	} {
		requireTold(t, `{"nonce_window":`+value+`}`, want, KeyInfo.NonceWindow)
		requireTold(t, `{"nonceWindow":`+value+`}`, want, KeyInfo.NonceWindow)
	}
	for value, want := range map[string]any{
		`0`: nil, `"0"`: nil, `"1767225600"`: year(2026), `1767225600`: year(2026), `""`: nil, `null`: nil, `"never"`: nil, `-5`: nil,
		`253402300800`: year(10000).Add(-time.Second), `9223372036854775807`: year(10000).Add(-time.Second), `"99999999999999999999"`: year(10000).Add(-time.Second),
	} {
		requireTold(t, `{"valid_until":`+value+`}`, want, KeyInfo.ValidUntil)
		requireTold(t, `{"validUntil":`+value+`}`, want, KeyInfo.ValidUntil)
	}
	requireTold(t, `{"valid_until":"1767225600","validUntil":"5"}`, year(2026), KeyInfo.ValidUntil)
}

// requireTold asserts what a method of KeyInfo says, nil for nothing.
func requireTold[T any](t *testing.T, result string, want any, method func(KeyInfo) (T, bool)) {
	t.Helper()
	info, err := readKeyInfo(json.RawMessage(result), newRedactor("", "", ""))
	require.NoError(t, err, result)
	said, told := method(info)
	require.Equal(t, want != nil, told, result)
	if told {
		require.Equal(t, want, any(said), result)
	}
}

// FuzzKeyInfo: whatever comes is told as nonsense, or can be shown and crosses Vault's plugin boundary, where numbers become
// float64s, as it is.
func FuzzKeyInfo(f *testing.F) {
	f.Add([]byte(`{"api_key_name":"a","permissions":["query-funds"],"ip_allowlist":[""],"nonce_window":"15","valid_until":1767225600,"n":1e400,"d":0.1}`))
	for hostile := range maps.Keys(hostileTexts) {
		f.Add([]byte(`{"` + hostile + `":["` + hostile + `",{"a":12345678901234567890}]}`))
	}
	f.Fuzz(func(t *testing.T, result []byte) {
		info, err := readKeyInfo(result, newRedactor("signature", "nonce", "otp1"))
		if err != nil {
			assert.Empty(t, info)
			return
		}
		info.Permissions()
		info.IPAllowList()
		info.NonceWindow()
		info.ValidUntil()
		requireShowable(t, map[string]any(info))
		encoded, err := json.Marshal(info)
		require.NoError(t, err)
		var again KeyInfo
		require.NoError(t, json.Unmarshal(encoded, &again))
		twice, err := json.Marshal(again)
		require.NoError(t, err)
		requireSameNumbers(t, encoded, twice)
	})
}

// requireShowable asserts that no text in a value, names included, holds what could do harm where it is shown.
func requireShowable(t *testing.T, value any) {
	t.Helper()
	switch value := value.(type) {
	case string:
		require.NotContains(t, value, "\ufffd")
		require.Negative(t, strings.IndexFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", value)
	case []any:
		for _, element := range value {
			requireShowable(t, element)
		}
	case map[string]any:
		for name, field := range value {
			requireShowable(t, name)
			requireShowable(t, field)
		}
	}
}

// requireSameNumbers asserts that two JSON texts of the same value say the same numbers, however they write them.
func requireSameNumbers(t *testing.T, one, other []byte) {
	t.Helper()
	numbers := func(text []byte) (numbers []string) {
		decoder := json.NewDecoder(strings.NewReader(string(text)))
		decoder.UseNumber()
		for token, err := decoder.Token(); err == nil; token, err = decoder.Token() {
			if number, is := token.(json.Number); is {
				value, err := number.Float64()
				require.NoError(t, err)
				if value != 0 { // big.Rat doesn't read 0e99999999
					exact, ok := new(big.Rat).SetString(number.String())
					require.True(t, ok)
					numbers = append(numbers, exact.RatString())
				}
			}
		}
		return numbers
	}
	require.Equal(t, numbers(one), numbers(other))
}

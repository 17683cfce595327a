package kraken

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// KeyInfo is what Kraken knows of an API key, field by field as it says it, for Kraken may add fields: text, json.Number,
// bool, nil, []any and map[string]any. All text in it, names included, can be shown. Every number is one that a float64 gives back; others
// are text, in Kraken's digits.
//
// The methods read a field by either of its names, in snake case, as Kraken sends it, or in camel case, as its page writes
// it, and a number that is written as text too. None is safe for use while the map is written to.
type KeyInfo map[string]any

// The bounds of a key's data. A true one is under 2 KiB and two levels deep; the rest is for long allow-lists and what
// Kraken adds. They keep what a hostile server says from filling the memory, the audit log and the terminal.
const (
	maxKeyInfo      = 64 << 10 // bytes of JSON, which bounds the number of fields and their lengths too
	maxKeyInfoDepth = 10       // levels of objects and lists, the outermost included
)

// GetAPIKeyInfo asks what Kraken knows of the API key: its name, permissions, restrictions, validity. An answer that is
// larger than 64 KiB, nested deeper than 10 levels, holds a name twice, or has permissions, an allow-list, a nonce window or an expiry of another
// type than Kraken's is KindNonsense.
func (c *Client) GetAPIKeyInfo(ctx context.Context, nonce uint64) (KeyInfo, error) {
	said, err := c.call(ctx, "GetApiKeyInfo", nonce)
	if err != nil {
		return nil, err
	}
	info, err := readKeyInfo(said.result, said.redact)
	if err != nil {
		return nil, nonsense(err.Error())
	}
	return info, nil
}

func readKeyInfo(result json.RawMessage, redact *redactor) (KeyInfo, error) {
	if len(result) > maxKeyInfo {
		return nil, errors.New("its result is too large for the API key's data")
	}
	reader := keyInfoReader{json.NewDecoder(bytes.NewReader(result)), redact}
	reader.decoder.UseNumber()
	value, err := reader.value(1)
	if err != nil {
		return nil, err
	}
	info, _ := value.(map[string]any)
	if len(info) == 0 {
		return nil, errNoKeyInfo
	}
	if !KeyInfo(info).wellTyped() {
		return nil, errors.New("its result has a field of another type than the API key's data")
	}
	return info, nil
}

var errNoKeyInfo = errors.New("its result is not the API key's data")

// keyInfoReader reads JSON that may come from anywhere.
type keyInfoReader struct {
	decoder *json.Decoder
	redact  *redactor
}

// value reads the next value, which is at the level depth if it is an object or a list.
func (r keyInfoReader) value(depth int) (any, error) {
	token, err := r.decoder.Token()
	if err != nil {
		return nil, errNoKeyInfo
	}
	switch token := token.(type) {
	case json.Delim:
		if depth > maxKeyInfoDepth {
			return nil, errors.New("its result is nested too deeply for the API key's data")
		}
		if token == '{' {
			return r.object(depth)
		}
		return r.list(depth)
	case string:
		if token == r.redact.nonce { // and nothing else: Kraken tells a key's last one
			return token, nil
		}
		return r.text(token), nil
	case json.Number:
		number := token.String()
		if told := r.redact.text(number); told != number && number != r.redact.nonce {
			return told, nil // a one-time code, say
		}
		if !exact(number) {
			return number, nil
		}
	}
	return token, nil
}

// object reads what follows a '{'.
func (r keyInfoReader) object(depth int) (any, error) {
	object := make(map[string]any)
	for r.decoder.More() {
		name, err := r.decoder.Token()
		if err != nil {
			return nil, errNoKeyInfo
		}
		value, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		clean := r.text(name.(string))
		if _, twice := object[clean]; twice { // whichever is kept, the other may be the true one
			return nil, errors.New("its result holds a name twice")
		}
		object[clean] = value
	}
	_, err := r.decoder.Token() // '}'
	return object, err
}

// list reads what follows a '['.
func (r keyInfoReader) list(depth int) (any, error) {
	list := []any{}
	for r.decoder.More() {
		value, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	_, err := r.decoder.Token() // ']'
	return list, err
}

func (r keyInfoReader) text(text string) string { return printable(r.redact.text(text)) }

// exact reports whether a JSON number survives being a float64, which is what becomes of all numbers in an answer of
// Vault's, as of those in JavaScript. From 2^53 on, where float64 skips integers, none does.
func exact(number string) bool {
	const longest = 64 // in digits; float64 gives back 17 at most, and the bound keeps the comparison cheap
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || math.Abs(value) > 1<<53 || len(number) > longest {
		return false
	}
	if value == 0 { // or so small that float64 takes it for 0
		mantissa, _, _ := strings.Cut(strings.ToLower(number), "e")
		return !strings.ContainsAny(mantissa, "123456789")
	}
	said, ok := new(big.Rat).SetString(number)
	again, okAgain := new(big.Rat).SetString(strconv.FormatFloat(value, 'g', -1, 64))
	return ok && okAgain && said.Cmp(again) == 0
}

// Permissions are the names of what the key may do. It is false where Kraken doesn't say.
func (i KeyInfo) Permissions() ([]string, bool) {
	value, _ := i.field("permissions", "permissions")
	return texts(value), value != nil
}

// IPAllowList are the addresses that the key may be used from, none where it may be used from any. It is false where Kraken
// doesn't say.
func (i KeyInfo) IPAllowList() ([]string, bool) {
	value, told := i.field("ip_allowlist", "ipAllowlist") // null tells that there is none
	blank := func(address string) bool { return strings.TrimSpace(address) == "" }
	return slices.DeleteFunc(texts(value), blank), told // an empty list comes as [""]
}

// NonceWindow is by how many nonces, as whole numbers, one may fall behind the last and still be taken. It is false where
// Kraken doesn't say.
func (i KeyInfo) NonceWindow() (int64, bool) { return i.integer("nonce_window", "nonceWindow") }

// ValidUntil is when the key expires, to the second, in UTC and not beyond the year 9999. It is false where it doesn't
// expire, or Kraken doesn't say.
func (i KeyInfo) ValidUntil() (time.Time, bool) {
	const year10000 = 253402300800 // as seconds since 1970; from there on, times can't be written
	seconds, told := i.integer("valid_until", "validUntil")
	return time.Unix(min(seconds, year10000-1), 0).UTC(), told && seconds > 0 // 0: never
}

// field is the field of either name, the first if it has both and the first isn't null.
func (i KeyInfo) field(snake, camel string) (value any, has bool) {
	if value, has = i[snake]; has && value != nil {
		return value, true
	}
	if other, hasOther := i[camel]; hasOther && (!has || other != nil) {
		return other, true
	}
	return value, has
}

// texts are those of a list.
func texts(value any) []string {
	var texts []string
	list, _ := value.([]any)
	for _, element := range list {
		if text, isText := element.(string); isText {
			texts = append(texts, text)
		}
	}
	return texts
}

// integer is a whole number, written as a number or as text. One that int64 doesn't hold is its nearest. It is false where there is none.
func (i KeyInfo) integer(snake, camel string) (int64, bool) {
	field, _ := i.field(snake, camel)
	var text string
	switch field := field.(type) {
	case string:
		text = strings.TrimSpace(field)
	case json.Number:
		text = field.String()
	}
	integer, err := strconv.ParseInt(text, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return integer, true
	}
	// 1.5e9, say. What is beyond all that can be meant is left alone, for its digits would be made.
	float, err := strconv.ParseFloat(text, 64)
	return int64(float), err == nil && float == math.Trunc(float) && math.Abs(float) < 1<<53
}

// wellTyped reports whether the fields that the methods read are of a type that Kraken could give them. A text that isn't a number may
// stand for one: it is nothing that anything is decided by.
func (i KeyInfo) wellTyped() bool {
	for _, name := range []string{"permissions", "ip_allowlist", "ipAllowlist"} {
		if !isNullOrTexts(i[name]) {
			return false
		}
	}
	for _, name := range []string{"nonce_window", "nonceWindow", "valid_until", "validUntil"} {
		switch i[name].(type) {
		case nil, string, json.Number:
		default:
			return false
		}
	}
	return true
}

func isNullOrTexts(value any) bool {
	list, isList := value.([]any)
	return value == nil || isList && len(texts(value)) == len(list)
}

package feed

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// form is what a message from a client may have in it: fields, in the order in which missing ones are told of. Kraken looks at
// the form of a message first, whoever sent it, and refuses one with a field that it doesn't know.
type form []field

// field is a field of a message.
type field struct {
	name     string
	kind     kind
	required bool     // it can't be left out
	only     []string // the values that the simulator can do, as JSON; empty for all
	foreign  bool     // Kraken knows the field, and the simulator has nothing for it
}

// kind is a type of JSON.
type kind struct {
	name string // as Kraken's errors call it
	is   func(json.RawMessage) bool
}

// Kraken's errors say "a number_float", which is how the C++ library nlohmann/json calls a number, and in v1 "an array". How they
// call the others isn't known: here they have the names of that library.
var (
	isText    = kind{"a string", decodes[string]}
	isNumber  = kind{"a number_float", decodes[float64]}
	isInteger = kind{"a number_integer", decodes[int64]}
	isFlag    = kind{"a boolean", decodes[bool]}
	isObject  = kind{"an object", decodes[params]}
	isTexts   = kind{"an array", decodes[[]string]}
	isNumbers = kind{"an array", decodes[[]int64]}
	isObjects = kind{"an array", decodes[[]params]}

	// Kraken's pages on v1 have booleans in both ways.
	isFlagOrItsText = kind{"a boolean", func(raw json.RawMessage) bool { return isTrue(raw) || isFalse(raw) }}
	isAnything      = kind{"", func(json.RawMessage) bool { return true }}
)

func isTrue(raw json.RawMessage) bool  { return string(raw) == "true" || string(raw) == `"true"` }
func isFalse(raw json.RawMessage) bool { return string(raw) == "false" || string(raw) == `"false"` }

// decodes tells whether JSON can be read as a T. A null can't.
func decodes[T any](raw json.RawMessage) bool {
	var v *T
	return json.Unmarshal(raw, &v) == nil && v != nil
}

func required(name string, kind kind) field { return field{name: name, kind: kind, required: true} }

// optional is a field with the values that the simulator can do; all of them if none is given.
func optional(name string, kind kind, only ...string) field {
	return field{name: name, kind: kind, only: only}
}

// foreign is a field of Kraken's that the simulator has nothing for.
func foreign(name string, kind kind) field { return field{name: name, kind: kind, foreign: true} }

// checkForm says what is wrong with a message's form, whatever the values: a field that messages of this kind ("add order") don't
// have, one that is missing, or one of another type. The error is a [paper.Refusal].
func (f form) checkForm(message string, p params) error {
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if !slices.ContainsFunc(f, func(one field) bool { return one.name == name }) {
			return paper.Refusal("Unsupported field: '" + name + "' for the given msg type: " + message)
		}
	}
	for _, one := range f {
		if raw := p[one.name]; raw == nil && one.required {
			return missing(one.name)
		} else if raw != nil && !one.kind.is(raw) {
			return paper.Refusal(fieldName(one.name) + " field must be " + one.kind.name)
		}
	}
	return nil
}

// checkValues refuses what the simulator can't do. The error is a [paper.Refusal].
func (f form) checkValues(p params) error {
	for _, one := range f {
		raw := p[one.name]
		if raw != nil && (one.foreign || len(one.only) > 0 && !slices.Contains(one.only, string(raw))) {
			return paper.Invalid(one.name)
		}
	}
	return nil
}

// check looks at form and values.
func (f form) check(message string, p params) error {
	if err := f.checkForm(message, p); err != nil {
		return err
	}
	return f.checkValues(p)
}

// checkRequestID refuses what isn't the number of a request, in the field in which a client may give it one. The error is a
// [paper.Refusal].
func checkRequestID(name string, raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	if _, err := strconv.ParseUint(string(raw), 10, 64); err != nil {
		return paper.Refusal(fieldName(name) + " field must be a positive integer less than 18446744073709551616")
	}
	return nil
}

// checkDeadline refuses a request that is too old, or whose deadline isn't half a second to a minute ahead
// (docs.kraken.com/api/docs/websocket-v2/add_order). The error is a [paper.Refusal].
func checkDeadline(p params, now time.Time) error {
	return paper.CheckDeadline(p.text("deadline"), 500*time.Millisecond, now)
}

// missing is Kraken's word for a field that isn't there, and should be.
func missing(name string) error { return paper.Refusal(fieldName(name) + "(s) not found") }

// fieldName writes a field's name as Kraken starts a sentence with it.
func fieldName(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

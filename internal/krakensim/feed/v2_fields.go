package feed

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/paper"
)

// v2Fields are what a message from a client may have in it, in the order in which missing ones are told of. Kraken looks at the
// form of a message first, whoever sent it, and refuses one with a field that it doesn't know.
type v2Fields []v2Field

// v2Field is a field of a message.
type v2Field struct {
	name string
	kind v2Kind
	need bool     // it can't be left out
	only []string // the values that the simulator can do, as JSON; empty for all
	none bool     // Kraken knows the field, and the simulator doesn't
}

// v2Kind is a type of JSON.
type v2Kind struct {
	name string // as Kraken's errors call it
	is   func(json.RawMessage) bool
}

// Kraken's errors say "a number_float", which is how the C++ library nlohmann/json calls a number, and in v1 "an array". How they
// call the others isn't known: here they have the names of that library.
var (
	isText    = v2Kind{"a string", decodes[string]}
	isNumber  = v2Kind{"a number_float", decodes[float64]}
	isInteger = v2Kind{"a number_integer", decodes[int64]}
	isFlag    = v2Kind{"a boolean", decodes[bool]}
	isObject  = v2Kind{"an object", decodes[params]}
	isTexts   = v2Kind{"an array", decodes[[]string]}
	isNumbers = v2Kind{"an array", decodes[[]int64]}
	isObjects = v2Kind{"an array", decodes[[]params]}
)

// decodes tells whether JSON can be read as a T. A null can't.
func decodes[T any](raw json.RawMessage) bool {
	var v *T
	return json.Unmarshal(raw, &v) == nil && v != nil
}

// value is a field that was checked to be a T; the zero value if it isn't there.
func value[T any](p params, name string) T {
	var v T
	_ = json.Unmarshal(orNull(p[name]), &v)
	return v
}

// pointer is a field that was checked to be a T; nil if it isn't there.
func pointer[T any](p params, name string) *T {
	if p[name] == nil {
		return nil
	}
	v := value[T](p, name)
	return &v
}

func needed(name string, kind v2Kind) v2Field { return v2Field{name: name, kind: kind, need: true} }

// optional is a field with the values that the simulator can do; all of them if none is given.
func optional(name string, kind v2Kind, only ...string) v2Field {
	return v2Field{name: name, kind: kind, only: only}
}

// foreign is a field of Kraken's that the simulator has nothing for.
func foreign(name string, kind v2Kind) v2Field { return v2Field{name: name, kind: kind, none: true} }

// check returns the [paper.Refusal] of what a method was called with; nil if that is as it should be.
func (fields v2Fields) check(method string, p params) error {
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if !slices.ContainsFunc(fields, func(f v2Field) bool { return f.name == name }) {
			return paper.Refusal(unsupportedField(name, strings.ReplaceAll(method, "_", " ")))
		}
	}
	for _, f := range fields {
		if raw := p[f.name]; raw == nil && f.need {
			return missing(f.name)
		} else if raw != nil && !f.kind.is(raw) {
			return paper.Refusal(fieldName(f.name) + " field must be " + f.kind.name)
		}
	}
	for _, f := range fields {
		raw := p[f.name]
		if raw != nil && (f.none || len(f.only) > 0 && !slices.Contains(f.only, string(raw))) {
			return invalidArgument(f.name)
		}
	}
	return nil
}

// missing is Kraken's word for a field that isn't there, and should be.
func missing(name string) error { return paper.Refusal(fieldName(name) + "(s) not found") }

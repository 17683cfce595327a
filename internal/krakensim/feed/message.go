package feed

import "encoding/json"

// object is a JSON object. Its fields come out in alphabetical order, as Kraken's do.
type object = map[string]any

// encode marshals what the simulator itself composed, which can't fail.
func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic("feed: " + err.Error())
	}
	return text
}

// params are the fields of a request that are read one by one.
type params map[string]json.RawMessage

// text is a field's string; "" if it isn't there or isn't a string.
func (p params) text(name string) string { return value[string](p, name) }

// value is a field that was checked to be a T; the zero value if it isn't there.
func value[T any](p params, name string) T {
	var v T
	_ = json.Unmarshal(p[name], &v)
	return v
}

// pointer is as value, but nil if the field isn't there.
func pointer[T any](p params, name string) *T {
	if p[name] == nil {
		return nil
	}
	v := value[T](p, name)
	return &v
}

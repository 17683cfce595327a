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

func orNull(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return json.RawMessage("null")
	}
	return raw
}

// params are the fields of a request that are read one by one.
type params map[string]json.RawMessage

// text is a field's string; "" if it isn't there or isn't a string.
func (p params) text(name string) string {
	var text string
	_ = json.Unmarshal(orNull(p[name]), &text)
	return text
}

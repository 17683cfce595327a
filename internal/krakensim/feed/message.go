package feed

import (
	"encoding/json"
	"strings"
)

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

// texts is a field's list of strings; a lone string is a list of one.
func (p params) texts(name string) []string {
	var list []string
	if json.Unmarshal(orNull(p[name]), &list) == nil {
		return list
	}
	if text := p.text(name); text != "" {
		return []string{text}
	}
	return nil
}

// fieldName writes a field's name as Kraken starts a sentence with it.
func fieldName(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

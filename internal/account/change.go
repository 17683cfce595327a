package account

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-secure-stdlib/parseutil"
)

// Change is what a write gives.
type Change struct {
	texts   map[string]string
	seconds map[string]int
	flags   map[string]bool
}

// ParseChange reads what a write gives, as it came from JSON or a command line. Names that aren't a field's are passed over. The error is a
// *FieldError, and quotes no value.
func ParseChange(raw map[string]any) (Change, error) {
	change := Change{texts: map[string]string{}, seconds: map[string]int{}, flags: map[string]bool{}}
	for _, field := range Fields {
		value, given := raw[field.Name]
		if !given || !field.Given() {
			continue
		}
		switch field.Type {
		case Text:
			text, ok := parseText(value)
			if !ok {
				return Change{}, &FieldError{field.Name, "is not text", "give one string"}
			}
			change.texts[field.Name] = text
		case Seconds:
			seconds, problem := parseSeconds(value)
			if problem != "" {
				return Change{}, &FieldError{field.Name, problem, "give whole seconds, as 30, or with a unit, as 30s or 5m"}
			}
			change.seconds[field.Name] = seconds
		case Bool:
			flag, ok := parseBool(value)
			if !ok {
				return Change{}, &FieldError{field.Name, "is neither true nor false", "give true or false"}
			}
			change.flags[field.Name] = flag
		}
	}
	return change, nil
}

func parseText(value any) (text string, ok bool) {
	switch value := value.(type) {
	case nil:
		return "", true
	case string:
		// White space around a value comes from files and copying, and means nothing in any of these fields.
		return strings.TrimSpace(value), utf8.ValidString(value)
	case json.Number:
		return value.String(), true
	}
	return "", false
}

func parseBool(value any) (flag, ok bool) {
	switch value := value.(type) {
	case bool:
		return value, true
	case string:
		flag, err := strconv.ParseBool(value)
		return flag, err == nil
	case json.Number, int, int64, float64:
		flag, err := strconv.ParseBool(fmt.Sprint(value))
		return flag, err == nil
	}
	return false, false
}

func parseSeconds(value any) (seconds int, problem string) {
	if number, ok := value.(float64); ok { // as all numbers come to an external plugin
		if number != math.Trunc(number) {
			return 0, "is not a number of whole seconds"
		}
		value = json.Number(strconv.FormatFloat(number, 'f', -1, 64))
	}
	duration, err := parseutil.ParseDurationSecond(value)
	switch {
	case err != nil || value == nil || value == "":
		return 0, "is not a duration"
	case duration < 0:
		return 0, "is negative"
	case duration%time.Second != 0:
		return 0, "is not a number of whole seconds"
	}
	return int(duration / time.Second), ""
}

// gives tells whether the write gives a text field.
func (change Change) gives(field string) bool {
	_, given := change.texts[field]
	return given
}

// carriesPair tells whether the write gives the whole pair: whoever made it knows the secret.
func (change Change) carriesPair() bool {
	return change.gives(FieldAPIKey) && change.gives(FieldAPISecret)
}

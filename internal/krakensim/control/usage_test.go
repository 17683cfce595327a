package control

import (
	"cmp"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestUsageShowsEveryCommand(t *testing.T) {
	example := regexp.MustCompile(`(?m)^  curl (?:-X (\w+) )?(-d .* )?\$\{URL\}(\S+)$`)
	shown := map[string]bool{}
	for _, found := range example.FindAllStringSubmatch(Usage, -1) {
		method := "GET"
		if found[2] != "" {
			method = "POST"
		}
		shown[cmp.Or(found[1], method)+" /"+found[3]] = true
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(commands)), slices.Collect(maps.Keys(shown)))
	assert.Equal(t, strings.Count(Usage, "curl"), len(example.FindAllString(Usage, -1)), "no example is passed over")
}

func TestUsageNamesEveryField(t *testing.T) {
	for _, request := range []any{faultRequest{}, fillRequest{}, nonceRequest{}, keyRequest{}, removeKeyRequest{}} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(request)) {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name != "" && name != "-" {
				assert.Regexp(t, `\b`+name+`\b`, Usage)
			}
		}
	}
}

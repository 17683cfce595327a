package account

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "7": true, "desk-a": true, "Desk.A_7": true, "a-_.b": true, strings.Repeat("a", 128): true,
		"": false, ".": false, "..": false, "a..b": false, "-a": false, "a-": false, "_a": false, "a.": false, "a b": false, "a/b": false, "a\n": false,
		"\u0430": false, "a\x00b": false, "é": false, strings.Repeat("a", 129): false, strings.Repeat("a", 40000): false,
	} {
		valid, rule := ValidName(name)
		assert.Equal(t, want, valid, "%.20q", name)
		assert.Contains(t, rule, "128 characters at most")
	}
}

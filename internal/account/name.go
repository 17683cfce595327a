package account

import (
	"regexp"
	"strings"
)

// maxNameLength bounds an account's name in bytes. It becomes a path in Vault's storage, whose longest key is 32 KiB in raft, and a label of metrics.
const maxNameLength = 128

var namePattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$`)

const nameRule = "letters, digits, _, - and ., with a letter or digit at both ends, no two dots in a row, and 128 characters at most"

// ValidName tells whether an account may have a name, and what is right if it may not. Vault's storage refuses two dots in a row.
func ValidName(name string) (valid bool, rule string) {
	return len(name) <= maxNameLength && namePattern.MatchString(name) && !strings.Contains(name, ".."), nameRule
}

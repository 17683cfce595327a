package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const changelog = `# Changelog

Versions are in ## [brackets].

## [Unreleased]

### Added
- What comes next.

## [1.10.0] - 2026-12-01

### Changed
- Much.

## [1.1.0] - 2026-11-28

### Added
- A thing, [linked][1.1.0].

### Fixed
- Another.

## [1.0.2] - yesterday
- No date.

## [1.0.1]
- No date either.

## [1.0.0] - 2026-11-01

[1.1.0]: https://example.com/1.1.0
[1.0.0]: https://example.com/1.0.0
`

func TestCutNotes(t *testing.T) {
	for _, test := range []struct {
		version string
		notes   string
		date    string
	}{
		{"v1.1.0", "### Added\n- A thing, [linked][1.1.0].\n\n### Fixed\n- Another.\n", "2026-11-28"},
		{"v1.10.0", "### Changed\n- Much.\n", "2026-12-01"},
		{"v2.0.0-dev", "### Added\n- What comes next.\n", "1980-01-01"},
	} {
		t.Run(test.version, func(t *testing.T) {
			notes, date, err := cutNotes(changelog, test.version)
			require.NoError(t, err)
			assert.Equal(t, test.notes, notes)
			assert.Equal(t, test.date, date.Format(time.DateOnly))
		})
	}
}

func TestCutNotesSaysWhatIsMissing(t *testing.T) {
	for _, test := range []struct {
		name, version, changelog string
		want                     string
	}{
		{"no section", "v1.1", changelog, "CHANGELOG.md has no section for v1.1; it must have a heading as: ## [1.1] - 2006-01-02"},
		{"no date", "v1.0.1", changelog, "CHANGELOG.md doesn't say when v1.0.1 was released"},
		{"a bad date", "v1.0.2", changelog, `date of v1.0.2: parsing time "yesterday"`},
		{"an empty section", "v1.0.0", changelog, "CHANGELOG.md says nothing under 1.0.0"},
		{"nothing unreleased", "v1.0.0-dev", "# Changelog\n", "CHANGELOG.md has no section: ## [Unreleased]"},
		{"no v", "1.1.0", changelog, `VERSION is "1.1.0"`},
		{"no version", "", changelog, `VERSION is ""`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := cutNotes(test.changelog, test.version)
			assert.ErrorContains(t, err, test.want)
		})
	}
}

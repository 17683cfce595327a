package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// A version's heading in CHANGELOG.md, in the form of https://keepachangelog.com: ## [1.2.3] - 2006-01-02. The links that
// the brackets stand for may follow at the end of the file.
var (
	versionHeading = regexp.MustCompile(`(?m)^## \[([^\]]+)\](?: - (\S+))?[ \t]*$`)
	linkReference  = regexp.MustCompile(`(?m)^\[[^\]]+\]: `)
)

// undated is the date of versions that have none, the earliest that every kind of archive can tell.
var undated = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)

// cutNotes returns what a changelog says of a version, and when that was released. Of a version vX.Y.Z-dev, which is what
// comes next, it is what stands under Unreleased.
func cutNotes(changelog, version string) (notes string, date time.Time, err error) {
	number, isVersion := strings.CutPrefix(version, "v")
	if !isVersion {
		return "", date, fmt.Errorf("VERSION is %q, not a version as v1.2.3", version)
	}
	wanted := number
	if strings.HasSuffix(number, "-dev") {
		wanted = "Unreleased"
	}
	changelog = strings.ReplaceAll(changelog, "\r\n", "\n")
	headings := versionHeading.FindAllStringSubmatchIndex(changelog, -1)
	for i, at := range headings {
		if changelog[at[2]:at[3]] != wanted {
			continue
		}
		switch {
		case wanted == "Unreleased":
			date = undated
		case at[4] < 0:
			return "", date, fmt.Errorf("CHANGELOG.md doesn't say when %s was released; it must have a heading as: ## [%s] - 2006-01-02", version, number)
		default:
			if date, err = time.Parse(time.DateOnly, changelog[at[4]:at[5]]); err != nil {
				return "", date, fmt.Errorf("CHANGELOG.md, date of %s: %w", version, err)
			}
		}
		end := len(changelog)
		if i+1 < len(headings) {
			end = headings[i+1][0]
		}
		notes = changelog[at[1]:end]
		if links := linkReference.FindStringIndex(notes); links != nil {
			notes = notes[:links[0]]
		}
		if notes = strings.TrimSpace(notes); notes == "" {
			return "", date, fmt.Errorf("CHANGELOG.md says nothing under %s", wanted)
		}
		return notes + "\n", date, nil
	}
	if wanted == "Unreleased" {
		return "", date, errors.New("CHANGELOG.md has no section: ## [Unreleased]")
	}
	return "", date, fmt.Errorf("CHANGELOG.md has no section for %s; it must have a heading as: ## [%s] - 2006-01-02", version, number)
}

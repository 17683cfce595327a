package main

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// What this program writes stands between these lines; the rest is written by hand.
const (
	markerBegin = "<!-- make compatibility writes from here -->"
	markerEnd   = "<!-- to here -->"
)

// result is how the tests went with one server.
type result struct {
	server
	counts
	begun  time.Time
	plugin string // its version
}

const tableHead = `| server | begun | passed | failed | skipped | plugin | machine |
|---|---|---|---|---|---|---|
`

// write puts a result into the table of a document, in the place of what stands there of the same server.
func write(file string, r result) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	changed, err := withRow(string(text), r.row(machine()))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(changed), 0o644)
}

// row is a result as a row of the table.
func (r result) row(machine string) string {
	failed := fmt.Sprint(r.failed)
	if r.failed > 0 {
		failed = fmt.Sprintf("**%d**: %s", r.failed, strings.Join(r.failures, ", "))
	}
	return fmt.Sprintf("| %s | %s | %d | %s | %d | %s | %s |\n",
		r.version, r.begun.UTC().Format("2006-01-02 15:04 UTC"), r.passed, failed, r.skipped, r.plugin, machine)
}

// withRow puts a row into the table between the markers. Rows of other servers stay: they say when they were written.
func withRow(text, row string) (string, error) {
	head, rest, found := strings.Cut(text, markerBegin+"\n")
	table, tail, foundToo := strings.Cut(rest, markerEnd)
	if !found || !foundToo {
		return "", fmt.Errorf("it lacks the lines %q and %q", markerBegin, markerEnd)
	}
	rows := []string{row}
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(tableHead, line) && serverOf(line) != serverOf(row) {
			rows = append(rows, line)
		}
	}
	slices.Sort(rows)
	return head + markerBegin + "\n" + tableHead + strings.Join(rows, "") + markerEnd + tail, nil
}

// serverOf is the first cell of a row.
func serverOf(row string) string { return strings.Split(row, "|")[1] }

var modelLine = regexp.MustCompile(`(?m)^model name\s*: (.+)$`)

// machine is what the tests ran on.
func machine() string {
	processor := "of an unknown model"
	text, _ := os.ReadFile("/proc/cpuinfo")
	if found := modelLine.FindSubmatch(text); found != nil {
		processor = string(found[1])
	}
	return fmt.Sprintf("%s/%s, %d cores (%s)", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor)
}

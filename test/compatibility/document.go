package main

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
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

// write puts the results into a document.
func write(file string, results []result) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	changed, err := between(string(text), table(results, machine()))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(changed), 0o644)
}

// table is the results in Markdown.
func table(results []result, machine string) string {
	var text strings.Builder
	text.WriteString("| server | begun | passed | failed | skipped | plugin | machine |\n|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		failed := fmt.Sprint(r.failed)
		if r.failed > 0 {
			failed = fmt.Sprintf("**%d**: %s", r.failed, strings.Join(r.failures, ", "))
		}
		fmt.Fprintf(&text, "| %s | %s | %d | %s | %d | %s | %s |\n", r.version, r.begun.UTC().Format("2006-01-02 15:04 UTC"),
			r.passed, failed, r.skipped, r.plugin, machine)
	}
	return text.String()
}

// between puts generated text in the place of what stands between the markers.
func between(text, generated string) (string, error) {
	head, rest, found := strings.Cut(text, markerBegin+"\n")
	_, tail, foundToo := strings.Cut(rest, markerEnd)
	if !found || !foundToo {
		return "", fmt.Errorf("it lacks the lines %q and %q", markerBegin, markerEnd)
	}
	return head + markerBegin + "\n" + strings.TrimSpace(generated) + "\n" + markerEnd + tail, nil
}

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

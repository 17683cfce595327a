package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// What this program writes of docs/performance.md stands between these lines; the rest is written by hand.
const (
	markerBegin = "<!-- make bench writes from here -->"
	markerEnd   = "<!-- to here -->"
)

// document writes the results into the documents in dir.
func (w *world) document(dir string, begun time.Time) error {
	about, err := w.circumstances(begun)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "performance.md")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	generated := about + "\n\n" + markdown(w.results.rows()) + "\nA read's time, medians of 1 reader's p50 in one run:\n\n" +
		markdown(w.plots.timeRows())
	changed, err := between(string(text), generated)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return errors.Join(
		os.WriteFile(file, []byte(changed), 0o644),
		w.plots.drawLatency(filepath.Join(dir, "performance.svg")),
		w.plots.drawTimes(filepath.Join(dir, "performance-time.svg")),
	)
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

// circumstances say what was measured, where and when.
func (w *world) circumstances(begun time.Time) (string, error) {
	health, err := w.vault.client.Sys().HealthWithContext(w.ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, %.0f s on %d cores (%s), %s/%s. Vault %s, vault-plugin-secrets-kv %s, %s.",
		begun.UTC().Format("2006-01-02 15:04 UTC"), time.Since(begun).Seconds(), runtime.NumCPU(), processor(),
		runtime.GOOS, runtime.GOARCH, health.Version, kvVersion(w.ctx, w.here), runtime.Version()), nil
}

var modelLine = regexp.MustCompile(`(?m)^model name\s*: (.+)$`)

// processor is what /proc calls it.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	if found := modelLine.FindSubmatch(text); found != nil {
		return string(found[1])
	}
	return "of an unknown model"
}

// kvVersion is the version of the KV engine that is built as an external plugin.
func kvVersion(ctx context.Context, here string) string {
	command := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", "github.com/hashicorp/vault-plugin-secrets-kv")
	command.Dir = here
	printed, err := command.Output()
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(printed))
}

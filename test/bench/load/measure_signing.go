package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// signing compares a signature to what it can't do without, by the benchmarks of package kraken.
func signing(w *world) error {
	root := filepath.Join(w.here, "../../..")
	binary := filepath.Join(w.dir, "kraken.test")
	compile := exec.CommandContext(w.ctx, "go", "test", "-c", "-o", binary, "./internal/kraken")
	compile.Dir = root
	if output, err := compile.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	var ours, theirs, allocations []float64
	for range w.rounds(9) {
		run := exec.CommandContext(w.ctx, binary, "-test.run=^$", "-test.bench=^Benchmark(Sign|TwoHMACs)$", "-test.benchmem",
			"-test.benchtime="+w.span(100e6).time.String())
		run.Dir = filepath.Join(root, "internal/kraken")
		printed, err := run.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w\n%s", err, printed)
		}
		sign, ok := benchmark(printed, "Sign")
		hmacs, okToo := benchmark(printed, "TwoHMACs")
		if !ok || !okToo {
			w.results.missing("no such benchmarks", "signing-time", "signing-allocations")
			return nil
		}
		ours, theirs, allocations = append(ours, sign.time), append(theirs, hmacs.time), append(allocations, sign.allocations)
	}
	w.results.set("signing-time", summarize(ratios(ours, theirs)), "%.0f and %.0f ns", median(ours), median(theirs))
	w.results.set("signing-allocations", summarize(allocations), "per signature")
	return nil
}

// benchmarked is what a Go benchmark prints of an operation.
type benchmarked struct{ time, allocations float64 } // ns

// benchmark finds a benchmark in what `go test` prints.
func benchmark(printed []byte, name string) (found benchmarked, ok bool) {
	line := regexp.MustCompile(`(?m)^Benchmark` + name + `(?:-\d+)?\s.*?([\d.]+) ns/op.*?(\d+) allocs/op`)
	numbers := line.FindSubmatch(printed)
	if numbers == nil {
		return found, false
	}
	var err, errToo error
	found.time, err = strconv.ParseFloat(string(numbers[1]), 64)
	found.allocations, errToo = strconv.ParseFloat(string(numbers[2]), 64)
	return found, errors.Join(err, errToo) == nil
}

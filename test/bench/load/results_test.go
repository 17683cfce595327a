package main

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestATargetThatIsMissedIsShownSo(t *testing.T) {
	least, most, exactly := target{atLeast: 0.95}, target{atMost: 1.2}, target{kind: count, atLeast: 1, atMost: 1}
	for _, test := range []struct {
		target target
		value  float64
		want   string
	}{
		{least, 0.95, "yes"},
		{least, 0.949, "**no**"},
		{most, 1.2, "yes"},
		{most, 1.201, "**no**"},
		{most, math.NaN(), "**no**"},
		{exactly, 1, "yes"},
		{exactly, 2, "**no**"},
		{exactly, 0, "**no**"},
		{target{}, 7, ""},
	} {
		assert.Equal(t, test.want, test.target.verdict(test.value), "%+v: %v", test.target, test.value)
	}
}

func TestBoundsInWords(t *testing.T) {
	for _, test := range []struct {
		target target
		want   string
	}{
		{target{atLeast: 0.95}, "≥ 0.95"},
		{target{atMost: 1}, "≤ 1"},
		{target{atMost: 30, kind: mebibytes}, "≤ 30 MiB"},
		{target{atMost: 3, kind: roundTrips}, "≤ 3"},
		{target{atMost: 4, kind: count}, "≤ 4"},
		{target{atLeast: 1, atMost: 1, kind: count}, "1"},
		{target{}, ""},
	} {
		assert.Equal(t, test.want, test.target.bound())
	}
}

func TestTheTableHasTheTargetsInTheirOrder(t *testing.T) {
	r := results{}
	r.set("signing-time", summary{median: 1.25, low: 1, high: 1.5, rounds: 9}, "%d and %d ns", 5, 4)
	r.missing("no curl", "seed")
	r.set("binary", summary{median: 1.5, rounds: 1}, "")
	assert.Panics(t, func() { r.set("unheard-of", summary{}, "") })

	rows := r.rows()
	require.Len(t, rows, 4)
	assert.Equal(t, "not measured: no curl", rows[1][2])
	assert.Equal(t, []string{"≤ 1.1", "1.500", "**no**", "", ""}, rows[2][1:])
	assert.Equal(t, []string{"≤ 1.5", "1.250", "yes", "1.000 – 1.500 (9)", "5 and 4 ns"}, rows[3][1:])
	assert.Equal(t, "| a | b |\n|---|---|\n| c | d |\n", markdown([][]string{{"a", "b"}, {"c", "d"}}))
	assert.NotContains(t, aligned(rows), "**")
	assert.Equal(t, 4, strings.Count(aligned(rows), "\n"))
}

func TestTargetsHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, target := range targets {
		assert.False(t, seen[target.id], target.id)
		seen[target.id] = true
	}
}

func TestWhatIsWrittenByHandStays(t *testing.T) {
	changed, err := between("before\n"+markerBegin+"\nold\n"+markerEnd+"\nafter\n", "new\n")
	require.NoError(t, err)
	assert.Equal(t, "before\n"+markerBegin+"\nnew\n"+markerEnd+"\nafter\n", changed)
	for _, bad := range []string{"", markerBegin + "\n", markerEnd + "\n" + markerBegin + "\n"} {
		_, err := between(bad, "new")
		assert.ErrorContains(t, err, "lacks", bad)
	}
}

func TestMilliseconds(t *testing.T) {
	for seconds, want := range map[float64]string{0.00012: "0.12 ms", 0.0123: "12.3 ms", 1.234: "1234 ms"} {
		assert.Equal(t, want, milliseconds(seconds))
	}
}

func TestABenchmarkIsFoundInWhatGoTestPrints(t *testing.T) {
	printed := []byte("goos: linux\nBenchmarkSign-2   \t  500000\t      2345.5 ns/op\t     176 B/op\t       3 allocs/op\n" +
		"BenchmarkTwoHMACs \t  500000\t      2000 ns/op\t 0 B/op\t       0 allocs/op\nPASS\n")
	sign, ok := benchmark(printed, "Sign")
	assert.True(t, ok)
	assert.Equal(t, benchmarked{2345.5, 3}, sign)
	hmacs, ok := benchmark(printed, "TwoHMACs")
	assert.True(t, ok)
	assert.Equal(t, benchmarked{2000, 0}, hmacs)
	_, ok = benchmark(printed, "Mint")
	assert.False(t, ok)
}

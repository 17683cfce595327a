package main

import (
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{3, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		assert.Equal(t, test.want, median(test.values), "%v", test.values)
	}
	assert.True(t, math.IsNaN(median(nil)))
}

func TestQuantilesAreLatenciesThatWereMeasured(t *testing.T) {
	s := sample{elapsed: time.Second}
	for i := range 100 {
		s.latencies = append(s.latencies, time.Duration(i+1)*time.Millisecond)
	}
	assert.Equal(t, 0.050, s.p50())
	assert.Equal(t, 0.099, s.p99())
	assert.Equal(t, 0.001, s.quantile(0))
	assert.Equal(t, 0.100, s.quantile(1))
	assert.Equal(t, 100.0, s.throughput())
	assert.True(t, math.IsNaN(sample{}.p50()))
}

func TestNoiseThatHitsAWholeRoundCancelsOut(t *testing.T) {
	ours, theirs := []float64{100, 50, 10}, []float64{200, 100, 20}
	assert.Equal(t, summary{median: 0.5, low: 0.5, high: 0.5, rounds: 3}, summarize(ratios(ours, theirs)))
}

func TestHalfOfTheRoundsAreBetween(t *testing.T) {
	for _, test := range []struct {
		values    []float64
		low, high float64
	}{
		{[]float64{5}, 5, 5},
		{[]float64{1, 2, 3}, 1, 3},
		{[]float64{100, 2, 3, 4, 0}, 2, 4},
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8}, 3, 6},
	} {
		got := summarize(test.values)
		assert.Equal(t, []float64{test.low, test.high}, []float64{got.low, got.high}, "%v", test.values)
	}
}

func TestEachContenderIsMeasuredInEachRoundAndFirstInTurn(t *testing.T) {
	var order string
	named := func(name string) contender {
		return contender{name, func() (sample, error) { order += name; return sample{elapsed: time.Second}, nil }}
	}
	samples, err := interleave(4, named("a"), named("b"), named("c"))
	require.NoError(t, err)
	assert.Equal(t, "abcbcacababc", order)
	assert.Len(t, samples["a"], 4)

	_, err = interleave(1, contender{"bad", func() (sample, error) { return sample{}, assert.AnError }})
	assert.ErrorIs(t, err, assert.AnError)
	assert.ErrorContains(t, err, "bad")
}

func TestATimesPartsAreDifferences(t *testing.T) {
	p := plots{times: map[string]float64{builtinKV: 1, floor: 3, kraken: 2.5, bareCall: 0.5, minted: 4, bareFar: 40, mintedFar: 44}}
	assert.Equal(t, []spent{
		{"cached read", [4]float64{1, 2, 0, 0}},
		{"minted read, Kraken beside it", [4]float64{1, 2, 0.5, 0.5}},
		{"minted read, Kraken 40 ms away", [4]float64{1, 2, 1, 40}},
	}, p.spent())
}

func TestThePicturesAreDrawn(t *testing.T) {
	p := plots{times: map[string]float64{builtinKV: 0.0002, floor: 0.0006, kraken: 0.0007, minted: 0.0012, mintedFar: 0.0414}}
	for i, line := range lines {
		for j, readers := range readerCounts {
			p.add(line.name, readers, []sample{{latencies: []time.Duration{time.Duration(j+1) * time.Millisecond}, elapsed: time.Duration(i+1) * time.Millisecond}})
		}
	}
	for name, draw := range map[string]func(string) error{"latency": p.drawLatency, "times": p.drawTimes} {
		file := filepath.Join(t.TempDir(), name+".svg")
		require.NoError(t, draw(file))
		assert.FileExists(t, file)
	}
}

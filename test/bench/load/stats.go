package main

import (
	"math"
	"slices"
	"time"
)

// sample is what a contender did in one round.
type sample struct {
	latencies []time.Duration // sorted
	elapsed   time.Duration
	processor time.Duration // used by Vault and the plugin; 0: not measured
}

// throughput is in requests per second.
func (s sample) throughput() float64 { return float64(len(s.latencies)) / s.elapsed.Seconds() }

// quantile is a latency in seconds, by the nearest rank; q is from 0 to 1.
func (s sample) quantile(q float64) float64 {
	if len(s.latencies) == 0 {
		return math.NaN()
	}
	rank := int(math.Ceil(q*float64(len(s.latencies)))) - 1
	return s.latencies[max(0, rank)].Seconds()
}

// cost is the processor's time for a request, in seconds.
func (s sample) cost() float64 { return s.processor.Seconds() / float64(len(s.latencies)) }

func (s sample) p50() float64 { return s.quantile(0.5) }
func (s sample) p99() float64 { return s.quantile(0.99) }

// summary is a figure over the rounds.
type summary struct {
	median    float64
	low, high float64 // half of the rounds are between
	rounds    int
}

func summarize(values []float64) summary {
	if len(values) == 0 {
		return summary{median: math.NaN(), low: math.NaN(), high: math.NaN()}
	}
	sorted := slices.Sorted(slices.Values(values))
	quarter := len(sorted) / 4
	return summary{median: median(values), low: sorted[quarter], high: sorted[len(sorted)-1-quarter], rounds: len(values)}
}

// median is NaN of nothing.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// ratios is each round's a over its b, so that noise that hits a whole round cancels out.
func ratios(a, b []float64) []float64 {
	quotients := make([]float64, len(a))
	for i := range a {
		quotients[i] = a[i] / b[i]
	}
	return quotients
}

// each takes one figure of each sample.
func each(samples []sample, figure func(sample) float64) []float64 {
	figures := make([]float64, len(samples))
	for i, s := range samples {
		figures[i] = figure(s)
	}
	return figures
}

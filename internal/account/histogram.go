package account

import (
	"slices"
	"sync/atomic"
	"time"
)

// histogramBounds are the times by which a histogram sorts: from what a connection that is there takes, to half of what Vault's clients wait.
var histogramBounds = [...]time.Duration{
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// histogram counts times by their length. Its zero value is empty. Its methods may be called by any number of goroutines at once.
type histogram struct {
	counts [len(histogramBounds) + 1]atomic.Uint64 // up to each bound, and above the last
	sum    atomic.Int64                            // nanoseconds
}

func (h *histogram) observe(took time.Duration) {
	i, _ := slices.BinarySearch(histogramBounds[:], took)
	h.counts[i].Add(1)
	h.sum.Add(int64(took))
}

// Histogram is how many times were how long.
type Histogram struct {
	Buckets []Bucket
	Count   uint64        // of all
	Sum     time.Duration // of all
}

// Bucket is how many times were no longer than a bound.
type Bucket struct {
	Bound time.Duration
	Count uint64
}

func (h *histogram) snapshot() Histogram {
	s := Histogram{Sum: time.Duration(h.sum.Load())}
	for i := range h.counts {
		s.Count += h.counts[i].Load()
		if i < len(histogramBounds) {
			s.Buckets = append(s.Buckets, Bucket{histogramBounds[i], s.Count})
		}
	}
	return s
}

package process

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// looks is a channel for so many looks.
func looks(count int) <-chan time.Time {
	looks := make(chan time.Time, count)
	for range count {
		looks <- time.Now()
	}
	close(looks)
	return looks
}

func TestMemoryIsFreedOnceItIsQuiet(t *testing.T) {
	const start, busy, little = 6 << 20, 100 << 20, 100 << 10
	for name, test := range map[string]struct {
		allocated []uint64 // a second
		freed     []int    // in which seconds
	}{
		"after the start":           {[]uint64{start, little, 0, 0}, []int{1}},
		"never while busy":          {[]uint64{busy, busy, busy}, nil},
		"after each busy time":      {[]uint64{start, 0, busy, busy, 0, 0, busy, little, 0}, []int{1, 4, 7}},
		"not again for a little":    {[]uint64{start, 0, 1 << 20, 0, little, 1 << 20, 0}, []int{1}},
		"but for a little for long": {[]uint64{start, 0, 2 << 20, 0, 2 << 20, 0, 0}, []int{1, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			var sum uint64
			var freed []int
			second := -1
			spareMemory(looks(len(test.allocated)), func() (allocated, live uint64) {
				second++
				sum += test.allocated[second]
				return sum, 0
			}, func() { freed = append(freed, second) }, nil)
			assert.Equal(t, test.freed, freed)
		})
	}
}

func TestALargeHeapIsCollectedSooner(t *testing.T) {
	const small, large = 3 << 20, 20 << 20
	for name, test := range map[string]struct {
		live []uint64 // in each second
		set  []int
	}{
		"a small heap":    {[]uint64{small, small}, nil},
		"a large heap":    {[]uint64{small, large, large}, []int{50}},
		"it becomes less": {[]uint64{large, small, small, large}, []int{50, 100, 50}},
	} {
		t.Run(name, func(t *testing.T) {
			var set []int
			second := -1
			spareMemory(looks(len(test.live)), func() (allocated, live uint64) {
				second++
				return 0, test.live[second]
			}, nil, func(percent int) { set = append(set, percent) })
			assert.Equal(t, test.set, set)
		})
	}
}

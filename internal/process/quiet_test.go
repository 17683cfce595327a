package process

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

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
			looks := make(chan time.Time, len(test.allocated))
			for range test.allocated {
				looks <- time.Now()
			}
			close(looks)
			var sum uint64
			var freed []int
			second := -1
			freeWhenQuiet(looks, func() uint64 {
				second++
				sum += test.allocated[second]
				return sum
			}, func() { freed = append(freed, second) })
			assert.Equal(t, test.freed, freed)
		})
	}
}

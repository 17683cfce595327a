package process

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestALargeHeapIsCollectedSooner(t *testing.T) {
	const small, large = 3 << 20, 20 << 20
	for name, test := range map[string]struct {
		live []uint64 // at each look
		set  []int
	}{
		"a small heap":    {[]uint64{small, small}, nil},
		"a large heap":    {[]uint64{small, large, large}, []int{largePercent}},
		"it becomes less": {[]uint64{large, small, small, large}, []int{largePercent, goPercent, largePercent}},
	} {
		t.Run(name, func(t *testing.T) {
			looks := make(chan time.Time, len(test.live))
			for range test.live {
				looks <- time.Now()
			}
			close(looks)
			var set []int
			look := -1
			collect(looks, func() uint64 { look++; return test.live[look] }, func(percent int) { set = append(set, percent) })
			assert.Equal(t, test.set, set)
		})
	}
}

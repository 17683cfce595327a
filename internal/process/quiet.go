package process

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// quietBytes is the most that is allocated from one look to the next while next to nothing is asked: a read allocates some 20 KB.
	quietBytes = 256 << 10
	// worthBytes is how much must have been allocated for it to be worth collecting: as much as Go lets even the smallest heap grow by.
	worthBytes = 4 << 20
)

// FreeWhenQuiet gives memory that isn't needed any more back to the system, once nothing much is asked any more. Go itself keeps twice of what is in use,
// and collects the garbage of the last requests only when others come. It costs one collection, and nothing while the plugin is busy.
func FreeWhenQuiet() {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	go freeWhenQuiet(time.Tick(lookEvery), func() uint64 { metrics.Read(sample); return sample[0].Value.Uint64() }, debug.FreeOSMemory)
}

// freeWhenQuiet calls free when next to nothing was allocated between two looks, but much since the last time. allocated is how many bytes ever were.
func freeWhenQuiet(looks <-chan time.Time, allocated func() uint64, free func()) {
	var before, freed uint64
	for range looks {
		now := allocated()
		if now-before < quietBytes && now-freed >= worthBytes {
			free()
			freed = now
		}
		before = now
	}
}

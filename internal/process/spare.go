package process

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// quietBytes is the most that is allocated from one look to the next while next to nothing is asked: a read allocates some 20 KB.
	quietBytes = 256 << 10
	// worthBytes is how much must have been allocated for it to be worth collecting: as much as Go lets even the smallest heap grow by.
	worthBytes = 4 << 20

	// largeBytes is what is in use with more than some 2,000 accounts. From there on the garbage may be half as large as that, else, as Go has it, as large:
	// collecting a small heap more often would cost each read a twentieth more time of the processor.
	largeBytes              = 8 << 20
	largePercent, goPercent = 50, 100
)

// SpareMemory keeps less memory than Go does by itself. What isn't needed any more is given back to the system once nothing much is asked any more: Go would
// keep the garbage of the last requests until others come. That costs one collection, and nothing while the plugin is busy. And a large heap
// grows by half before it is collected, unless the operator has set GOGC.
func SpareMemory() {
	setPercent := func(percent int) { debug.SetGCPercent(percent) }
	if os.Getenv("GOGC") != "" {
		setPercent = func(int) {}
	}
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	go spareMemory(time.Tick(lookEvery), func() (allocated, live uint64) {
		metrics.Read(samples)
		return samples[0].Value.Uint64(), samples[1].Value.Uint64()
	}, debug.FreeOSMemory, setPercent)
}

// spareMemory calls free when next to nothing was allocated between two looks, but much since the last time, and setPercent when the heap has become large, or
// small again. look is how many bytes were allocated ever, and how many were in use at the last collection.
func spareMemory(looks <-chan time.Time, look func() (allocated, live uint64), free func(), setPercent func(int)) {
	var before, freed uint64
	percent := goPercent
	for range looks {
		allocated, live := look()
		if allocated-before < quietBytes && allocated-freed >= worthBytes {
			free()
			freed = allocated
		}
		before = allocated
		wanted := goPercent
		if live >= largeBytes {
			wanted = largePercent
		}
		if wanted != percent {
			setPercent(wanted)
			percent = wanted
		}
	}
}

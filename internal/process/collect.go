package process

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// largeBytes is what is in use with more than some 3,000 accounts. From there on the garbage may be half as large as that, else, as Go has it, as large:
	// collecting a small heap more often would cost each read a twentieth more time of the processor.
	largeBytes              = 8 << 20
	largePercent, goPercent = 50, 100
)

// CollectLargeHeapSooner lets a large heap grow by half before it is collected, where Go would let it double, unless the operator has set GOGC.
func CollectLargeHeapSooner() {
	if os.Getenv("GOGC") != "" {
		return
	}
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	live := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	go collect(time.Tick(lookEvery), live, func(percent int) { debug.SetGCPercent(percent) })
}

// collect calls setPercent when the heap has become large, or small again. live is how many bytes were in use at the last collection.
func collect(looks <-chan time.Time, live func() uint64, setPercent func(int)) {
	percent := goPercent
	for range looks {
		wanted := goPercent
		if live() >= largeBytes {
			wanted = largePercent
		}
		if wanted != percent {
			setPercent(wanted)
			percent = wanted
		}
	}
}

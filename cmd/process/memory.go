package process

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// quietOctets is how little a second may allocate to be a quiet one.
	quietOctets = 256 << 10
	// quietSeconds is how many of them follow each other before memory is
	// given back: connections free their buffers by then.
	quietSeconds = 3
	// releaseOctets is how much must have been allocated since the last time.
	releaseOctets = 8 << 20
)

// releaseMemory gives memory back to the system when a burst is over, until
// ctx ends. Go itself would keep it for minutes: without requests nothing
// makes it collect, and ten thousand idle connections would go on holding what
// their handshakes left behind.
func releaseMemory(ctx context.Context) {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	allocated := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := allocated()
	released, quiet := last, 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := allocated()
		if now-last > quietOctets {
			quiet = 0
		} else {
			quiet++
		}
		last = now
		if quiet == quietSeconds && now-released > releaseOctets {
			debug.FreeOSMemory()
			released = allocated()
		}
	}
}

package proxy

import (
	"context"
	"log/slog"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

const (
	// Shares of the memory limit, in per cent. What is still to be collected
	// needs the rest: the collector takes more and more of the processor the
	// less of it there is.
	scarceFrom, scarceUntil = 75, 65 // new requests are refused
	fullFrom, fullUntil     = 85, 75 // new connections too

	memoryLook  = 20 * time.Millisecond
	memoryQuiet = 10 * time.Second // between two lines of the log
)

// memory compares what the process holds with its memory limit (GOMEMLIMIT; see
// package runtime). Where there is a limit, a process that goes beyond it is
// about to be killed, with everything that it serves; one that refuses what it
// has no room for is not.
type memory struct {
	limit uint64 // in octets; 0: none
	log   *slog.Logger

	scarce, full atomic.Bool
	told         time.Time // when it was last logged; owned by watch
}

func newMemory(log *slog.Logger) *memory {
	m := &memory{log: log}
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		m.limit = uint64(limit)
	}
	return m
}

// Scarce tells whether new requests are to be refused.
func (m *memory) Scarce() bool { return m.scarce.Load() }

// Full tells whether new connections are to be refused.
func (m *memory) Full() bool { return m.full.Load() }

// watch looks at the memory until ctx ends.
func (m *memory) watch(ctx context.Context) {
	if m.limit == 0 {
		return
	}
	tick := time.NewTicker(memoryLook)
	defer tick.Stop()
	held := newHeld()
	for {
		m.look(held.octets())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look compares what is held with the limit. Between two thresholds what was
// decided stays.
func (m *memory) look(held uint64) {
	share := held * 100 / m.limit
	m.full.Store(share >= fullFrom || m.full.Load() && share >= fullUntil)
	was, is := m.scarce.Load(), share >= scarceFrom || m.scarce.Load() && share >= scarceUntil
	m.scarce.Store(is)
	if was == is || is && time.Since(m.told) < memoryQuiet {
		return
	}
	if is {
		m.told = time.Now()
		m.log.Warn("memory is short", "held", held, "limit", m.limit, "effect", "new requests are answered with 503")
	}
}

// held reads what is held from the runtime.
type held struct{ samples []metrics.Sample }

func newHeld() *held {
	return &held{[]metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/live:bytes"},
	}}
}

// octets are what cannot be freed: objects that the last collection has left
// alive, stacks, and what the runtime keeps for itself.
func (h *held) octets() uint64 {
	metrics.Read(h.samples)
	v := func(i int) uint64 { return h.samples[i].Value.Uint64() }
	return v(0) - v(1) - v(2) - v(3) - v(4) + v(5)
}

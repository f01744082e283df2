package observe

import (
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// recoveries remembers who was answered 421 for which host, for as long as a
// client may take to come back, and so counts the clients that do. Its memory
// is bounded: a table of fixed size in which the new takes the place of the
// old. A client that is pushed out is one fewer counted, nothing worse.
type recoveries struct {
	// pending is how many entries may still recover: while it is 0, which is
	// nearly always, a request asks no more than this. Written under mu.
	pending atomic.Int32
	mu      sync.Mutex
	entries []recovery // guarded by mu, by hash
	until   time.Time  // when the last of them ends; guarded by mu
}

type recovery struct {
	source netip.Addr
	host   string
	until  time.Time
}

const (
	// recoveryWindow is how long a client may take to come back.
	recoveryWindow = 10 * time.Second
	// recoveryTable is how many clients are remembered at most.
	recoveryTable = 4096
)

func hashRecovery(source netip.Addr, host string) uint32 {
	// FNV-1a.
	h := uint32(2166136261)
	for _, b := range source.As16() {
		h = (h ^ uint32(b)) * 16777619
	}
	for i := 0; i < len(host); i++ {
		h = (h ^ uint32(host[i])) * 16777619
	}
	return h
}

// refused notes a 421 for a host that is served here.
func (t *recoveries) refused(x *Exchange) {
	if x.Verdict.Site == nil {
		return
	}
	source := x.Source.Addr()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.entries == nil {
		t.entries = make([]recovery, recoveryTable)
	}
	until := x.Start.Add(recoveryWindow)
	e := &t.entries[hashRecovery(source, x.Host)%recoveryTable]
	if e.host == "" {
		t.pending.Add(1)
	}
	*e = recovery{source: source, host: lastingHost(x), until: until}
	t.until = until
}

// served notes a request that is served on a connection for its host, and tells
// whether its client was refused for that host a moment ago.
func (t *recoveries) served(start time.Time, source netip.Addr, host string) (recovered bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if start.After(t.until) {
		clear(t.entries)
		t.pending.Store(0)
		return false
	}
	e := &t.entries[hashRecovery(source, host)%recoveryTable]
	if e.host != host || e.source != source {
		return false
	}
	recovered = start.Before(e.until)
	*e = recovery{}
	t.pending.Add(-1)
	return recovered
}

// lastingHost is the host of a request as the site's own text, which outlives the
// request, or as a copy: the client's would keep its whole head in memory.
func lastingHost(x *Exchange) string {
	if s := x.Verdict.Site; s.Host == x.Host {
		return s.Host
	}
	return strings.Clone(x.Host)
}

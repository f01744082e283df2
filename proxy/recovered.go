package proxy

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
func (t *recoveries) refused(r *request) {
	if r.verdict.Site == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.entries == nil {
		t.entries = make([]recovery, recoveryTable)
	}
	until := r.start.Add(recoveryWindow)
	e := &t.entries[hashRecovery(r.conn.source, r.host)%recoveryTable]
	if e.host == "" {
		t.pending.Add(1)
	}
	// The site's own text outlives the request; a client's would keep its
	// whole head in memory.
	*e = recovery{source: r.conn.source, host: hostOf(r), until: until}
	t.until = until
}

// served notes a request that is served, and counts it as a recovery if its
// client was refused for the same host a moment ago and now asked for it in
// its handshake.
func (t *recoveries) served(r *request) {
	if t.pending.Load() == 0 || !r.conn.facts.TLS || r.conn.facts.ServerName != r.host {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.start.After(t.until) {
		clear(t.entries)
		t.pending.Store(0)
		return
	}
	e := &t.entries[hashRecovery(r.conn.source, r.host)%recoveryTable]
	if e.host != r.host || e.source != r.conn.source {
		return
	}
	if r.start.Before(e.until) {
		r.stats.recovered.Add(1)
	}
	*e = recovery{}
	t.pending.Add(-1)
}

func hostOf(r *request) string {
	if s := r.verdict.Site; s != nil && s.Host == r.host {
		return s.Host
	}
	return strings.Clone(r.host)
}

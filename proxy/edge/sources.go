package edge

import (
	"net/netip"
	"sync"
)

// sources counts connections by source address, where they are limited.
type sources struct {
	mu sync.Mutex
	n  map[netip.Addr]int // guarded by mu
}

// enter counts a connection in; false: its source has as many as it may.
func (s *sources) enter(a netip.Addr, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit > 0 && s.n[a] >= limit {
		return false
	}
	if s.n == nil {
		s.n = make(map[netip.Addr]int)
	}
	s.n[a]++
	return true
}

func (s *sources) leave(a netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n[a]--; s.n[a] <= 0 {
		delete(s.n, a)
	}
}

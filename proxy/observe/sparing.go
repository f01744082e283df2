package observe

import (
	"sync"
	"time"
)

// sparing lets few lines of each kind into the log, and counts the others: a
// flood of what they tell must not become one of lines.
type sparing[K comparable] struct {
	lines int           // of a kind, in
	every time.Duration // from the first of them
	mu    sync.Mutex
	kinds map[K]*spared // guarded by mu
}

// spared is what became of the lines of one kind.
type spared struct {
	since            time.Time
	used, suppressed int
}

// maxKinds bounds the kinds that are remembered. Those whose time is over are
// forgotten first, with what was suppressed of them.
const maxKinds = 4096

// take tells whether a line may be written, and how many were not since the one
// before it.
func (s *sparing[K]) take(kind K, now time.Time) (ok bool, suppressed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kinds[kind]
	if k == nil {
		if len(s.kinds) >= maxKinds {
			s.forget(now)
		}
		if s.kinds == nil {
			s.kinds = make(map[K]*spared)
		}
		k = &spared{since: now}
		s.kinds[kind] = k
	}
	if now.Sub(k.since) >= s.every {
		k.since, k.used = now, 0
	}
	if k.used >= s.lines {
		k.suppressed++
		return false, 0
	}
	k.used++
	suppressed, k.suppressed = k.suppressed, 0
	return true, suppressed
}

// forget makes room. s.mu is held.
func (s *sparing[K]) forget(now time.Time) {
	for kind, k := range s.kinds {
		if now.Sub(k.since) >= s.every {
			delete(s.kinds, kind)
		}
	}
	if len(s.kinds) >= maxKinds {
		clear(s.kinds) // at worst a line more than there should be
	}
}

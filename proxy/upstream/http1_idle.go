package upstream

import (
	"math"
	"sync"
	"time"
)

// forgetAfter is how long a backend's closing of idle connections is held
// against it: it may have been restarted.
const forgetAfter = time.Minute

// http1Idle is the connections of HTTP/1.1 that carry no request, and what is
// known of how long their backend keeps such. Its methods may be called from any
// goroutine.
type http1Idle struct {
	limit time.Duration // immutable; how long one is kept
	most  int           // immutable

	mu      sync.Mutex
	conns   []*http1Conn  // guarded by mu; the last is the newest
	reaper  *time.Timer   // guarded by mu; nil until first needed
	armed   bool          // guarded by mu; the reaper will run
	endured time.Duration // guarded by mu; idle for so long, a connection was found closed; 0: none was
	learned time.Time     // guarded by mu; when that was
	retired bool          // guarded by mu; nothing is kept any more
}

// take returns the connection that was used last, or nil. Each is looked at
// before: whatever it says would be taken for the answer to the next request.
// With strict, for a request that cannot be repeated, those are left alone that
// the backend may be about to close.
func (p *http1Idle) take(now time.Time, strict bool) *http1Conn {
	for {
		p.mu.Lock()
		n := len(p.conns)
		if n == 0 || strict && now.Sub(p.conns[n-1].idleSince) >= p.patience(now) {
			p.mu.Unlock()
			return nil
		}
		c := p.conns[n-1]
		p.conns[n-1] = nil
		p.conns = p.conns[:n-1]
		p.mu.Unlock()

		if p.fit(c, now) {
			return c
		}
		_ = c.nc.Close()
	}
}

// fit reports that c, which was idle, can carry a request.
func (p *http1Idle) fit(c *http1Conn, now time.Time) bool {
	idle := now.Sub(c.idleSince)
	if idle >= c.idleLimit {
		return false
	}
	switch c.look() {
	case quiet:
		return true
	case ended:
		p.learn(now, idle)
	}
	return false
}

// learn notes that the backend has closed a connection idle for so long.
func (p *http1Idle) learn(now time.Time, idle time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.endured == 0 || idle < p.endured || now.Sub(p.learned) > forgetAfter {
		p.endured, p.learned = idle, now
	}
}

// patience is how long the backend is known to keep an idle connection: half of
// the shortest time that it did not, lately. p.mu is held.
func (p *http1Idle) patience(now time.Time) time.Duration {
	if p.endured == 0 || now.Sub(p.learned) > forgetAfter {
		return math.MaxInt64
	}
	return p.endured / 2
}

// mayClose reports that the backend may be about to close c.
func (p *http1Idle) mayClose(c *http1Conn, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return now.Sub(c.idleSince) >= p.patience(now)
}

func (p *http1Idle) isRetired() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.retired
}

// empty says that there is none.
func (p *http1Idle) empty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) == 0
}

// put keeps c for another request. keepFor is the backend's own idle limit, 0
// if it is not known.
func (p *http1Idle) put(c *http1Conn, now time.Time, keepFor time.Duration) {
	c.park(now, p.limit, keepFor)
	p.mu.Lock()
	if p.retired || len(p.conns) >= p.most {
		p.mu.Unlock()
		_ = c.nc.Close()
		return
	}
	p.conns = append(p.conns, c)
	if !p.armed {
		p.arm()
	}
	p.mu.Unlock()
}

// arm has the connections looked through in a while: one is open for at most
// five quarters of its limit. p.mu is held.
func (p *http1Idle) arm() {
	p.armed = true
	after := p.limit / 4
	if p.reaper == nil {
		p.reaper = time.AfterFunc(after, p.reap)
	} else {
		p.reaper.Reset(after)
	}
}

// reap closes what has been idle for too long.
func (p *http1Idle) reap() {
	now := time.Now()
	var gone []*http1Conn
	p.mu.Lock()
	kept := p.conns[:0]
	for _, c := range p.conns {
		if now.Sub(c.idleSince) < c.idleLimit {
			kept = append(kept, c)
		} else {
			gone = append(gone, c)
		}
	}
	clear(p.conns[len(kept):])
	p.conns = kept
	p.armed = false
	if len(kept) > 0 && !p.retired {
		p.arm()
	}
	p.mu.Unlock()
	for _, c := range gone {
		_ = c.nc.Close()
	}
}

// retire closes them all, and keeps no more.
func (p *http1Idle) retire() {
	p.mu.Lock()
	gone := p.conns
	p.conns, p.retired = nil, true
	if p.reaper != nil {
		p.reaper.Stop()
	}
	p.mu.Unlock()
	for _, c := range gone {
		_ = c.nc.Close()
	}
}

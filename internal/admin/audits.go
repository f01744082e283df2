package admin

import (
	"sync"
	"time"

	"github.com/ingress421/ingress421/internal/audit"
	"github.com/ingress421/ingress421/internal/hostmap"
)

const (
	// auditAge is how old an audit may get: certificates end by time alone.
	auditAge = 10 * time.Minute
	// auditRest is how long one waits after another, in times of what that took:
	// audits cost a twentieth of a processor at most, however often maps change.
	auditRest = 20
	// auditPatience is how long somebody who asks waits for a new one. Small
	// maps take less.
	auditPatience = 20 * time.Millisecond
)

// audits keeps the last audit of the map that serves. Audits are made when
// somebody asks, one at a time.
type audits struct {
	mu      sync.Mutex
	last    *audit.Report // guarded by mu, and so is the rest
	of      *hostmap.Map  // what last is about
	made    time.Time     // when it was
	took    time.Duration
	running chan struct{} // closed when one that is being made is there; nil for none
}

// report returns the latest audit, and whether it is about m. It is nil while
// the first one is being made.
func (a *audits) report(m *hostmap.Map) (r *audit.Report, present bool) {
	a.mu.Lock()
	now := time.Now()
	stale := a.of != m || now.Sub(a.made) > auditAge
	if stale && a.running == nil && now.Sub(a.made) >= auditRest*a.took {
		a.running = make(chan struct{})
		go a.make(m)
	}
	running := a.running
	a.mu.Unlock()
	if stale && running != nil {
		select {
		case <-running:
		case <-time.After(auditPatience):
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last, a.of == m
}

// wait returns an audit of m, which it has made where the last one is of
// another map.
func (a *audits) wait(m *hostmap.Map) *audit.Report {
	a.mu.Lock()
	for a.of != m {
		if running := a.running; running != nil { // of whatever map: one at a time
			a.mu.Unlock()
			<-running
			a.mu.Lock()
			continue
		}
		a.running = make(chan struct{})
		a.mu.Unlock()
		a.make(m)
		a.mu.Lock()
	}
	defer a.mu.Unlock()
	return a.last
}

func (a *audits) make(m *hostmap.Map) {
	began := time.Now()
	r := audit.Examine(m, audit.Options{Now: began, OneAddress: true})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last, a.of, a.made, a.took = r, m, time.Now(), time.Since(began)
	close(a.running)
	a.running = nil
}

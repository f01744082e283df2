package balance

import (
	"net/netip"
	"time"
)

// Failing is an endpoint that has failed since it answered last.
type Failing struct {
	// Namespace is that of the Services that name it.
	Namespace string
	Addr      netip.AddrPort
	// Failures is how often in a row.
	Failures int
	// Resting tells that it takes no turn, and Probe how long until it is tried
	// again; below 0 where that is due.
	Resting bool
	Probe   time.Duration
}

// Failing returns the endpoints that have failed since they answered last, in
// any order.
func (r *Registry) Failing() []Failing {
	now := r.clock(time.Now())
	var failing []Failing
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, e := range r.endpoints {
		f := Failing{Namespace: k.namespace, Addr: e.addr, Failures: int(e.fails.Load())}
		if rest := e.rest.Load(); rest != 0 {
			f.Resting, f.Probe = true, time.Duration(rest-now)
		}
		if f.Failures != 0 || f.Resting {
			failing = append(failing, f)
		}
	}
	return failing
}

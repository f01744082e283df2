package proxy

import (
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/balance"
	"github.com/ingress421/ingress421/proxy/forward"
	"github.com/ingress421/ingress421/proxy/gate"
	"github.com/ingress421/ingress421/proxy/observe"
)

// live is a published host map with what serving by it needs beside it. It is
// immutable.
type live struct {
	*gate.View
	backends *forward.View
}

// newLive resolves the backends of a map, and its sites to their counters. What is
// in previous, which may be nil, is taken over; gone are the backends that are not.
func newLive(m *hostmap.Map, previous *live, endpoints *balance.Registry, o *observe.Observer) (next *live, gone []*balance.Backend) {
	if previous == nil {
		previous = &live{}
	}
	next = &live{View: gate.NewView(m, previous.View, o)}
	next.backends, gone = forward.NewView(m, previous.backends, endpoints, o)
	return next, gone
}

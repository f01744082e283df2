package proxy

import (
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/forward"
	"github.com/ingress421/ingress421/proxy/gate"
)

// live is a published host map with what serving by it needs beside it. It is
// immutable.
type live struct {
	*gate.View
	backends *forward.View
}

// newLive resolves the backends of a map, and its sites to their counters. What is
// in previous, which may be nil, is taken over.
func (s *Server) newLive(m *hostmap.Map, previous *live) *live {
	if previous == nil {
		previous = &live{}
	}
	return &live{
		View:     gate.NewView(m, previous.View, s.observer),
		backends: forward.NewView(m, previous.backends, s.endpoints, s.observer),
	}
}

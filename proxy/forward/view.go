package forward

import (
	"sync/atomic"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/balance"
	"github.com/ingress421/ingress421/proxy/observe"
)

// View is the backends of one host map. It is immutable.
type View struct {
	backends map[*hostmap.Backend]*backend
}

// backend is a backend with the counters of the tries of its requests.
type backend struct {
	*balance.Backend
	ok     *atomic.Uint64 // those that brought a response
	others func(result string) *atomic.Uint64
}

// NewView resolves the backends of a map. Those of previous, which may be nil, are
// taken over.
func NewView(m *hostmap.Map, previous *View, r *balance.Registry, o *observe.Observer) *View {
	v := &View{backends: make(map[*hostmap.Backend]*backend, len(m.Backends()))}
	for _, b := range m.Backends() {
		if previous != nil {
			if old := previous.backends[b]; old != nil {
				v.backends[b] = old
				continue
			}
		}
		tries := func(result string) *atomic.Uint64 { return o.Tries(b.Namespace, b.Service, result) }
		v.backends[b] = &backend{r.Backend(b), tries("ok"), tries}
	}
	return v
}

// Backends yields the backends.
func (v *View) Backends(yield func(*balance.Backend) bool) {
	for _, b := range v.backends {
		if !yield(b.Backend) {
			return
		}
	}
}

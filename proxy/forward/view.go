package forward

import (
	"hash/maphash"
	"maps"
	"sync/atomic"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/balance"
	"github.com/ingress421/ingress421/proxy/observe"
)

// View is the backends of one host map. It is immutable.
type View struct {
	hosts *hostmap.Map
	seed  maphash.Seed
	// shards are by a backend's hash. Those of which no backend has come or gone
	// are shared with the View before.
	shards [256]map[*hostmap.Backend]*backend
}

// backend is a backend with the counters of the tries of its requests.
type backend struct {
	*balance.Backend
	ok     *atomic.Uint64 // those that brought a response
	others func(result string) *atomic.Uint64
}

// NewView resolves the backends of a map. Those of previous, which may be nil, are
// taken over; gone are those that are not.
func NewView(m *hostmap.Map, previous *View, r *balance.Registry, o *observe.Observer) (v *View, gone []*balance.Backend) {
	if previous == nil {
		previous = &View{seed: maphash.MakeSeed()}
	}
	v = &View{hosts: m, seed: previous.seed, shards: previous.shards}
	var own [len(v.shards)]bool
	shard := func(b *hostmap.Backend) map[*hostmap.Backend]*backend {
		at := v.shard(b)
		if !own[at] {
			own[at] = true
			if v.shards[at] = maps.Clone(v.shards[at]); v.shards[at] == nil {
				v.shards[at] = make(map[*hostmap.Backend]*backend)
			}
		}
		return v.shards[at]
	}
	for was, is := range m.BackendsSince(previous.hosts) {
		if was != nil {
			of := shard(was)
			gone = append(gone, of[was].Backend)
			delete(of, was)
		}
		if is != nil {
			tries := func(result string) *atomic.Uint64 { return o.Tries(is.Namespace, is.Service, result) }
			shard(is)[is] = &backend{r.Backend(is), tries("ok"), tries}
		}
	}
	return v, gone
}

func (v *View) shard(b *hostmap.Backend) int {
	return int(maphash.Comparable(v.seed, b) % uint64(len(v.shards)))
}

// backend returns what a backend of the map is resolved to.
func (v *View) backend(b *hostmap.Backend) *backend { return v.shards[v.shard(b)][b] }

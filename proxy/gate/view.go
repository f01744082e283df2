package gate

import (
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/observe"
)

// View is a host map with the counters of its sites. It is immutable.
type View struct {
	Hosts    *hostmap.Map
	counters map[*hostmap.Site]*observe.Site
	unserved *observe.Site
}

// NewView finds the counters of a map's sites. Those of previous, which may be
// nil, are taken over.
func NewView(m *hostmap.Map, previous *View, o *observe.Observer) *View {
	v := &View{
		Hosts:    m,
		counters: make(map[*hostmap.Site]*observe.Site, len(m.Sites())),
		unserved: o.Site(nil),
	}
	for _, site := range m.Sites() {
		if previous != nil {
			if c := previous.counters[site]; c != nil {
				v.counters[site] = c
				continue
			}
		}
		v.counters[site] = o.Site(site)
	}
	return v
}

// of returns the counters of a site, those of the unserved for nil.
func (v *View) of(site *hostmap.Site) *observe.Site {
	if site == nil {
		return v.unserved
	}
	return v.counters[site]
}

package gate

import (
	"sync/atomic"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/observe"
)

// View is a host map with the counters of its sites. It is immutable, but for
// counters that are found when a site is first asked for.
type View struct {
	Hosts    *hostmap.Map
	observer *observe.Observer
	unserved *observe.Site
	// shelves have the counters of sites by slot, nil for those not asked for yet.
	shelves []*shelf
}

// shelf is a part of a View that the next one shares where no host of it has come
// or gone.
type shelf [256]atomic.Pointer[observe.Site]

// NewView makes the View of a map. What is found in previous, which may be nil, is
// taken over.
func NewView(m *hostmap.Map, previous *View, o *observe.Observer) *View {
	v := &View{Hosts: m, observer: o, unserved: o.Site(nil), shelves: make([]*shelf, (m.Slots()+len(shelf{})-1)/len(shelf{}))}
	if previous == nil || !m.MadeOf(previous.Hosts) {
		for i := range v.shelves {
			v.shelves[i] = new(shelf)
		}
		return v
	}
	for i := copy(v.shelves, previous.shelves); i < len(v.shelves); i++ {
		v.shelves[i] = new(shelf)
	}
	for was, is := range m.SitesSince(previous.Hosts) {
		switch {
		case was == nil:
			v.forget(m.Slot(is.Host), previous)
		case is == nil:
			v.forget(previous.Hosts.Slot(was.Host), previous)
		}
	}
	return v
}

// forget empties a place in a View under construction: another host may have it,
// and requests by the previous one go on with its own shelf.
func (v *View) forget(slot hostmap.Slot, previous *View) {
	at := int(slot) / len(shelf{})
	if at < len(previous.shelves) && v.shelves[at] == previous.shelves[at] {
		v.shelves[at] = new(shelf)
		for i := range previous.shelves[at] {
			v.shelves[at][i].Store(previous.shelves[at][i].Load())
		}
	}
	v.shelves[at][int(slot)%len(shelf{})].Store(nil)
}

// of returns the counters of a verdict's site, those of the unserved where it has
// none.
func (v *View) of(verdict *hostmap.Verdict) *observe.Site {
	if verdict.Site == nil {
		return v.unserved
	}
	place := &v.shelves[int(verdict.Slot)/len(shelf{})][int(verdict.Slot)%len(shelf{})]
	counters := place.Load()
	if counters == nil {
		counters = v.observer.Site(verdict.Site)
		place.Store(counters)
	}
	return counters
}

package claim

import (
	"strings"

	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// routeKey tells the routes of a site apart.
type routeKey struct {
	rest bool
	kind hostmap.PathType
	path string
}

func keyOfRoute(r *hostmap.Route) routeKey { return routeKey{r.Default, r.Type, r.Path} }

// bare is the key that all routes have in common which take the same requests:
// a trailing slash of a prefix does not count.
func (k routeKey) bare() routeKey {
	if k.kind == hostmap.Prefix {
		k.path = strings.TrimRight(k.path, "/")
	}
	return k
}

// routeIndex finds routes by key. Most sites have a few routes, which are
// looked through; many are indexed.
type routeIndex struct {
	list []*hostmap.Route
	bare bool // the keys are bare
	many map[routeKey]*hostmap.Route
}

const fewRoutes = 8

func (x *routeIndex) key(r *hostmap.Route) routeKey {
	if x.bare {
		return keyOfRoute(r).bare()
	}
	return keyOfRoute(r)
}

func (x *routeIndex) add(r *hostmap.Route) {
	x.list = append(x.list, r)
	if x.many != nil || len(x.list) > fewRoutes {
		x.index(r)
	}
}

// grow makes room for n routes.
func (x *routeIndex) grow(n int) {
	x.list = make([]*hostmap.Route, 0, n)
	if n > fewRoutes {
		x.many = make(map[routeKey]*hostmap.Route, n)
	}
}

// index puts the last route into the map, which it makes of all others first.
func (x *routeIndex) index(last *hostmap.Route) {
	if x.many == nil {
		x.many = make(map[routeKey]*hostmap.Route, 2*len(x.list))
		for _, r := range x.list[:len(x.list)-1] {
			x.many[x.key(r)] = r
		}
	}
	x.many[x.key(last)] = last
}

func (x *routeIndex) find(key routeKey) *hostmap.Route {
	if x.many != nil {
		return x.many[key]
	}
	for _, r := range x.list {
		if x.key(r) == key {
			return r
		}
	}
	return nil
}

// siteRoutes merges the routes of a host's claimants: claims first, then the
// rules that it has as an alias, then default backends; the oldest of
// the owner wins. Where another site takes what is left (more) there are no
// default backends. It also tells whether they are the previous site's very
// routes.
func (b *builder) siteRoutes(h *host, old *hostmap.Site, more bool) (routes []*hostmap.Route, same bool) {
	m := merging{b: b, host: h, first: routeIndex{bare: true}}
	var before []*hostmap.Route
	switch {
	case old == nil:
	case more:
		before = old.First
	default:
		before = old.Routes
	}
	n := 0
	for _, p := range h.parts {
		n += len(p.routes) + len(p.aliased)
	}
	m.routes.grow(n + 1)
	m.first.grow(n + 1)
	m.old.grow(len(before))
	for _, r := range before {
		m.old.add(r)
	}
	for _, p := range h.parts {
		for _, r := range p.routes {
			m.add(p, r)
		}
	}
	for _, p := range h.parts {
		for _, r := range p.aliased {
			m.add(p, r)
		}
	}
	for _, p := range h.parts {
		if p.by.Rest != nil && !more && (p.ruled || !h.ruled) {
			m.add(p, p.by.Rest)
		}
	}
	return m.routes.list, old != nil && m.kept == len(before) && m.kept == len(m.routes.list)
}

// merging is the state of siteRoutes.
type merging struct {
	b    *builder
	host *host
	// routes are those of the site, first the first of each bare key among
	// them, old those of the previous site.
	routes, first, old routeIndex
	kept               int // how many of routes are the previous site's
}

func (m *merging) add(p *part, r *hostmap.Route) {
	by := p.by
	if p.shut {
		r = &hostmap.Route{Default: r.Default, Type: r.Type, Path: r.Path, Regex: r.Regex, Backend: m.b.Services.Closed(r.Backend), From: r.From}
	}
	key := keyOfRoute(r)
	first := m.first.find(key.bare())
	switch {
	case first == nil:
		m.first.add(r)
	case r.Default:
		switch {
		case first.Backend != r.Backend:
			m.b.Problems.Add(by.Object, problem.RouteConflict, "%s: host %s has the default backend of %s, which comes first; this one is not served for it.", by.Field(FieldRest, 0), problem.Host(m.host.name), objectTo(first.From, by))
		case first.Terms != r.Terms:
			m.b.Problems.Add(by.Object, problem.AnnotationConflict, "For what no path takes of host %s the annotations about paths of %s hold, which comes first; those of %s have no effect there.", problem.Host(m.host.name), objectTo(first.From, by), by.kind())
		}
		return
	case first.From != r.From || m.routes.find(key) != nil:
		// Within one object "/a" and "/a/" may stand side by side: the longer
		// wins, as Kubernetes has it.
		m.b.Problems.Add(by.Object, problem.RouteConflict, "%s: host %s has the %s path %s of %s, whose backend is served; this one is not. Delete one of them.", by.Field(FieldRoutes, 0), problem.Host(m.host.name), r.Type, problem.Quote(r.Path), objectTo(first.From, by))
		return
	}
	if old := m.old.find(key); old != nil && *old == *r {
		r = old
		m.kept++
	}
	m.routes.add(r)
}

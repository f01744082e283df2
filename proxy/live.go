package proxy

import (
	"slices"
	"sync/atomic"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/balance"
	"github.com/ingress421/ingress421/proxy/observe"
)

// live is a published host map with what serving by it needs beside it. It is
// immutable.
type live struct {
	hosts    *hostmap.Map
	backends map[*hostmap.Backend]*liveBackend
	stats    map[*hostmap.Site]*observe.Site
	unserved *observe.Site
}

// liveBackend is a backend with its counters.
type liveBackend struct {
	*balance.Backend
	// ok counts the requests that were responded to.
	ok *atomic.Uint64
}

// newLive resolves the backends of a map, and its sites to their counters.
func (s *Server) newLive(m *hostmap.Map, previous *live) *live {
	l := &live{
		hosts:    m,
		backends: make(map[*hostmap.Backend]*liveBackend, len(m.Backends())),
		stats:    make(map[*hostmap.Site]*observe.Site, len(m.Sites())),
		unserved: s.observer.Site(nil),
	}
	for _, b := range m.Backends() {
		if previous != nil {
			if old := previous.backends[b]; old != nil {
				l.backends[b] = old
				continue
			}
		}
		l.backends[b] = &liveBackend{s.endpoints.Backend(b), s.observer.Tries(b.Namespace, b.Service, "ok")}
	}
	for _, site := range m.Sites() {
		if previous != nil {
			if st := previous.stats[site]; st != nil {
				l.stats[site] = st
				continue
			}
		}
		l.stats[site] = s.observer.Site(site)
	}
	return l
}

// named yields the backends of the map.
func (l *live) named(yield func(*balance.Backend) bool) {
	for _, b := range l.backends {
		if !yield(b.Backend) {
			return
		}
	}
}

// statsOf returns the counters of a site, those of the unserved for nil.
func (l *live) statsOf(site *hostmap.Site) *observe.Site {
	if site == nil {
		return l.unserved
	}
	return l.stats[site]
}

// handshakesChanged tells whether some connection made under one map might be
// in the wrong under another: whether sites, their owners, their TLS policies or
// their certificates differ. Routes and endpoints do not count.
func handshakesChanged(a, b *hostmap.Map) bool {
	return !slices.EqualFunc(a.Sites(), b.Sites(), func(x, y *hostmap.Site) bool {
		return x == y || (x.Host == y.Host && x.Namespace == y.Namespace && x.Policy.ID == y.Policy.ID &&
			x.Policy.Unresolved == y.Policy.Unresolved && x.Class.MinVersion == y.Class.MinVersion &&
			x.Class.ShareCertificates == y.Class.ShareCertificates &&
			x.Class.DefaultCertificate == y.Class.DefaultCertificate &&
			slices.Equal(x.Certificates, y.Certificates))
	}) || !slices.Equal(a.Defaults(), b.Defaults())
}

// stillRight tells whether a connection may stay under a map: its server name
// is served, under the same TLS policy, and the leaf it was served may still
// vouch for it and covers what one of the site's present leaves covers.
func stillRight(m *hostmap.Map, c *conn) bool {
	f := &c.facts
	if !f.TLS || f.Leaf == nil {
		return true
	}
	site, certificates := m.Handshake(f.ServerName)
	if (site == nil) != (c.site == nil) {
		return false
	}
	if site != nil && (site.Policy.ID != f.Policy || site.Policy.Unresolved || f.Version < site.Class.MinVersion) {
		return false
	}
	if f.ServerName != "" && !m.Vouches(f.Leaf, f.ServerName) {
		// Whoever has the host now is not who it was served for.
		return false
	}
	return slices.ContainsFunc(certificates, func(now *hostmap.Certificate) bool {
		return now == f.Leaf || sameCoverage(now, f.Leaf)
	})
}

func sameCoverage(a, b *hostmap.Certificate) bool {
	if len(a.Names) != len(b.Names) {
		return false
	}
	for _, n := range a.Names {
		if !b.CoversPattern(n) {
			return false
		}
	}
	for _, n := range b.Names {
		if !a.CoversPattern(n) {
			return false
		}
	}
	return true
}

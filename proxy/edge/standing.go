package edge

import (
	"slices"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// handshakesChanged tells whether some connection made under one map might be
// in the wrong under another: whether sites, their owners, their TLS policies or
// their certificates differ. Routes and endpoints do not count.
func handshakesChanged(a, b *hostmap.Map) bool {
	if !slices.Equal(a.Defaults(), b.Defaults()) {
		return true
	}
	for x, y := range b.SitesSince(a) {
		if x == nil || y == nil || x.Namespace != y.Namespace || x.Policy.ID != y.Policy.ID ||
			x.Policy.Unresolved != y.Policy.Unresolved || x.Class.MinVersion != y.Class.MinVersion ||
			x.Class.ShareCertificates != y.Class.ShareCertificates ||
			x.Class.DefaultCertificate != y.Class.DefaultCertificate ||
			!slices.Equal(x.Certificates, y.Certificates) {
			return true
		}
	}
	return false
}

// stillRight tells whether a connection may stay under a map: its server name
// is served, under the same TLS policy, and the leaf it was served may still
// vouch for it and covers what one of the site's present leaves covers.
func stillRight(m *hostmap.Map, c *Conn) bool {
	f := &c.Facts
	if !f.TLS || f.Leaf == nil {
		return true
	}
	h := m.Handshake(f.ServerName)
	if (h.Site == nil) != (c.site == nil) {
		return false
	}
	if h.Site != nil && (h.Policy().ID != f.Policy || !h.Takes(f.Version)) {
		return false
	}
	if f.ServerName != "" && !m.Vouches(f.Leaf, f.ServerName) {
		// Whoever has the host now is not who it was served for.
		return false
	}
	return slices.ContainsFunc(h.Certificates, func(now *hostmap.Certificate) bool {
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

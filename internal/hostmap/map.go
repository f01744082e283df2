package hostmap

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
)

// Map is the host map: everything that serving needs to know. It is immutable
// and safe for any number of readers. The zero Map serves nothing.
type Map struct {
	exact    index   // by host
	wildcard index   // by what follows "*."
	rest     *entry  // the default site
	sites    []*Site // sorted by host

	class        *Class
	classes      []*Class
	defaults     []*Certificate
	certificates []*Certificate
	backends     []*Backend
	parsed       Parsed

	strict strict
}

// Spec is what a Map is made of.
type Spec struct {
	// Sites may come in any order, one for each host.
	Sites []*Site
	// Class judges authorities that no site serves; nil is the built-in one.
	Class *Class
	// Classes are all classes, used or not, so that the next map can keep the
	// options of one that cannot be read again.
	Classes []*Class
	// Defaults answer handshakes without a server name, or for one that no
	// site serves. Without any such handshakes are refused.
	Defaults []*Certificate
	// Certificates are all parsed certificates, served or not, so that the
	// next map need not parse them again.
	Certificates []*Certificate
	// Parsed is what else the next map need not parse again.
	Parsed Parsed
}

// Parsed remembers what became of the bytes of Secrets. Serving does not look
// at it. Neither map may be changed once it belongs to a Map.
type Parsed struct {
	// Bundles are by their Sum.
	Bundles map[[sha256.Size]byte]*Bundle
	// Failures say why bytes could not be parsed, by PairSum or BundleSum.
	Failures map[[sha256.Size]byte]string
}

// Equal tells whether two remember the same.
func (p Parsed) Equal(q Parsed) bool {
	return maps.Equal(p.Bundles, q.Bundles) && maps.Equal(p.Failures, q.Failures)
}

// New makes a map. Of two sites with one host the first holds.
func New(spec Spec) *Map {
	m := &Map{
		sites:        slices.Clone(spec.Sites),
		class:        spec.Class,
		classes:      slices.Clone(spec.Classes),
		defaults:     spec.Defaults,
		certificates: slices.Clone(spec.Certificates),
		parsed:       spec.Parsed,
	}
	if m.class == nil {
		m.class = BuiltinClass()
	}
	slices.SortStableFunc(m.sites, func(a, b *Site) int { return strings.Compare(a.Host, b.Host) })
	m.sites = slices.CompactFunc(m.sites, func(a, b *Site) bool { return a.Host == b.Host })
	var exact, wildcard []*Site
	for _, s := range m.sites {
		switch {
		case s.Host == "":
			rest := newEntry(s)
			m.rest = &rest
		case strings.HasPrefix(s.Host, "*."):
			wildcard = append(wildcard, s)
		default:
			exact = append(exact, s)
		}
	}
	m.exact, m.wildcard = newIndex(exact), newIndex(wildcard)
	m.strict = newStrict(m.sites, m.defaults)
	seen := make(map[*Backend]struct{})
	for _, s := range m.sites {
		for rt := range s.AllRoutes() {
			if _, ok := seen[rt.Backend]; !ok && rt.Backend != nil {
				seen[rt.Backend] = struct{}{}
				m.backends = append(m.backends, rt.Backend)
			}
		}
	}
	slices.SortFunc(m.certificates, func(a, b *Certificate) int {
		return cmp.Or(
			strings.Compare(a.Secret.Namespace, b.Secret.Namespace),
			strings.Compare(a.Secret.Name, b.Secret.Name),
			bytes.Compare(a.Fingerprint[:], b.Fingerprint[:]),
		)
	})
	m.certificates = slices.Compact(m.certificates)
	return m
}

// Site returns the site of a canonical host: its own, else that of the
// wildcard over its first label, else the default site, else nil. It does not
// allocate.
func (m *Map) Site(host string) *Site {
	if e := m.find(host); e != nil {
		return e.site
	}
	return nil
}

func (m *Map) find(host string) *entry {
	if e := m.exact.find(host); e != nil {
		return e
	}
	if len(m.wildcard.entries) != 0 {
		if p := parent(host); p != "" {
			if e := m.wildcard.find(p); e != nil {
				return e
			}
		}
	}
	return m.rest
}

// Sites returns all sites, sorted by host. The caller must not change it.
func (m *Map) Sites() []*Site { return m.sites }

// Certificates returns all parsed certificates, sorted by Secret. The caller
// must not change it.
func (m *Map) Certificates() []*Certificate { return m.certificates }

// Parsed returns what was parsed for this map beside its certificates. The
// caller must not change it.
func (m *Map) Parsed() Parsed { return m.parsed }

// Backends returns every backend that a route names, each once. The caller
// must not change it.
func (m *Map) Backends() []*Backend { return m.backends }

// Class returns the class that judges authorities no site serves.
func (m *Map) Class() *Class {
	if m.class == nil {
		return BuiltinClass()
	}
	return m.class
}

// Classes returns the classes the map was made with, in any order. The caller
// must not change it.
func (m *Map) Classes() []*Class { return m.classes }

// Defaults returns the default certificates. The caller must not change it.
func (m *Map) Defaults() []*Certificate { return m.defaults }

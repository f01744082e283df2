package hostmap

import (
	"cmp"
	"slices"
	"strings"
)

// Map is the host map: everything that serving needs to know. It is immutable
// and safe for any number of readers. The zero Map serves nothing.
type Map struct {
	exact    map[string]*Site
	wildcard map[string]*Site // by what follows "*."
	rest     *Site            // the default site
	sites    []*Site          // sorted by host

	class        *Class
	defaults     []*Certificate
	certificates []*Certificate
	backends     []*Backend

	// strict lists the sites below a wildcard that Judge may refuse on a
	// connection whose leaf covers them, by what follows "*.".
	strict map[string][]*Site
}

// Spec is what a Map is made of.
type Spec struct {
	// Sites may come in any order, one for each host.
	Sites []*Site
	// Class judges authorities that no site serves; nil is the built-in one.
	Class *Class
	// Defaults answer handshakes without a server name, or for one that no
	// site serves. Without any such handshakes are refused.
	Defaults []*Certificate
	// Certificates are all parsed certificates, served or not, so that the
	// next map need not parse them again.
	Certificates []*Certificate
}

// New makes a map. Of two sites with one host the first holds.
func New(spec Spec) *Map {
	m := &Map{
		exact:        make(map[string]*Site, len(spec.Sites)),
		wildcard:     make(map[string]*Site),
		sites:        slices.Clone(spec.Sites),
		class:        spec.Class,
		defaults:     spec.Defaults,
		certificates: slices.Clone(spec.Certificates),
		strict:       make(map[string][]*Site),
	}
	if m.class == nil {
		m.class = BuiltinClass()
	}
	slices.SortStableFunc(m.sites, func(a, b *Site) int { return strings.Compare(a.Host, b.Host) })
	m.sites = slices.CompactFunc(m.sites, func(a, b *Site) bool { return a.Host == b.Host })
	seen := make(map[*Backend]struct{})
	for _, s := range m.sites {
		switch suffix, wildcard := strings.CutPrefix(s.Host, "*."); {
		case s.Host == "":
			m.rest = s
		case wildcard:
			m.wildcard[suffix] = s
		default:
			m.exact[s.Host] = s
		}
		if s.Host != "" && s.strict() {
			p := parent(s.Host)
			m.strict[p] = append(m.strict[p], s)
		}
		for _, rt := range s.Routes {
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
			strings.Compare(string(a.Fingerprint[:]), string(b.Fingerprint[:])),
		)
	})
	m.certificates = slices.Compact(m.certificates)
	return m
}

// Site returns the site of a canonical host: its own, else that of the
// wildcard over its first label, else the default site, else nil. It does not
// allocate.
func (m *Map) Site(host string) *Site {
	if s := m.exact[host]; s != nil {
		return s
	}
	if len(m.wildcard) != 0 {
		if p := parent(host); p != "" {
			if s := m.wildcard[p]; s != nil {
				return s
			}
		}
	}
	return m.rest
}

// Handshake returns what a TLS handshake with a server name ("" for none) is
// answered with: the site, nil where none serves the name, and certificates,
// the preferred first. Without certificates, or where the site's TLS policy is
// unresolved, the handshake is to be refused. The name is canonical and no IP
// literal.
func (m *Map) Handshake(serverName string) (*Site, []*Certificate) {
	s := m.rest
	if serverName != "" {
		s = m.Site(serverName)
	}
	if s == nil {
		return nil, m.defaults
	}
	if s.Policy.Unresolved {
		return s, nil
	}
	if serverName == "" && len(m.defaults) != 0 {
		return s, m.defaults
	}
	return s, s.Certificates
}

// Sites returns all sites, sorted by host. The caller must not change it.
func (m *Map) Sites() []*Site { return m.sites }

// Certificates returns all parsed certificates, sorted by Secret. The caller
// must not change it.
func (m *Map) Certificates() []*Certificate { return m.certificates }

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

// Defaults returns the default certificates. The caller must not change it.
func (m *Map) Defaults() []*Certificate { return m.defaults }

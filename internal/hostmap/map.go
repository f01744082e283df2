package hostmap

import (
	"cmp"
	"crypto/sha256"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Map is the host map: everything that serving needs to know. It is immutable
// and safe for any number of readers. The zero Map serves nothing.
//
// A map that is made of another one with an [Editor] shares with it what did not
// change.
type Map struct {
	exact    index  // by host
	wildcard index  // by what follows "*."
	rest     *entry // the default site

	sites        ordered[*Site]
	backends     ordered[named]
	certificates ordered[*Certificate]
	flat         flat

	class    *Class
	classes  []*Class
	defaults []*Certificate
	parsed   Parsed

	strict strict
	slots  slots
	// id is the map's, from that of the map that it was made of.
	id, from *identity
}

// identity is what a map is known by to those made of it, which must not keep it.
type identity struct{ _ byte }

// flat has the lists of a map as slices, for those who ask.
type flat struct {
	sites, backends, certificates sync.Once
	sitesList                     []*Site
	backendsList                  []*Backend
	certificatesList              []*Certificate
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
	m := &Map{class: spec.Class, classes: slices.Clone(spec.Classes), defaults: spec.Defaults, parsed: spec.Parsed}
	if m.class == nil {
		m.class = BuiltinClass()
	}
	all := slices.Clone(spec.Sites)
	slices.SortStableFunc(all, (*Site).compare)
	sites := make([]changedSite, 0, len(all))
	for i, s := range all {
		if i == 0 || all[i-1].Host != s.Host {
			sites = append(sites, changedSite{is: s})
		}
	}
	certificates := slices.Clone(spec.Certificates)
	slices.SortStableFunc(certificates, (*Certificate).compare)
	certificates = slices.CompactFunc(certificates, func(a, b *Certificate) bool { return a.compare(b) == 0 })
	changes := make([]change[*Certificate], len(certificates))
	for i, c := range certificates {
		changes[i].item = c
	}
	m.make(new(Map), sites, changes)
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
	if m.wildcard.count != 0 {
		if p := parent(host); p != "" {
			if e := m.wildcard.find(p); e != nil {
				return e
			}
		}
	}
	return m.rest
}

// Own returns the site of a canonical host or pattern itself, nil where it has
// none and is served, if at all, by a wildcard or the default site. That of "" is
// the default site.
func (m *Map) Own(host string) *Site {
	if e := m.own(host); e != nil {
		return e.site
	}
	return nil
}

// Slot returns the slot of a host's own site, 0 where it has none.
func (m *Map) Slot(host string) Slot {
	if e := m.own(host); e != nil {
		return e.slot
	}
	return 0
}

func (m *Map) own(host string) *entry {
	if host == "" {
		return m.rest
	}
	if suffix, ok := strings.CutPrefix(host, "*."); ok {
		return m.wildcard.find(suffix)
	}
	return m.exact.find(host)
}

// Sites returns all sites, sorted by host. The caller must not change it. The
// first call makes it, see [Map.AllSites].
func (m *Map) Sites() []*Site {
	m.flat.sites.Do(func() { m.flat.sitesList = slices.AppendSeq(make([]*Site, 0, m.sites.count), m.AllSites()) })
	return m.flat.sitesList
}

// AllSites yields all sites, sorted by host.
func (m *Map) AllSites() iter.Seq[*Site] { return m.sites.all() }

// Hosts is the number of sites, the default site aside.
func (m *Map) Hosts() int { return m.exact.count + m.wildcard.count }

// Certificates returns all parsed certificates, sorted by Secret. The caller
// must not change it. The first call makes it, see [Map.AllCertificates].
func (m *Map) Certificates() []*Certificate {
	m.flat.certificates.Do(func() {
		m.flat.certificatesList = slices.AppendSeq(make([]*Certificate, 0, m.certificates.count), m.AllCertificates())
	})
	return m.flat.certificatesList
}

// AllCertificates yields all parsed certificates, sorted by Secret.
func (m *Map) AllCertificates() iter.Seq[*Certificate] { return m.certificates.all() }

// CertificateCount is the number of parsed certificates.
func (m *Map) CertificateCount() int { return m.certificates.count }

// Parsed returns what was parsed for this map beside its certificates. The
// caller must not change it.
func (m *Map) Parsed() Parsed { return m.parsed }

// Backends returns every backend that a route names, each once, sorted by
// Service. The caller must not change it. The first call makes it, see
// [Map.AllBackends].
func (m *Map) Backends() []*Backend {
	m.flat.backends.Do(func() {
		m.flat.backendsList = slices.AppendSeq(make([]*Backend, 0, m.backends.count), m.AllBackends())
	})
	return m.flat.backendsList
}

// AllBackends yields every backend that a route names, each once, sorted by
// Service.
func (m *Map) AllBackends() iter.Seq[*Backend] {
	return func(yield func(*Backend) bool) {
		for b := range m.backends.all() {
			if !yield(b.Backend) {
				return
			}
		}
	}
}

// BackendCount is the number of backends.
func (m *Map) BackendCount() int { return m.backends.count }

// Names tells whether a route names a port of a Service.
func (m *Map) Names(namespace, service string) bool {
	return m.backends.first(func(b named) int {
		return cmp.Or(strings.Compare(b.Namespace, namespace), strings.Compare(b.Service, service))
	}).Backend != nil
}

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

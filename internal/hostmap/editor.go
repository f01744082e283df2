package hostmap

import (
	"slices"
	"strings"
)

// Editor makes a map of another one, with which it shares what does not change:
// it costs about as much as was changed. Make one with [Map.Edit]. It is not safe
// for concurrent use.
type Editor struct {
	base *Map

	sites        map[string]*Site // nil: none
	certificates []change[*Certificate]
	class        *Class
	classes      []*Class
	defaults     []*Certificate
	parsed       *Parsed // nil: that of base
}

// Edit returns an editor which as yet has changed nothing.
func (m *Map) Edit() *Editor {
	return &Editor{base: m, sites: make(map[string]*Site), class: m.class, classes: m.classes, defaults: m.defaults}
}

// Set gives a host its site, in the place of the one that it has.
func (e *Editor) Set(s *Site) { e.sites[s.Host] = s }

// Remove takes the site of a host or pattern away, if it has one; that of "" is
// the default site.
func (e *Editor) Remove(host string) { e.sites[host] = nil }

// SetCertificate adds a parsed certificate, in the place of one of the same bytes
// and Secret.
func (e *Editor) SetCertificate(c *Certificate) {
	e.certificates = append(e.certificates, change[*Certificate]{c, false})
}

// RemoveCertificate takes a parsed certificate away, if there.
func (e *Editor) RemoveCertificate(c *Certificate) {
	e.certificates = append(e.certificates, change[*Certificate]{c, true})
}

// SetClass sets the class that judges authorities which no site serves; nil is
// the built-in one.
func (e *Editor) SetClass(c *Class) { e.class = c }

// SetClasses sets what [Map.Classes] returns, which belongs to the map then.
func (e *Editor) SetClasses(all []*Class) { e.classes = all }

// SetDefaults sets the default certificates, which belong to the map then.
func (e *Editor) SetDefaults(all []*Certificate) { e.defaults = all }

// SetParsed sets what [Map.Parsed] returns, which belongs to the map then.
func (e *Editor) SetParsed(p Parsed) { e.parsed = &p }

// Map returns the map as it is edited: the very one that was, where nothing is
// different. The editor must not be used any more.
func (e *Editor) Map() *Map {
	base := e.base
	if e.class == nil {
		e.class = BuiltinClass()
	}
	certificates, sites := e.changedCertificates(), e.changedSites()
	if len(certificates) == 0 && len(sites) == 0 && e.class == base.class && slices.Equal(e.classes, base.classes) &&
		slices.Equal(e.defaults, base.defaults) && (e.parsed == nil || e.parsed.Equal(base.parsed)) {
		return base
	}
	m := &Map{class: e.class, classes: e.classes, defaults: e.defaults, parsed: base.parsed}
	if e.parsed != nil {
		m.parsed = *e.parsed
	}
	m.make(base, sites, certificates)
	return m
}

// make makes the rest of a map out of another one.
func (m *Map) make(base *Map, sites []changedSite, certificates []change[*Certificate]) {
	m.id, m.from = new(identity), base.id
	m.index(base, sites)
	m.list(base, sites)
	m.certificates = base.certificates.with(certificates)
	m.strict = base.strict.with(sites, base.defaults, m.defaults)
}

// changedCertificates are the certificates that are others than before, each once,
// as was said last.
func (e *Editor) changedCertificates() []change[*Certificate] {
	all := e.certificates
	slices.SortStableFunc(all, func(a, b change[*Certificate]) int { return a.item.compare(b.item) })
	kept := all[:0]
	for i, c := range all {
		if i+1 < len(all) && c.item.compare(all[i+1].item) == 0 {
			continue
		}
		was := e.base.certificates.first(func(o *Certificate) int { return o.compare(c.item) })
		if c.gone && was == nil || !c.gone && was == c.item {
			continue
		}
		kept = append(kept, c)
	}
	return kept
}

// changedSites are the sites that are others than before, in the order of their
// hosts.
func (e *Editor) changedSites() []changedSite {
	changed := make([]changedSite, 0, len(e.sites))
	for host, is := range e.sites {
		if was := e.base.Own(host); was != is {
			changed = append(changed, changedSite{was, is})
		}
	}
	slices.SortFunc(changed, func(a, b changedSite) int { return strings.Compare(a.host(), b.host()) })
	return changed
}

// index makes what finds sites out of that of another map.
func (m *Map) index(base *Map, changed []changedSite) {
	var gone [2][]string
	var set [2][]entry
	m.slots, m.rest = base.slots, base.rest
	which := func(host string) (i int) {
		if strings.HasPrefix(host, "*.") {
			i = 1
		}
		return i
	}
	for _, c := range changed { // first, so that their slots are taken again
		if c.is != nil {
			continue
		}
		m.slots.give(base.Slot(c.was.Host))
		if c.was.Host == "" {
			m.rest = nil
			continue
		}
		i := which(c.was.Host)
		gone[i] = append(gone[i], indexKey(c.was))
	}
	for _, c := range changed {
		if c.is == nil {
			continue
		}
		slot := base.Slot(c.is.Host)
		if slot == 0 {
			slot = m.slots.take()
		}
		e := newEntry(c.is, slot)
		if c.is.Host == "" {
			m.rest = &e
			continue
		}
		i := which(c.is.Host)
		set[i] = append(set[i], e)
	}
	m.exact, m.wildcard = base.exact.with(gone[0], set[0]), base.wildcard.with(gone[1], set[1])
}

// list makes the lists of sites and backends out of those of another map.
func (m *Map) list(base *Map, changed []changedSite) {
	sites := make([]change[*Site], 0, len(changed))
	more := make(map[*Backend]int)
	count := func(s *Site, n int) {
		if s == nil {
			return
		}
		for rt := range s.AllRoutes() {
			for b := range rt.backends {
				more[b] += n
			}
		}
	}
	for _, c := range changed {
		if c.is != nil {
			sites = append(sites, change[*Site]{c.is, false})
		} else {
			sites = append(sites, change[*Site]{c.was, true})
		}
		count(c.was, -1)
		count(c.is, 1)
	}
	m.sites, m.backends = base.sites.with(sites), withNamed(&base.backends, more)
}

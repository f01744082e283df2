package hostmap

import (
	"iter"
	"slices"
)

// SitesSince yields what differs from the sites of another map, nil for none: of
// each host, in order, the site that was and the one that is, nil where there was
// or is none. It costs what differs where one map was made of the other with an
// [Editor], and a walk over both where not.
func (m *Map) SitesSince(before *Map) iter.Seq2[*Site, *Site] {
	if before == nil {
		before = new(Map)
	}
	return m.sites.since(&before.sites)
}

// CertificatesSince is SitesSince for parsed certificates.
func (m *Map) CertificatesSince(before *Map) iter.Seq2[*Certificate, *Certificate] {
	if before == nil {
		before = new(Map)
	}
	return m.certificates.since(&before.certificates)
}

// BackendsSince is SitesSince for backends: it yields those that are no longer
// named with those of the same key that were not, as far as there are both.
func (m *Map) BackendsSince(before *Map) iter.Seq2[*Backend, *Backend] {
	if before == nil {
		before = new(Map)
	}
	return func(yield func(was, is *Backend) bool) {
		var run backendRun
		for was, is := range m.backends.since(&before.backends) {
			k := is.Backend
			if k == nil {
				k = was.Backend
			}
			if !run.continues(k) && !run.end(yield) {
				return
			}
			run.add(was.Backend, is.Backend)
		}
		run.end(yield)
	}
}

// backendRun is what differs in the backends of one key, whose turns are not the
// same in any two maps.
type backendRun struct {
	first   *Backend
	was, is []*Backend
}

func (r *backendRun) continues(b *Backend) bool { return r.first != nil && r.first.compare(b) == 0 }

func (r *backendRun) add(was, is *Backend) {
	if was != nil {
		r.first, r.was = was, append(r.was, was)
	}
	if is != nil {
		r.first, r.is = is, append(r.is, is)
	}
}

// end yields a run and begins another one. It tells whether to go on.
func (r *backendRun) end(yield func(was, is *Backend) bool) bool {
	var gone, come []*Backend
	for _, b := range r.was {
		if !slices.Contains(r.is, b) {
			gone = append(gone, b)
		}
	}
	for _, b := range r.is {
		if !slices.Contains(r.was, b) {
			come = append(come, b)
		}
	}
	*r = backendRun{was: r.was[:0], is: r.is[:0]}
	for i := range max(len(gone), len(come)) {
		var was, is *Backend
		if i < len(gone) {
			was = gone[i]
		}
		if i < len(come) {
			is = come[i]
		}
		if !yield(was, is) {
			return false
		}
	}
	return true
}

// MadeOf tells whether the map was made of another one with an [Editor], or is
// it: hosts that both have are at the same [Slot].
func (m *Map) MadeOf(before *Map) bool {
	return m == before || m.from != nil && m.from == before.id
}

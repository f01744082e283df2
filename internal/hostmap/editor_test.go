package hostmap_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// history is a host map that is edited at random, beside what it should hold.
type history struct {
	u     *universe
	m     *hostmap.Map
	spec  hostmap.Spec
	sites map[string]*hostmap.Site
	// many are hosts beside the universe's, so that chunks and shards fill, split
	// and empty.
	many []string
	// backends of one Service port there are several.
	backends []*hostmap.Backend
}

func newHistory(r *rand.Rand, many int) *history {
	h := &history{u: newUniverse(), sites: make(map[string]*hostmap.Site)}
	h.spec.Class = hostmap.BuiltinClass()
	h.m = hostmap.New(h.spec)
	for i := range 10 + many {
		h.backends = append(h.backends, backend(fmt.Sprint("service-", i/3)))
	}
	for i := range many {
		h.many = append(h.many, fmt.Sprintf("%s-%d.%d.example.com", strings.Repeat("n", r.IntN(40)), i, i%7))
	}
	return h
}

// site is one at random for a host.
func (h *history) site(r *rand.Rand, host string) *hostmap.Site {
	spec, _ := h.u.spec(r)
	if len(spec.Sites) == 0 {
		return hostmap.NewSite(hostmap.Site{Host: host, Class: h.spec.Class})
	}
	s := *pick(r, spec.Sites)
	s.Host = host
	if old := h.sites[host]; old != nil && r.IntN(3) == 0 { // a small change
		s = *old
		s.Contested = !s.Contested
	}
	if s.Routes = nil; r.IntN(4) != 0 {
		for i := range r.IntN(3) {
			s.Routes = append(s.Routes, &hostmap.Route{Path: h.u.paths[i], Backend: pick(r, h.backends)})
		}
	}
	return hostmap.NewSite(s)
}

// step edits the map, and notes the same in the spec.
func (h *history) step(r *rand.Rand, most int) {
	e := h.m.Edit()
	e.SetClass(h.spec.Class)
	for range r.IntN(most + 1) {
		host := pick(r, h.u.hosts)
		if len(h.many) != 0 && r.IntN(4) != 0 {
			host = pick(r, h.many)
		}
		if r.IntN(3) == 0 {
			e.Remove(host)
			delete(h.sites, host)
			continue
		}
		s := h.site(r, host)
		e.Set(s)
		h.sites[host] = s
	}
	if r.IntN(4) == 0 {
		h.spec.Defaults = h.u.some(r, 2)
		e.SetDefaults(h.spec.Defaults)
	}
	if r.IntN(4) == 0 {
		h.spec.Classes = []*hostmap.Class{h.u.class(r, "one")}
		e.SetClasses(h.spec.Classes)
	}
	for range r.IntN(3) {
		c := pick(r, h.u.certificates)
		if i := slices.Index(h.spec.Certificates, c); i >= 0 {
			h.spec.Certificates = slices.Delete(slices.Clone(h.spec.Certificates), i, i+1)
			e.RemoveCertificate(c)
		} else {
			h.spec.Certificates = append(slices.Clone(h.spec.Certificates), c)
			e.SetCertificate(c)
		}
	}
	h.m = e.Map()
	h.spec.Sites = slices.Collect(maps.Values(h.sites))
}

// TestEditorIsNew: whatever the edits, the map is the one that New makes of what
// it holds, and tells from the one before what is different.
func TestEditorIsNew(t *testing.T) {
	for i := range 60 {
		r := rand.New(rand.NewPCG(12, uint64(i)))
		h := newHistory(r, []int{0, 30, 600}[i%3])
		for range 16 {
			before := h.m
			h.step(r, []int{2, 20, 300}[r.IntN(3)])
			fresh := hostmap.New(h.spec)
			sameMap(t, h.m, fresh)
			for range 4 {
				sameAnswers(t, r, h.u, h.m, fresh)
			}
			sameDifference(t, before, h.m)
			sameDifference(t, fresh, h.m)
			sameSlots(t, before, h.m)
			if t.Failed() {
				t.Fatalf("history %d", i)
			}
		}
	}
}

func sameMap(t *testing.T, got, want *hostmap.Map) {
	t.Helper()
	if got.String() != want.String() {
		t.Errorf("edited:\n%s\nnew:\n%s", got, want)
	}
	if !slices.Equal(got.Sites(), want.Sites()) || !slices.Equal(got.Certificates(), want.Certificates()) ||
		!slices.Equal(got.Classes(), want.Classes()) || !slices.Equal(got.Defaults(), want.Defaults()) {
		t.Error("sites, certificates or classes differ")
	}
	if !maps.Equal(setOf(got.Backends()), setOf(want.Backends())) || len(got.Backends()) != len(want.Backends()) {
		t.Errorf("%d backends, want %d", len(got.Backends()), len(want.Backends()))
	}
	if got.Hosts() != want.Hosts() || got.BackendCount() != len(want.Backends()) || got.CertificateCount() != len(want.Certificates()) {
		t.Error("counts differ")
	}
	if !slices.Equal(got.Strict(), want.Strict()) {
		t.Errorf("strict sites: %q\nwant %q", got.Strict(), want.Strict())
	}
	for _, s := range want.Sites() {
		if got.Own(s.Host) != s {
			t.Errorf("%q has not its site", s.Host)
		}
		for rt := range s.AllRoutes() {
			if b := rt.Backend; !got.Names(b.Namespace, b.Service) || got.Names(b.Namespace, b.Service+"-") {
				t.Errorf("Names of %s", b.Service)
			}
		}
	}
}

func sameAnswers(t *testing.T, r *rand.Rand, u *universe, got, want *hostmap.Map) {
	t.Helper()
	f := u.facts(r, want)
	q, _ := u.request(r)
	v, w := hostmap.Judge(got, f, q), hostmap.Judge(want, f, q)
	if (v.Slot == 0) != (v.Site == nil) {
		t.Errorf("slot %d of %v", v.Slot, v.Site)
	}
	if v.Slot, w.Slot = 0, 0; v != w {
		t.Errorf("%+v: %+v, want %+v", q, v, w)
	}
	origins, send := got.Origins(f, 443)
	wantOrigins, wantSend := want.Origins(f, 443)
	if !slices.Equal(origins, wantOrigins) || send != wantSend {
		t.Errorf("origins %q, %v; want %q, %v", origins, send, wantOrigins, wantSend)
	}
}

func sameDifference(t *testing.T, before, after *hostmap.Map) {
	t.Helper()
	was := make(map[string]*hostmap.Site)
	for _, s := range before.Sites() {
		was[s.Host] = s
	}
	for old, s := range after.SitesSince(before) {
		if old == s || old != nil && was[old.Host] != old || s != nil && after.Own(s.Host) != s || old != nil && s != nil && old.Host != s.Host {
			t.Errorf("%v became %v", old.Label(), s.Label())
		}
		if old != nil {
			delete(was, old.Host)
		}
		if s != nil {
			was[s.Host] = s
		}
	}
	if !slices.Equal(slices.Collect(after.AllSites()), sorted(was)) {
		t.Error("the difference of sites does not lead from one to the other")
	}
	backends := setOf(before.Backends())
	for old, b := range after.BackendsSince(before) {
		if old != nil && !backends[old] || old == b {
			t.Error("a backend went that was not there")
		}
		delete(backends, old)
		if b != nil {
			backends[b] = true
		}
	}
	if !maps.Equal(backends, setOf(after.Backends())) {
		t.Error("the difference of backends does not lead from one to the other")
	}
	certificates := setOf(before.Certificates())
	for old, c := range after.CertificatesSince(before) {
		delete(certificates, old)
		if c != nil {
			certificates[c] = true
		}
	}
	if !maps.Equal(certificates, setOf(after.Certificates())) {
		t.Error("the difference of certificates does not lead from one to the other")
	}
}

// sameSlots: no two hosts have one slot, and none has another than before.
func sameSlots(t *testing.T, before, after *hostmap.Map) {
	t.Helper()
	if !after.MadeOf(before) {
		t.Error("a map does not know what it was made of")
	}
	taken := make(map[hostmap.Slot]string)
	for s := range after.AllSites() {
		slot := after.Slot(s.Host)
		if other, ok := taken[slot]; ok || slot == 0 || int(slot) >= after.Slots() {
			t.Errorf("%q has slot %d of %d, as has %q", s.Host, slot, after.Slots(), other)
		}
		taken[slot] = s.Host
		if old := before.Slot(s.Host); old != 0 && old != slot {
			t.Errorf("%q moves from slot %d to %d", s.Host, old, slot)
		}
	}
	if after.Slots() > max(before.Slots(), after.Hosts()+2) {
		t.Errorf("%d slots for %d hosts", after.Slots(), after.Hosts())
	}
}

func setOf[T comparable](list []T) map[T]bool {
	out := make(map[T]bool, len(list))
	for _, t := range list {
		out[t] = true
	}
	return out
}

func sorted(sites map[string]*hostmap.Site) []*hostmap.Site {
	return slices.SortedFunc(maps.Values(sites), func(a, b *hostmap.Site) int { return strings.Compare(a.Host, b.Host) })
}

// TestEditorOfNothing: where nothing is different, the map is the same one.
func TestEditorOfNothing(t *testing.T) {
	f := newFleet(100)
	e := f.m.Edit()
	e.Set(f.m.Own(f.hosts[3]))
	e.Set(hostmap.NewSite(hostmap.Site{Host: "not.test"}))
	e.Remove("not.test")
	e.Remove("never.test")
	e.SetDefaults(nil)
	if m := e.Map(); m != f.m {
		t.Error("another map")
	}
}

// BenchmarkEdit is what one site costs that is another, with certificate and
// backend, among so many.
func BenchmarkEdit(b *testing.B) {
	fleets(b, func(b *testing.B, f *fleet) {
		host := f.hosts[len(f.hosts)/2]
		s := *f.m.Own(host)
		s.Certificates = []*hostmap.Certificate{leaf("team/new", host)}
		s.Routes = everything(host)
		turns := [2]*hostmap.Site{hostmap.NewSite(s), f.m.Own(host)}
		m, i := f.m, 0
		for b.Loop() {
			e := m.Edit()
			e.Set(turns[i%2])
			next := e.Map()
			for range next.SitesSince(m) {
				i++
			}
			m = next
		}
		if i != b.N {
			b.Fatalf("%d differences in %d edits", i, b.N)
		}
	})
}

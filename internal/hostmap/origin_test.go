package hostmap_test

import (
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// TestOrigins: what is named, and when a frame is sent.
func TestOrigins(t *testing.T) {
	ca := hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, []*x509.Certificate{clientCA("one")})
	auto, always, never := &hostmap.Class{Name: "auto"}, &hostmap.Class{Name: "always", Origin: hostmap.OriginAlways}, &hostmap.Class{Name: "never", Origin: hostmap.OriginNever}
	abc := leaf("abc", "a.test", "b.test", "mtls.test", "unserved.test", "192.0.2.1")
	w := leaf("w", "*.w.test", "w.test")
	free := leaf("free", "free.test", "*.free.test")
	d := leaf("default", "a.test", "*.w.test")
	site := func(host string, class *hostmap.Class, rule hostmap.Rule, policy hostmap.TLSPolicy, c *hostmap.Certificate) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{Host: host, Class: class, Rule: rule, Policy: policy, Certificates: []*hostmap.Certificate{c}})
	}
	none := hostmap.TLSPolicy{}
	m := hostmap.New(hostmap.Spec{Defaults: []*hostmap.Certificate{d}, Sites: []*hostmap.Site{
		site("a.test", auto, hostmap.RuleCertificate, none, abc),
		site("b.test", never, hostmap.RuleCertificate, none, abc),
		site("mtls.test", auto, hostmap.RuleCertificate, ca, abc),
		site("192.0.2.1", auto, hostmap.RuleCertificate, none, abc),
		site("w.test", auto, hostmap.RuleCertificate, none, w),
		site("*.w.test", auto, hostmap.RuleCertificate, none, w),
		site("mtls.w.test", auto, hostmap.RuleCertificate, ca, w),
		site("free.test", auto, hostmap.RuleCertificate, none, free),
		site("*.free.test", auto, hostmap.RuleCertificate, none, free),
		site("always.free.test", always, hostmap.RuleCertificate, none, free),
		site("elsewhere.test", auto, hostmap.RuleSameCertificate, none, leaf("e", "elsewhere.test")),
	}})
	for _, c := range []struct {
		name, sni string
		port      uint16
		want      []string
		send      bool
	}{
		{"a client-auth host in the leaf", "a.test", 443, []string{"https://a.test", "https://b.test", "https://192.0.2.1"}, true},
		{"another port", "a.test", 8443, []string{"https://a.test:8443", "https://b.test:8443", "https://192.0.2.1:8443"}, true},
		{"the client-auth host's own connection refuses nobody", "mtls.test", 443, nil, false},
		{"class never", "b.test", 443, nil, false},
		{"a client-auth host below the wildcard, which stays hidden", "x.w.test", 443, []string{"https://w.test"}, true},
		{"nothing refused", "free.test", 443, nil, false},
		{"class always", "always.free.test", 443, []string{"https://free.test"}, true},
		{"default certificate, unserved name", "nobody.test", 443, []string{"https://a.test"}, true},
		{"default certificate, no name", "", 443, []string{"https://a.test"}, true},
	} {
		got, send := m.Origins(connect(t, m, c.sni), c.port)
		if !slices.Equal(got, c.want) || send != c.send {
			t.Errorf("%s: got %q, %v; want %q, %v", c.name, got, send, c.want, c.send)
		}
	}
	if got, send := m.Origins(&hostmap.Facts{}, 443); got != nil || send {
		t.Errorf("cleartext: got %q, %v", got, send)
	}
}

// TestOriginsOneOfAKind: sites that look alike, of which one alone is refused,
// behind two that are not.
func TestOriginsOneOfAKind(t *testing.T) {
	w, other := leaf("w", "*.w.test"), leaf("other", "c.w.test")
	same := hostmap.Site{Rule: hostmap.RuleSameCertificate, Certificates: []*hostmap.Certificate{w}}
	name := hostmap.Site{Rule: hostmap.RuleServerName, Certificates: []*hostmap.Certificate{w}}
	foreign, broken := same, same
	foreign.Certificates = []*hostmap.Certificate{other}
	broken.Policy = hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire)
	class := hostmap.BuiltinClass()
	for what, c := range map[string]struct {
		sites [3]hostmap.Site
		send  bool
	}{
		"none":                 {[3]hostmap.Site{same, same, same}, false},
		"another's name":       {[3]hostmap.Site{name, name, name}, true},
		"a foreign one":        {[3]hostmap.Site{same, same, foreign}, true},
		"broken client-auth":   {[3]hostmap.Site{same, same, broken}, true},
		"its own name and two": {[3]hostmap.Site{name, same, same}, false},
	} {
		var sites []*hostmap.Site
		for i, s := range c.sites {
			s.Host, s.Class = string(rune('a'+i))+".w.test", class
			sites = append(sites, hostmap.NewSite(s))
		}
		m := hostmap.New(hostmap.Spec{Sites: sites})
		if _, send := m.Origins(connect(t, m, "a.w.test"), 443); send != c.send {
			t.Errorf("%s: send %v", what, send)
		}
	}
}

// TestOriginsOverflow: a frame of 16 KiB is sent, and for one octet more an
// empty one.
func TestOriginsOverflow(t *testing.T) {
	// 564 entries of 2 + len("https://") + 19 octets leave room for one of 28.
	for last, want := range map[string]int{"an-exact-fit1.test": 565, "one-octet-over.test": 0} {
		names := []string{last}
		for i := range 564 {
			names = append(names, fmt.Sprintf("host-%09d.test", i))
		}
		c := leaf("many", names...)
		class := &hostmap.Class{Origin: hostmap.OriginAlways}
		var sites []*hostmap.Site
		for _, n := range names {
			sites = append(sites, hostmap.NewSite(hostmap.Site{Host: n, Class: class, Certificates: []*hostmap.Certificate{c}}))
		}
		m := hostmap.New(hostmap.Spec{Sites: sites})
		if got, send := m.Origins(connect(t, m, last), 443); len(got) != want || !send {
			t.Errorf("%s: %d origins, send %v; want %d", last, len(got), send, want)
		}
	}
}

// naiveOrigins is what Origins should be, from the design's sentences: over
// every host that the universe has.
func naiveOrigins(m *hostmap.Map, o *oracle, hosts []string, f *hostmap.Facts) ([]string, bool) {
	refused := func(host string) bool {
		v := o.judge(f, hostmap.Request{Host: host, Path: "/"})
		return o.site(host) != nil && v.Status == 421
	}
	mode := o.class.Origin
	if s := o.site(f.ServerName); s != nil {
		mode = s.Class.Origin
	}
	send := mode == hostmap.OriginAlways
	for _, h := range hosts {
		if mode == hostmap.OriginAuto && leafCovers(f.Leaf.KeyPair.Leaf, h) && refused(h) {
			send = true
		}
	}
	if !send {
		return nil, false
	}
	var origins []string
	for _, n := range f.Leaf.Names {
		if !strings.HasPrefix(n, "*") && o.site(n) != nil && !refused(n) {
			origins = append(origins, "https://"+n)
		}
	}
	return origins, true
}

// serves tells whether a handshake may be answered with a certificate.
func (o *oracle) serves(c *hostmap.Certificate) bool {
	return slices.Contains(o.defaults, c) || slices.ContainsFunc(o.sites, func(s *hostmap.Site) bool { return slices.Contains(s.Certificates, c) })
}

// TestOriginsProperty compares Origins with the naive model on random maps.
func TestOriginsProperty(t *testing.T) {
	u := newUniverse()
	// Hosts that no site names stand for all that a wildcard or the default
	// site takes.
	hosts := append(slices.Clone(u.authorities), "zz.test", "zz.w.test", "zz.y.w.test", "foo_bar.test")
	for i := range 20_000 {
		r := rand.New(rand.NewPCG(8336, uint64(i)))
		spec, o := u.spec(r)
		m := hostmap.New(spec)
		for range 4 {
			f := u.facts(r, m)
			if !f.TLS {
				continue
			}
			got, send := m.Origins(f, 443)
			want, wantSend := naiveOrigins(m, o, hosts, f)
			if !send && !o.serves(f.Leaf) {
				// The leaf went between the handshake and the frame, whose
				// absence costs a 421 at most.
				continue
			}
			if !slices.Equal(got, want) || send != wantSend {
				t.Fatalf("map %d, %+v, leaf %v:\n got %q, %v\nwant %q, %v\nof\n%s", i, *f, f.Leaf.Names, got, send, want, wantSend, m)
			}
		}
	}
}

// BenchmarkOrigins: once for each connection, with 100,000 client-auth hosts
// below the leaf's wildcard, and with a leaf of 1,000 names.
func BenchmarkOrigins(b *testing.B) {
	ca := hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, []*x509.Certificate{clientCA("one")})
	class := hostmap.BuiltinClass()
	w := leaf("w", "*.w.test")
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("name-%d.w.test", i)
	}
	many := leaf("many", names...)
	sites := []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Namespace: "default", Host: "*.w.test", Class: class, Certificates: []*hostmap.Certificate{w}}),
		hostmap.NewSite(hostmap.Site{Namespace: "default", Host: "plain.test", Class: class, Certificates: []*hostmap.Certificate{leaf("p", "plain.test", "*.plain.test")}}),
		hostmap.NewSite(hostmap.Site{Namespace: "default", Host: "many.w.test", Class: class, Certificates: []*hostmap.Certificate{many}}),
	}
	for i := range 100_000 {
		sites = append(sites, hostmap.NewSite(hostmap.Site{Namespace: "default", Host: fmt.Sprintf("mtls-%d.w.test", i), Class: class, Policy: ca, Certificates: []*hostmap.Certificate{w}}))
	}
	m := hostmap.New(hostmap.Spec{Sites: sites})
	for _, sni := range []string{"plain.test", "x.w.test", "mtls-7.w.test", "many.w.test"} {
		f := handshake(m, sni, 0x0304, loopback)
		b.Run("sni="+sni, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Origins(f, 443)
			}
		})
	}
}

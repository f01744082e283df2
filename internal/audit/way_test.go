package audit

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// The ways under all leaves hold every pair that a client may make once, and
// say of each what Judge says.
func TestWaysAreWhatJudgeSays(t *testing.T) {
	seen := make(map[Outcome]int)
	for seed := range uint64(20_000) {
		m := randomMap(rand.New(rand.NewPCG(seed, 421)))
		got := make(map[string]Outcome)
		x, left := newIndex(m), work(maxWork)
		for _, l := range x.leaves() {
			whole := x.ways(l, &left, func(w way) {
				n := uint64(0)
				for _, a := range w.from.hosts {
					for _, b := range w.to.hosts {
						if a == b && !a.pattern() {
							continue
						}
						n++
						pair := a.name + " -> " + b.name
						if before, twice := got[pair]; twice {
							t.Fatalf("seed %d: pair %s twice: %v and %v\n%s", seed, pair, before, w.outcome, m)
						}
						got[pair] = w.outcome
					}
				}
				if n != w.pairs {
					t.Fatalf("seed %d: %d pairs, counted %d\n%s", seed, n, w.pairs, m)
				}
			})
			if !whole {
				t.Fatalf("seed %d: out of work", seed)
			}
		}
		for pair, want := range naive(m) {
			seen[want]++
			if o, ok := got[pair]; !ok || o != want {
				t.Fatalf("seed %d: pair %s is %+v (there: %t), Judge says %+v\n%s", seed, pair, o, ok, want, m)
			}
			delete(got, pair)
		}
		if len(got) != 0 {
			t.Fatalf("seed %d: no client makes the pairs %v\n%s", seed, got, m)
		}
	}
	results := make(map[Result]bool)
	for o := range seen {
		results[o.Result] = true
	}
	if len(results) != len(resultNames) {
		t.Errorf("the maps have too few kinds of outcomes: %v", seen)
	}
}

// naive judges all pairs one by one: each host of a site, and each name of a
// certificate, with each other one.
func naive(m *hostmap.Map) map[string]Outcome {
	var names []string
	for _, s := range m.Sites() {
		if s.Host != "" {
			names = append(names, s.Host)
		}
	}
	for _, c := range m.Certificates() {
		names = append(names, c.Names...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	isSite := func(name string) bool { s := m.Site(name); return s != nil && s.Host == name }
	pairs := make(map[string]Outcome)
	for _, a := range names {
		sni := a
		if hostmap.IsIP(a) {
			sni = ""
		}
		h := m.Handshake(sni)
		if h.Refused != "" || !h.Certificates[0].Covers(a) {
			continue
		}
		settled := h.Facts(h.Certificates[0], netip.Addr{})
		f := &settled
		f.Version = tls.VersionTLS13
		// A name that no site has is a host because the leaf names it.
		named := func(name string) bool { return isSite(name) || slices.Contains(f.Leaf.Names, name) }
		if !named(a) {
			continue
		}
		for _, b := range names {
			if m.Site(b) == nil || !f.Leaf.Covers(b) || !named(b) || a == b && b[0] != '*' {
				continue
			}
			host := b
			if a == b {
				host = "unheard-of" + b[1:]
			}
			v := hostmap.Judge(m, f, hostmap.Request{Host: host, Path: "/"})
			o := Outcome{Rule: ruleText{v.Rule}, Retry: v.Retry}
			switch {
			case v.Misdirected():
				o.Result, o.Reason = Misdirected, v.Reason
			case v.Reported != "":
				o.Result, o.Reason = Reported, v.Reported
			case v.Rule == hostmap.RuleOff:
				if w := hostmap.Judge(onAgain(m), f, hostmap.Request{Host: host, Path: "/"}); w.Misdirected() {
					o.Result, o.Reason = Misrouted, w.Reason
					if own := connect(m, b); own != nil {
						v := hostmap.Judge(m, own, hostmap.Request{Host: b, Path: "/"})
						o.Retry = !v.Misdirected()
					}
				}
			}
			pairs[a+" -> "+b] = o
		}
	}
	return pairs
}

// onAgain is the map without any rule "off".
func onAgain(m *hostmap.Map) *hostmap.Map {
	spec := hostmap.Spec{Class: m.Class(), Defaults: m.Defaults()}
	for _, s := range m.Sites() {
		on := *s
		if on.Rule == hostmap.RuleOff {
			on.Report = false
			if on.Rule = s.Class.Rule; on.Rule == hostmap.RuleOff {
				on.Rule = hostmap.RuleCertificate
			}
		}
		spec.Sites = append(spec.Sites, hostmap.NewSite(on))
	}
	return hostmap.New(spec)
}

// randomMap makes a small map in which everything that the rule reads differs
// now and then.
func randomMap(r *rand.Rand) *hostmap.Map {
	pick := func(choices ...string) string { return choices[r.IntN(len(choices))] }
	rules := []hostmap.Rule{hostmap.RuleCertificate, hostmap.RuleCertificate, hostmap.RuleSameCertificate, hostmap.RuleServerName, hostmap.RuleOff}
	names := []string{"a.test", "b.test", "*.test", "c.a.test", "*.a.test", "d.a.test", "192.0.2.1", "[2001:db8::1]", "192.0.2.2", "never.test"}
	var classes []*hostmap.Class
	for i := range 1 + r.IntN(2) {
		c := &hostmap.Class{
			Name: fmt.Sprint("class", i), MinVersion: tls.VersionTLS12, Rule: rules[r.IntN(len(rules))], Report: r.IntN(6) == 0,
			ShareCertificates: r.IntN(3) == 0, UnservedMisdirected: r.IntN(2) == 0,
		}
		if r.IntN(4) == 0 {
			c.DefaultCertificate = hostmap.SecretRef{Namespace: "one", Name: "tls0"}
		}
		if r.IntN(5) == 0 {
			c.TrustedGateways = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		}
		classes = append(classes, c)
	}
	var certificates []*hostmap.Certificate
	for range 1 + r.IntN(5) {
		var some []string
		for range 1 + r.IntN(5) {
			some = append(some, pick(names...))
		}
		for range 1 + r.IntN(2) { // Copies have the same leaf.
			certificates = append(certificates, leaf(pick("one", "two")+"/tls"+pick("0", "1", "2"), some...))
		}
	}
	spec := hostmap.Spec{Class: classes[0], Certificates: certificates}
	if r.IntN(2) == 0 {
		spec.Defaults = certificates[:1]
	}
	for range 1 + r.IntN(8) {
		s := hostmap.Site{Host: pick(append(names, "")...), Namespace: pick("one", "two", ""), Class: classes[r.IntN(len(classes))]}
		s.Rule, s.Report = s.Class.Rule, s.Class.Report
		if r.IntN(2) == 0 {
			s.Rule, s.Report = rules[r.IntN(len(rules))], r.IntN(4) == 0
		}
		for range r.IntN(3) {
			s.Certificates = append(s.Certificates, certificates[r.IntN(len(certificates))])
		}
		switch r.IntN(5) {
		case 0:
			s.Policy = clientAuth(pick("CA 1", "CA 2"))
		case 1:
			if r.IntN(3) == 0 {
				s.Policy = hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire)
			}
		}
		spec.Sites = append(spec.Sites, hostmap.NewSite(s))
	}
	return hostmap.New(spec)
}

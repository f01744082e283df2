package hostmap_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// TestJudge is the rule, row by row. A connection is "server name", "server
// name/1.2" on TLS 1.2, "server name from address", "-" without server name, or
// "cleartext". A request is "[scheme://]authority[/path]".
func TestJudge(t *testing.T) {
	ca := hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, []*x509.Certificate{clientCA("one")})
	otherCA := hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, []*x509.Certificate{clientCA("two")})
	optional := hostmap.NewTLSPolicy(hostmap.ClientAuthOptional, 1, []*x509.Certificate{clientCA("one")})
	public := &hostmap.Class{Name: "public", MinVersion: tls.VersionTLS12}
	modern := &hostmap.Class{Name: "modern", MinVersion: tls.VersionTLS13, CloseOnMisdirected: true}
	edge := &hostmap.Class{Name: "edge", MinVersion: tls.VersionTLS12, TrustedGateways: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10")}}
	ab, w, own := leaf("ab", "a.test", "b.test"), leaf("w", "*.w.test"), leaf("own", "same.w.test")
	site := func(host string, edit func(*hostmap.Site), certificates ...*hostmap.Certificate) *hostmap.Site {
		s := hostmap.Site{Host: host, Namespace: "default", Class: public, Certificates: certificates, Terms: hostmap.Terms{HTTPSRedirect: true}, Routes: everything(host)}
		if edit != nil {
			edit(&s)
		}
		return hostmap.NewSite(s)
	}
	m := hostmap.New(hostmap.Spec{
		Class:    public,
		Defaults: []*hostmap.Certificate{leaf("default", "default.test", "192.0.2.1", "2001:db8::1")},
		Sites: []*hostmap.Site{
			site("a.test", nil, ab),
			site("b.test", nil, ab),
			site("c.test", nil, leaf("c", "c.test", "a.test")),
			site("wrong.test", nil, leaf("wrong", "other.test")),
			site("wrongoff.test", func(s *hostmap.Site) { s.Rule = hostmap.RuleOff }, leaf("wrong", "other.test")),
			site("nocert.test", nil),
			site("api.test", func(s *hostmap.Site) { s.Routes[0].Path = "/v1"; s.Terms = hostmap.Terms{} }, leaf("api", "api.test")),
			site("192.0.2.1", nil),
			site("[2001:db8::1]", func(s *hostmap.Site) { s.Rule = hostmap.RuleServerName }),
			site("*.w.test", nil, w),
			site("x.w.test", nil, leaf("x", "x.w.test")),
			site("mtls.w.test", func(s *hostmap.Site) { s.Policy = ca }, w),
			site("twin.w.test", func(s *hostmap.Site) { s.Policy = ca }, w),
			site("other.w.test", func(s *hostmap.Site) { s.Policy = otherCA }, w),
			site("optional.w.test", func(s *hostmap.Site) { s.Policy = optional }, w),
			site("broken.w.test", func(s *hostmap.Site) { s.Policy = hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire) }, w),
			site("mtlsoff.w.test", func(s *hostmap.Site) { s.Policy, s.Rule, s.Report = ca, hostmap.RuleOff, true }, w),
			site("same.w.test", func(s *hostmap.Site) { s.Rule = hostmap.RuleSameCertificate }, own),
			site("wild.w.test", func(s *hostmap.Site) { s.Rule = hostmap.RuleSameCertificate }, w),
			site("report.w.test", func(s *hostmap.Site) { s.Rule, s.Report = hostmap.RuleSameCertificate, true }, leaf("report", "report.w.test")),
			site("name.w.test", func(s *hostmap.Site) { s.Rule = hostmap.RuleServerName }, w),
			site("off.w.test", func(s *hostmap.Site) { s.Rule = hostmap.RuleOff }, w),
			site("modern.w.test", func(s *hostmap.Site) { s.Class = modern }, w),
			site("modern.test", func(s *hostmap.Site) { s.Class = modern }, leaf("modern", "modern.test")),
			site("edge.test", func(s *hostmap.Site) { s.Class = edge }, leaf("edge", "edge.test")),
			site("edgemtls.test", func(s *hostmap.Site) { s.Class, s.Policy = edge, ca }, leaf("edge2", "edgemtls.test")),
		},
	})
	const rows = `
		# Its own connection.
		a.test                 | a.test                     | a.test
		a.test                 | https://a.test             | a.test
		a.test                 | HTTPS://a.test             | a.test
		anything.w.test        | anything.w.test            | *.w.test
		mtls.w.test            | mtls.w.test                | mtls.w.test
		# 1. The scheme agrees with the connection.
		a.test                 | http://a.test              | 421 scheme retry=no
		a.test                 | ftp://a.test               | 421 scheme retry=no
		cleartext              | https://api.test/v1        | 421 scheme retry=no
		cleartext              | http://api.test/v1         | api.test
		# 2. A trusted gateway skips 4 and 5, and nothing else.
		a.test                 | edge.test                  | 421 certificate retry=yes
		a.test from 10.1.2.3   | edge.test                  | edge.test
		a.test from ::ffff:10.1.2.3 | edge.test             | edge.test
		a.test from fe80::1%eth0    | edge.test             | edge.test
		a.test from 10.1.2.3   | c.test                     | 421 certificate retry=yes
		a.test from 10.1.2.3   | edgemtls.test              | 421 tls_policy retry=yes
		a.test from 10.1.2.3   | http://edge.test           | 421 scheme retry=no
		# 3. The TLS policy, whatever the rule.
		w.w.test               | mtls.w.test                | 421 tls_policy retry=yes
		twin.w.test            | mtls.w.test                | mtls.w.test
		other.w.test           | mtls.w.test                | 421 tls_policy retry=yes
		optional.w.test        | mtls.w.test                | 421 tls_policy retry=yes
		mtls.w.test            | optional.w.test            | 421 tls_policy retry=yes
		mtls.w.test            | plain.w.test               | *.w.test
		a.test                 | mtls.w.test                | 421 tls_policy retry=yes
		w.w.test               | mtlsoff.w.test             | 421 tls_policy retry=yes
		w.w.test               | broken.w.test              | 421 tls_policy retry=no
		mtls.w.test            | broken.w.test              | 421 tls_policy retry=no
		w.w.test/1.2           | modern.w.test              | 421 tls_policy retry=no close
		w.w.test               | modern.w.test              | modern.w.test
		# 4. Coverage by the leaf that was served.
		a.test                 | b.test                     | b.test
		c.test                 | a.test                     | a.test
		a.test                 | c.test                     | 421 certificate retry=yes
		a.test                 | modern.test                | 421 certificate retry=yes close
		x.w.test               | y.w.test                   | 421 certificate retry=yes
		y.w.test               | x.w.test                   | x.w.test
		y.w.test               | deep.y.w.test              | 421 certificate retry=no
		y.w.test               | w.test                     | 421 certificate retry=no
		wrong.test             | wrong.test                 | 421 certificate retry=no
		a.test                 | wrongoff.test              | wrongoff.test
		a.test                 | nocert.test                | 421 certificate retry=no
		-                      | a.test                     | 421 certificate retry=yes
		# IP literals: by iPAddress names alone, and no server name.
		-                      | 192.0.2.1                  | 192.0.2.1
		unknown.test           | 192.0.2.1                  | 192.0.2.1
		a.test                 | 192.0.2.1                  | 421 certificate retry=yes
		-                      | [2001:db8::1]              | [2001:db8::1]
		unknown.test           | [2001:db8::1]              | 421 server_name retry=yes
		-                      | 192.0.2.2                  | 421 certificate retry=no
		# 5. The site's own rule.
		y.w.test               | same.w.test                | 421 other_certificate retry=yes
		y.w.test               | wild.w.test                | wild.w.test
		y.w.test               | report.w.test              | report.w.test reported other_certificate retry=yes
		a.test                 | report.w.test              | report.w.test reported certificate retry=yes
		name.w.test            | name.w.test                | name.w.test
		y.w.test               | name.w.test                | 421 server_name retry=yes
		name.w.test            | y.w.test                   | *.w.test
		a.test                 | off.w.test                 | off.w.test
		# 6. Served here at all?
		-                      | default.test               | 404 unserved
		a.test                 | unserved.test              | 421 certificate retry=no
		# 7. A route for the path.
		api.test               | api.test/v1/x              | api.test
		api.test               | api.test/v2                | 404 no_route
		# Cleartext: the redirect, then 3, 6 and 7.
		cleartext              | a.test                     | 308
		cleartext              | a.test/.well-known/acme-challenge/t | a.test
		cleartext              | mtls.w.test                | 308
		cleartext              | mtls.w.test/.well-known/acme-challenge/t | 421 tls_policy retry=no
		cleartext              | api.test/v2                | 404 no_route
		cleartext              | unserved.test              | 404 unserved
	`
	for row := range strings.Lines(rows) {
		row = strings.TrimSpace(row)
		if row == "" || row[0] == '#' {
			continue
		}
		c := strings.Split(row, "|")
		connection, request, want := strings.TrimSpace(c[0]), strings.TrimSpace(c[1]), strings.TrimSpace(c[2])
		f := &hostmap.Facts{}
		if connection != "cleartext" {
			name, from, _ := strings.Cut(connection, " from ")
			name, old := strings.CutSuffix(name, "/1.2")
			f = connect(t, m, strings.Trim(name, "-"))
			if old {
				f.Version = tls.VersionTLS12
			}
			if from != "" {
				f.Peer = netip.MustParseAddr(from)
			}
		}
		r := hostmap.Request{Path: "/"}
		var ok bool
		if r.Scheme, r.Host, ok = strings.Cut(request, "://"); !ok {
			r.Scheme, r.Host = "", request
		}
		if i := strings.IndexByte(r.Host, '/'); i >= 0 {
			r.Host, r.Path = r.Host[:i], r.Host[i:]
		}
		if got := spoken(settled(m, f, r, hostmap.Client{})); got != want {
			t.Errorf("%s: got %q", row, got)
		}
	}
}

// settled is what the rule and the terms say together.
func settled(m *hostmap.Map, f *hostmap.Facts, r hostmap.Request, c hostmap.Client) hostmap.Verdict {
	v := hostmap.Judge(m, f, r)
	hostmap.Apply(&v, f, &r, c)
	return v
}

// spoken is a verdict in the words of TestJudge.
func spoken(v hostmap.Verdict) string {
	retry := fmt.Sprintf(" retry=%s", map[bool]string{true: "yes", false: "no"}[v.Retry])
	var s string
	switch v.Status {
	case 0:
		s = v.Route.Backend.Service
	case 421:
		s = fmt.Sprint("421 ", v.Reason, retry)
	case 404:
		s = fmt.Sprint("404 ", v.Reason)
	default:
		s = fmt.Sprint(v.Status)
	}
	if v.Reported != "" {
		s += fmt.Sprint(" reported ", v.Reported, retry)
	}
	if v.Close {
		s += " close"
	}
	return s
}

// TestJudgeClassOfUnserved: what the class says where no site does.
func TestJudgeClassOfUnserved(t *testing.T) {
	d := leaf("default", "*.test")
	a := hostmap.NewSite(hostmap.Site{Host: "a.test", Certificates: []*hostmap.Certificate{leaf("a", "a.test", "lost.test")}})
	gateway := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, c := range []struct {
		name, sni, host, want string
		class                 hostmap.Class
	}{
		{"not found", "a.test", "lost.test", "404 unserved", hostmap.Class{}},
		{"misdirected", "a.test", "lost.test", "421 unserved retry=no", hostmap.Class{UnservedMisdirected: true}},
		{"misdirected and closed", "a.test", "lost.test", "421 unserved retry=no close", hostmap.Class{UnservedMisdirected: true, CloseOnMisdirected: true}},
		{"a gateway of the class is trusted", "a.test", "gone.test", "404 unserved", hostmap.Class{TrustedGateways: gateway}},
		{"coverage is reported", "a.test", "gone.test", "404 unserved reported certificate retry=yes", hostmap.Class{Report: true}},
		{"rule off", "a.test", "gone.test", "404 unserved", hostmap.Class{Rule: hostmap.RuleOff}},
		{"its certificates are the default ones", "lost.test", "gone.test", "404 unserved", hostmap.Class{Rule: hostmap.RuleSameCertificate}},
		{"and no other's", "a.test", "lost.test", "421 other_certificate retry=yes", hostmap.Class{Rule: hostmap.RuleSameCertificate}},
		{"server name", "lost.test", "gone.test", "421 server_name retry=yes", hostmap.Class{Rule: hostmap.RuleServerName}},
	} {
		m := hostmap.New(hostmap.Spec{Class: &c.class, Defaults: []*hostmap.Certificate{d}, Sites: []*hostmap.Site{a}})
		if got := spoken(hostmap.Judge(m, connect(t, m, c.sni), hostmap.Request{Host: c.host, Path: "/"})); got != c.want {
			t.Errorf("%s: %q on %q: got %q, want %q", c.name, c.host, c.sni, got, c.want)
		}
	}

	// Without default certificates no handshake for the authority would be
	// answered, so no certificate is the wrong one.
	m := hostmap.New(hostmap.Spec{Class: &hostmap.Class{Rule: hostmap.RuleSameCertificate}, Sites: []*hostmap.Site{a}})
	if got := spoken(hostmap.Judge(m, connect(t, m, "a.test"), hostmap.Request{Host: "lost.test", Path: "/"})); got != "404 unserved" {
		t.Errorf("without default certificates: got %q", got)
	}
}

// TestJudgeAfterRotation: connections outlive the map of their handshake.
func TestJudgeAfterRotation(t *testing.T) {
	site := func(rule hostmap.Rule, c ...*hostmap.Certificate) *hostmap.Map {
		return hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{hostmap.NewSite(hostmap.Site{
			Host: "a.test", Namespace: "default", Rule: rule, Certificates: c, Routes: everything("a"),
		})}})
	}
	old := site(hostmap.RuleCertificate, leaf("a", "a.test"))
	f := connect(t, old, "a.test")
	for _, c := range []struct {
		name, want string
		m          *hostmap.Map
	}{
		{"renewal of the same Secret", "a", site(hostmap.RuleSameCertificate, leaf("a", "a.test", "new.a.test"))},
		{"renewal that covers less", "a", site(hostmap.RuleSameCertificate, leaf("a", "new.a.test"))},
		{"RSA beside ECDSA in one Secret", "a", site(hostmap.RuleSameCertificate, rsaLeaf("a", "a.test"))},
		{"another Secret", "421 other_certificate retry=yes", site(hostmap.RuleSameCertificate, leaf("b", "a.test"))},
		{"another Secret, second of two", "a", site(hostmap.RuleSameCertificate, leaf("b", "a.test"), leaf("a", "a.test"))},
		{"another Secret under rule certificate", "a", site(hostmap.RuleCertificate, leaf("b", "a.test"))},
		{"same name of Secret in another namespace", "421 other_certificate retry=yes", site(hostmap.RuleSameCertificate, leaf("other/a", "a.test"))},
		{"site without certificates", "421 other_certificate retry=no", site(hostmap.RuleSameCertificate)},
		{"site gone", "404 unserved", hostmap.New(hostmap.Spec{})},
		{"zero map", "404 unserved", new(hostmap.Map)},
	} {
		if got := spoken(hostmap.Judge(c.m, f, hostmap.Request{Host: "a.test", Path: "/"})); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestJudgeCopiedSite: a site made of a copy of another covers nothing by what
// it was before.
func TestJudgeCopiedSite(t *testing.T) {
	a := leaf("a", "a.test")
	first := hostmap.NewSite(hostmap.Site{Host: "a.test", Certificates: []*hostmap.Certificate{a}})
	second := *first
	second.Host, second.Certificates = "b.test", nil
	m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{first, hostmap.NewSite(second)}})
	if got := spoken(hostmap.Judge(m, connect(t, m, "a.test"), hostmap.Request{Host: "b.test", Path: "/"})); got != "421 certificate retry=no" {
		t.Errorf("got %q", got)
	}
}

// universe is what random maps and the matrix are made of.
type universe struct {
	hosts        []string // of sites
	authorities  []string // what is asked for
	certificates []*hostmap.Certificate
	policies     []hostmap.TLSPolicy
	peers        []netip.Addr
	paths        []string
}

func newUniverse() *universe {
	one, two := clientCA("one"), clientCA("two")
	u := &universe{
		hosts: []string{"", "a.test", "b.test", "c.test", "*.test", "*.w.test", "x.w.test", "y.w.test", "w.test",
			"z.y.w.test", "*.y.w.test", "localhost", "192.0.2.1", "[2001:db8::1]"},
		certificates: []*hostmap.Certificate{
			leaf("ab", "a.test", "b.test"),
			leaf("ab", "A.Test", "b.test.", "c.test"), // renewed, and spelled as no client would
			rsaLeaf("ab", "a.test", "b.test"),
			leaf("c", "c.test", "a.test"),
			leaf("w", "*.w.test"),
			leaf("x", "x.w.test"),
			leaf("all", "*.test", "*.W.test", "w.test", "localhost"),
			leaf("other/w", "*.w.test", "*.y.w.test"),
			copied(leaf("w", "*.w.test"), "third/w"),
			leaf("third/ab", "a.test", "b.test"),
			leaf("ip", "192.0.2.1", "2001:db8::1"),
			leaf("mixed", "default.test", "192.0.2.1", "x.w.test"),
			leaf("odd", "*", "*.*.test", "x*.w.test", "a..test", "192.0.2.1.", "foo_bar.test"),
			leaf("none"),
		},
		policies: []hostmap.TLSPolicy{
			{}, {}, {},
			hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, []*x509.Certificate{one}),
			hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 2, []*x509.Certificate{one}),
			hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, []*x509.Certificate{one, two}),
			hostmap.NewTLSPolicy(hostmap.ClientAuthOptional, 1, []*x509.Certificate{one}),
			hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire),
			hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthNone),
		},
		peers: []netip.Addr{loopback, netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("::ffff:10.0.0.9"), {}},
		paths: []string{"/", "/a", "/a/", "/a/b", "/ab", "/.well-known/acme-challenge/t"},
	}
	for _, h := range u.hosts {
		if h != "" && h[0] != '*' {
			u.authorities = append(u.authorities, h)
		}
	}
	u.authorities = append(u.authorities, "any.test", "any.w.test", "any.y.w.test", "unserved.example", "192.0.2.2", "default.test")
	return u
}

func (u *universe) class(r *rand.Rand, name string) *hostmap.Class {
	c := &hostmap.Class{
		Name: name, Rule: hostmap.Rule(r.IntN(4)), Report: r.IntN(4) == 0,
		UnservedMisdirected: r.IntN(2) == 0, CloseOnMisdirected: r.IntN(2) == 0, ShareCertificates: r.IntN(4) == 0,
		Origin: hostmap.OriginMode(r.IntN(3)), MinVersion: tls.VersionTLS12 + uint16(r.IntN(2)),
	}
	if r.IntN(4) == 0 {
		c.DefaultCertificate = pick(r, u.certificates).Secret
	}
	if r.IntN(3) == 0 {
		c.TrustedGateways = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}
	}
	return c
}

func (u *universe) some(r *rand.Rand, most int) []*hostmap.Certificate {
	var out []*hostmap.Certificate
	for range r.IntN(most + 1) {
		out = append(out, pick(r, u.certificates))
	}
	return out
}

// spec makes a random spec, and with it the oracle.
func (u *universe) spec(r *rand.Rand) (hostmap.Spec, *oracle) {
	classes := []*hostmap.Class{u.class(r, "one"), u.class(r, "two")}
	spec := hostmap.Spec{Class: classes[0], Defaults: u.some(r, 1)}
	for _, host := range u.hosts {
		if r.IntN(2) == 0 {
			continue
		}
		s := hostmap.Site{
			Host: host, Namespace: pick(r, []string{"default", "default", "other", "third", ""}),
			Class: pick(r, classes), Certificates: u.some(r, 2), Policy: pick(r, u.policies),
			Rule: hostmap.Rule(r.IntN(4)), Report: r.IntN(4) == 0, Terms: hostmap.Terms{HTTPSRedirect: r.IntN(4) == 0},
		}
		for range r.IntN(3) {
			s.Routes = append(s.Routes, &hostmap.Route{Type: hostmap.PathType(r.IntN(2)), Path: pick(r, u.paths), Default: r.IntN(5) == 0})
		}
		spec.Sites = append(spec.Sites, hostmap.NewSite(s))
	}
	return spec, &oracle{sites: spec.Sites, class: spec.Class, defaults: spec.Defaults}
}

func (u *universe) request(r *rand.Rand) (hostmap.Request, hostmap.Client) {
	return hostmap.Request{Scheme: pick(r, []string{"", "https", "https", "http", "HTTPS", "wss"}), Host: pick(r, u.authorities), Path: pick(r, u.paths)},
		hostmap.Client{FromHTTPS: r.IntN(2) == 0}
}

// facts makes the facts of a connection to a map, or of one that cannot come
// out of this map any more.
func (u *universe) facts(r *rand.Rand, m *hostmap.Map) *hostmap.Facts {
	if r.IntN(8) == 0 {
		return &hostmap.Facts{Peer: pick(r, u.peers)}
	}
	name := pick(r, u.authorities)
	if strings.ContainsAny(name[:1], "[1") || r.IntN(8) == 0 {
		name = ""
	}
	version := uint16(tls.VersionTLS12 + r.IntN(2))
	if r.IntN(4) != 0 {
		if f := handshake(m, name, version, pick(r, u.peers)); f != nil {
			return f
		}
	}
	return &hostmap.Facts{TLS: true, ServerName: name, Leaf: pick(r, u.certificates), Policy: pick(r, u.policies).ID, Version: version, Peer: pick(r, u.peers)}
}

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

// TestJudgeProperty compares Judge with the oracle on thirty thousand random
// maps, always the same ones.
func TestJudgeProperty(t *testing.T) {
	const maps, requests = 30_000, 8
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			u := newUniverse()
			for i := w; i < maps && !t.Failed(); i += workers {
				r := rand.New(rand.NewPCG(421, uint64(i)))
				spec, o := u.spec(r)
				m := hostmap.New(spec)
				for range requests {
					f := u.facts(r, m)
					q, c := u.request(r)
					compare(t, m, o, f, q, c)
				}
			}
		})
	}
	wg.Wait()
}

// FuzzJudge compares Judge with the oracle on maps that the fuzzer's numbers
// lead to, with an authority and a path of its own making.
func FuzzJudge(f *testing.F) {
	u := newUniverse()
	f.Add(uint64(1), uint64(2), "www.x.w.test", "/a/b")
	f.Fuzz(func(t *testing.T, a, b uint64, authority, path string) {
		r := rand.New(rand.NewPCG(a, b))
		spec, o := u.spec(r)
		m := hostmap.New(spec)
		facts := u.facts(r, m)
		q, c := u.request(r)
		compare(t, m, o, facts, q, c)
		host, err := hostmap.Host(authority)
		if err != nil {
			return
		}
		if path, err = hostmap.Path(path); err != nil {
			return
		}
		q.Host, q.Path = host, path
		compare(t, m, o, facts, q, c)
	})
}

func compare(t *testing.T, m *hostmap.Map, o *oracle, f *hostmap.Facts, q hostmap.Request, c hostmap.Client) {
	v := hostmap.Judge(m, f, q)
	if got, want := compared(v), o.judge(f, q); got != want {
		t.Errorf("%+v on %+v:\n got %+v\nwant %+v\nof\n%s", q, *f, got, want, m)
	}
	checkTrace(t, m, f, q, v)
	hostmap.Apply(&v, f, &q, c)
	if got, want := compared(v), o.settle(f, q, c); got != want {
		t.Errorf("%+v of %+v on %+v, by the terms:\n got %+v\nwant %+v\nof\n%s", q, c, *f, got, want, m)
	}
	if rule := o.rule(v.Site); v.Rule != rule {
		t.Errorf("%+v: rule %v, want %v", q, v.Rule, rule)
	}
}

// TestJudgeMatrix compares Judge with the oracle for every pair of a server
// name and an authority over hosts with shared, overlapping, wildcard, expired,
// IP and default certificates and different TLS policies, of one namespace and
// of two, for every rule, reported or not, with certificates shared or not, with and without default site and default certificate, on
// both TLS versions and cleartext, for trusted and other peers and every
// scheme.
func TestJudgeMatrix(t *testing.T) {
	u := newUniverse()
	one := []*x509.Certificate{clientCA("one")}
	policies := map[string]hostmap.TLSPolicy{
		"mtls.w.test":     hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, one),
		"twin.w.test":     hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, append(one, one...)),
		"deep.w.test":     hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 2, one),
		"optional.w.test": hostmap.NewTLSPolicy(hostmap.ClientAuthOptional, 1, one),
		"broken.w.test":   hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire),
	}
	ab, w := leaf("ab", "a.test", "b.test", "mtls.w.test"), leaf("w", "*.w.test")
	certificates := map[string][]*hostmap.Certificate{
		"a.test": {ab}, "b.test": {ab, rsaLeaf("ab", "a.test", "b.test")}, "c.test": {leaf("c", "a.test", "c.test")},
		"*.w.test": {w}, "x.w.test": {leaf("x", "x.w.test")}, "wrong.test": {leaf("wrong", "a.test")}, "nocert.test": nil,
		"mtls.w.test": {w}, "twin.w.test": {leaf("twin", "twin.w.test")}, "deep.w.test": {w}, "optional.w.test": {w},
		"broken.w.test": {w}, "expired.test": {leaf("expired", "expired.test", "x.w.test")},
		"192.0.2.1": {leaf("ip", "192.0.2.1")}, "[2001:db8::1]": nil,
	}
	authorities := []string{"any.w.test", "a.b.w.test", "unserved.test", "default.test", "192.0.2.2"}
	names := []string{"", "unserved.test", "any.w.test"}
	for host := range certificates {
		if host[0] != '*' {
			authorities = append(authorities, host)
			if host[0] != '[' && host[0] != '1' {
				names = append(names, host)
			}
		}
	}
	var count int
	for variant := range 4 << 8 {
		bit := func(n int) bool { return variant>>(2+n)&1 == 1 }
		class := &hostmap.Class{
			Name: "varied", Rule: hostmap.Rule(variant & 3), Report: bit(0), UnservedMisdirected: bit(1), CloseOnMisdirected: bit(1),
			MinVersion: tls.VersionTLS12, TrustedGateways: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
			ShareCertificates: bit(7),
		}
		modern := &hostmap.Class{Name: "modern", MinVersion: tls.VersionTLS13, Rule: hostmap.RuleSameCertificate}
		spec := hostmap.Spec{Class: class}
		if bit(2) {
			spec.Defaults = []*hostmap.Certificate{leaf("default", "default.test", "192.0.2.1", "2001:db8::1", "a.test")}
		}
		for host, certs := range certificates {
			s := hostmap.Site{Host: host, Namespace: "default", Class: class, Rule: class.Rule, Report: bit(0), Certificates: certs, Policy: policies[host], Terms: hostmap.Terms{HTTPSRedirect: bit(4)}, Routes: []*hostmap.Route{{Path: "/a"}}}
			if host == "c.test" && bit(5) {
				s.Class, s.Rule, s.Report = modern, modern.Rule, false
			}
			if bit(6) && (host == "x.w.test" || host == "nocert.test" || host == "b.test") {
				s.Namespace = "other"
			}
			spec.Sites = append(spec.Sites, hostmap.NewSite(s))
		}
		if bit(3) {
			spec.Sites = append(spec.Sites, hostmap.NewSite(hostmap.Site{Namespace: "other", Class: class, Rule: class.Rule, Report: bit(0), Certificates: spec.Defaults}))
		}
		m, o := hostmap.New(spec), &oracle{sites: spec.Sites, class: class, defaults: spec.Defaults}
		connections := []*hostmap.Facts{{Peer: loopback}}
		for _, name := range names {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				for _, peer := range u.peers[:2] {
					if f := handshake(m, name, version, peer); f != nil {
						connections = append(connections, f)
					}
				}
			}
		}
		for _, f := range connections {
			for _, host := range authorities {
				for i, scheme := range []string{"", "http", "https"} {
					compare(t, m, o, f, hostmap.Request{Scheme: scheme, Host: host, Path: []string{"/a/b", "/b", "/.well-known/acme-challenge/t"}[(i+count)%3]}, hostmap.Client{})
					count++
				}
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d requests judged", count)
}

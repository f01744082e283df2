package hostmap_test

import (
	"crypto/x509"
	"net/netip"
	"slices"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// TestJudgeNeighbour: what a leaf covers but its owner does not own. Namespace
// victim has a wildcard certificate, attacker hosts below it.
func TestJudgeNeighbour(t *testing.T) {
	gateways := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	class := &hostmap.Class{Name: "public"}
	strict := &hostmap.Class{Name: "strict", Rule: hostmap.RuleSameCertificate}
	reporting := &hostmap.Class{Name: "reporting", Report: true}
	cluster := &hostmap.Class{Name: "cluster", ShareCertificates: true}
	trusting := &hostmap.Class{Name: "trusting", TrustedGateways: gateways}
	operator := &hostmap.Class{Name: "operator", DefaultCertificate: hostmap.SecretRef{Namespace: "ops", Name: "edge"}}
	ca := hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, []*x509.Certificate{clientCA("one")})

	w := leaf("victim/w", "*.shop.test")
	beside := leaf("victim/beside", "*.shop.test", "beside.test")
	site := func(host, namespace string, class *hostmap.Class, edit func(*hostmap.Site), certificates ...*hostmap.Certificate) *hostmap.Site {
		s := hostmap.Site{Host: host, Namespace: namespace, Class: class, Rule: class.Rule, Report: class.Report, Certificates: certificates, Routes: everything(host)}
		if edit != nil {
			edit(&s)
		}
		return hostmap.NewSite(s)
	}
	rule := func(r hostmap.Rule) func(*hostmap.Site) { return func(s *hostmap.Site) { s.Rule = r } }
	defaults := []*hostmap.Certificate{leaf("kube-system/default", "*.shop.test", "default.test")}
	m := hostmap.New(hostmap.Spec{Class: class, Defaults: defaults, Sites: []*hostmap.Site{
		site("www.shop.test", "victim", class, nil, w),
		site("beside.test", "victim", class, nil, beside),
		site("blog.shop.test", "victim", class, nil, leaf("victim/blog", "blog.shop.test")),
		site("none.shop.test", "attacker", class, nil),
		site("default.shop.test", "attacker", class, nil, defaults...),
		site("own.shop.test", "attacker", class, nil, leaf("attacker/own", "own.shop.test")),
		site("copy.shop.test", "attacker", class, nil, copied(w, "attacker/copy")),
		site("off.shop.test", "attacker", class, rule(hostmap.RuleOff)),
		site("offcopy.other.test", "attacker", class, rule(hostmap.RuleOff), copied(w, "attacker/copy")),
		site("off.other.test", "attacker", class, rule(hostmap.RuleOff), leaf("attacker/off", "off.other.test")),
		site("report.shop.test", "attacker", class, func(s *hostmap.Site) { s.Report = true }),
		site("reporting.shop.test", "attacker", reporting, nil),
		site("reporting.other.test", "attacker", reporting, nil),
		site("reportcopy.other.test", "attacker", reporting, nil, copied(w, "attacker/copy")),
		site("certificate.shop.test", "attacker", strict, rule(hostmap.RuleCertificate)),
		site("name.shop.test", "attacker", class, rule(hostmap.RuleServerName)),
		site("mtls.shop.test", "attacker", class, func(s *hostmap.Site) { s.Policy = ca }),
		site("cluster.shop.test", "attacker", cluster, nil),
		site("cluster.other.test", "attacker", cluster, nil),
		site("clustersame.shop.test", "attacker", cluster, rule(hostmap.RuleSameCertificate)),
		site("trusting.shop.test", "attacker", trusting, nil),
		site("operator.shop.test", "attacker", operator, nil, leaf("attacker/operator", "operator.shop.test")),
		site("edge.shop.test", "attacker", operator, nil, leaf("ops/edge", "*.shop.test")),
		site("nobody.shop.test", "", class, nil),
		site("*.deep.shop.test", "attacker", class, nil),
		site("deep.test", "victim", class, nil, leaf("victim/deep", "*.deep.shop.test", "deep.test")),
	}})
	for _, c := range []struct{ connection, host, want string }{
		// The owner's own, whichever of its Secrets.
		{"www.shop.test", "www.shop.test", "www.shop.test"},
		{"beside.test", "www.shop.test", "www.shop.test"},
		{"beside.test", "blog.shop.test", "blog.shop.test"},
		// Another namespace's.
		{"www.shop.test", "none.shop.test", "421 other_certificate retry=no"},
		{"www.shop.test", "default.shop.test", "421 other_certificate retry=yes"},
		{"www.shop.test", "own.shop.test", "421 other_certificate retry=yes"},
		{"www.shop.test", "nobody.shop.test", "421 other_certificate retry=no"},
		{"deep.test", "x.deep.shop.test", "421 other_certificate retry=no"},
		{"own.shop.test", "own.shop.test", "own.shop.test"},
		// The very same certificate, which the namespace has a copy of.
		{"www.shop.test", "copy.shop.test", "copy.shop.test"},
		{"beside.test", "copy.shop.test", "421 other_certificate retry=yes"},
		{"copy.shop.test", "www.shop.test", "www.shop.test"},
		// A default certificate: the map's, and that of the host's class.
		{"", "none.shop.test", "none.shop.test"},
		{"default.shop.test", "www.shop.test", "www.shop.test"},
		{"default.shop.test", "operator.shop.test", "operator.shop.test"},
		{"edge.shop.test", "operator.shop.test", "operator.shop.test"},
		{"edge.shop.test", "own.shop.test", "421 other_certificate retry=yes"},
		// No annotation skips it, and no rule.
		{"www.shop.test", "off.shop.test", "421 other_certificate retry=no"},
		{"www.shop.test", "off.other.test", "421 other_certificate retry=yes"},
		{"www.shop.test", "offcopy.other.test", "offcopy.other.test"},
		{"www.shop.test", "report.shop.test", "421 other_certificate retry=no"},
		{"www.shop.test", "certificate.shop.test", "421 other_certificate retry=no"},
		{"www.shop.test", "name.shop.test", "421 other_certificate retry=no"},
		// Nor does a class that only reports: it says so of steps 4 and 5.
		{"www.shop.test", "reporting.shop.test", "421 other_certificate retry=no"},
		{"www.shop.test", "reporting.other.test", "421 other_certificate retry=no"},
		{"www.shop.test", "reportcopy.other.test", "reportcopy.other.test reported certificate retry=no"},
		// What skips it is the class's option, which is about this step alone.
		{"www.shop.test", "cluster.shop.test", "cluster.shop.test"},
		{"www.shop.test", "cluster.other.test", "421 certificate retry=no"},
		{"www.shop.test", "clustersame.shop.test", "421 other_certificate retry=no"},
		// The TLS policy comes before, coverage too, the host's rule after.
		{"www.shop.test", "mtls.shop.test", "421 tls_policy retry=no"},
		{"www.shop.test", "www.other.test", "421 certificate retry=no"},
		{"", "name.shop.test", "421 server_name retry=no"},
		// Nobody's host has nobody's namespace.
		{"www.shop.test", "gone.shop.test", "404 unserved"},
	} {
		if got := spoken(hostmap.Judge(m, connect(t, m, c.connection), hostmap.Request{Host: c.host, Path: "/"})); got != c.want {
			t.Errorf("%s on a connection for %q: got %q, want %q", c.host, c.connection, got, c.want)
		}
	}
	f := connect(t, m, "www.shop.test")
	f.Peer = netip.MustParseAddr("10.0.0.1")
	if got := spoken(hostmap.Judge(m, f, hostmap.Request{Host: "trusting.shop.test", Path: "/"})); got != "trusting.shop.test" {
		t.Errorf("a trusted gateway: got %q", got)
	}
}

// copied is a certificate that stands in another Secret too.
func copied(c *hostmap.Certificate, secret string) *hostmap.Certificate {
	d := leafOf(secret, c.KeyPair.Leaf.PublicKey, c.Names...)
	d.Fingerprint, d.KeyPair = c.Fingerprint, c.KeyPair
	return d
}

// TestJudgeDefaultSite: whoever has the default site has every host, but for
// none of them its neighbours' certificates.
func TestJudgeDefaultSite(t *testing.T) {
	w := leaf("victim/w", "*.shop.test")
	m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "www.shop.test", Namespace: "victim", Certificates: []*hostmap.Certificate{w}, Routes: everything("www")}),
		hostmap.NewSite(hostmap.Site{Namespace: "attacker", Routes: everything("rest")}),
	}})
	if got := spoken(hostmap.Judge(m, connect(t, m, "www.shop.test"), hostmap.Request{Host: "login.shop.test", Path: "/"})); got != "421 other_certificate retry=no" {
		t.Errorf("got %q", got)
	}
}

// TestVouchesAfterRenewal: a connection outlives the certificate that it was
// served. What is of the same Secret goes on, what is not does not.
func TestVouchesAfterRenewal(t *testing.T) {
	site := func(namespace string, class *hostmap.Class, c ...*hostmap.Certificate) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{Host: "a.shop.test", Namespace: namespace, Class: class, Certificates: c, Routes: everything("a")})
	}
	class := func(secret string) *hostmap.Class {
		return &hostmap.Class{Name: "public", DefaultCertificate: hostmap.SecretRef{Namespace: "ops", Name: secret}}
	}
	for _, c := range []struct {
		name, want string
		leaf       *hostmap.Certificate
		m          hostmap.Spec
	}{
		{"renewed", "a", leaf("one/tls", "*.shop.test"),
			hostmap.Spec{Sites: []*hostmap.Site{site("one", nil, leaf("one/tls", "*.shop.test", "new.test"))}}},
		{"another Secret of the namespace", "a", leaf("one/tls", "*.shop.test"),
			hostmap.Spec{Sites: []*hostmap.Site{site("one", nil, leaf("one/new", "*.shop.test"))}}},
		{"the host has another owner", "421 other_certificate retry=yes", leaf("one/tls", "*.shop.test"),
			hostmap.Spec{Sites: []*hostmap.Site{site("two", nil, leaf("two/tls", "*.shop.test"))}}},
		{"the class's default renewed", "a", leaf("ops/edge", "*.shop.test"),
			hostmap.Spec{Sites: []*hostmap.Site{site("one", class("edge"), leaf("ops/edge", "*.shop.test", "new.test"))}}},
		{"the class's default replaced", "421 other_certificate retry=yes", leaf("ops/edge", "*.shop.test"),
			hostmap.Spec{Sites: []*hostmap.Site{site("one", class("other"), leaf("ops/other", "*.shop.test"))}}},
		{"the map's default renewed", "a", leaf("ops/edge", "*.shop.test"),
			hostmap.Spec{Defaults: []*hostmap.Certificate{leaf("ops/edge", "new.test")}, Sites: []*hostmap.Site{site("one", nil)}}},
	} {
		m := hostmap.New(c.m)
		f := &hostmap.Facts{TLS: true, ServerName: "a.shop.test", Leaf: c.leaf, Version: 0x0304}
		if got := spoken(hostmap.Judge(m, f, hostmap.Request{Host: "a.shop.test", Path: "/"})); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if got := m.Vouches(c.leaf, "a.shop.test"); got != (c.want == "a") {
			t.Errorf("%s: vouches %v", c.name, got)
		}
	}
}

// TestOriginsNeighbour: a host that step 4b refuses is a reason to send a frame,
// and never stands in one.
func TestOriginsNeighbour(t *testing.T) {
	site := func(host, namespace string, c ...*hostmap.Certificate) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{Host: host, Namespace: namespace, Certificates: c, Routes: everything(host)})
	}
	w, two, lone := leaf("victim/w", "*.shop.test", "shop.test"), leaf("victim/two", "a.test", "b.test"), leaf("victim/lone", "lone.test")
	victims := []*hostmap.Site{
		site("shop.test", "victim", w), site("www.shop.test", "victim", w), site("a.test", "victim", two), site("lone.test", "victim", lone),
	}
	for what, c := range map[string]struct {
		site *hostmap.Site // beside the victim's
		sni  string
		want []string // nil: no frame
	}{
		"nobody else":                         {site("more.shop.test", "victim"), "www.shop.test", nil},
		"below the wildcard":                  {site("login.shop.test", "attacker"), "www.shop.test", []string{"https://shop.test"}},
		"below the wildcard, with a copy":     {site("login.shop.test", "attacker", copied(w, "attacker/w")), "www.shop.test", nil},
		"a wildcard of the same hosts":        {site("*.shop.test", "attacker"), "www.shop.test", []string{"https://shop.test"}},
		"named in the certificate":            {site("b.test", "attacker"), "a.test", []string{"https://a.test"}},
		"named, with its own certificate":     {site("b.test", "attacker", leaf("attacker/b", "b.test")), "a.test", []string{"https://a.test"}},
		"the default site, below a wildcard":  {site("", "attacker"), "www.shop.test", []string{"https://shop.test"}},
		"the default site, and no host of it": {site("", "attacker"), "lone.test", nil},
		"elsewhere":                           {site("b.test", "attacker"), "lone.test", nil},
	} {
		m := hostmap.New(hostmap.Spec{Sites: append(victims, c.site)})
		got, send := m.Origins(connect(t, m, c.sni), 443)
		if send != (c.want != nil) || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, send %v; want %q", what, got, send, c.want)
		}
	}
}

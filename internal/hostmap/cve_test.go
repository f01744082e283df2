package hostmap_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Each test here is a hole that another proxy had, as far as it can be decided
// without a handshake. All have one shape: client authentication, or the
// certificate, is got past by another way to say a host.

// guarded is a map of a public host and a wildcard and one host that ask for
// client certificates, all below one wildcard certificate, which is the
// default one too.
func guarded() *hostmap.Map {
	ca := hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, []*x509.Certificate{clientCA("one")})
	w := leaf("w", "*.test", "*.guarded.test")
	site := func(host string, policy hostmap.TLSPolicy) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{Host: host, Policy: policy, Certificates: []*hostmap.Certificate{w}, Routes: everything(host)})
	}
	return hostmap.New(hostmap.Spec{Defaults: []*hostmap.Certificate{w}, Sites: []*hostmap.Site{
		site("public.test", hostmap.TLSPolicy{}), site("mtls.test", ca), site("*.guarded.test", ca),
	}})
}

// ask judges an authority as a client spells it.
func ask(t *testing.T, m *hostmap.Map, f *hostmap.Facts, authority string) string {
	t.Helper()
	host, _, err := hostmap.Authority(authority)
	if err != nil {
		return "400"
	}
	return spoken(hostmap.Judge(m, f, hostmap.Request{Scheme: "https", Host: host, Path: "/"}))
}

const policyRefuses = "421 tls_policy retry=yes"

// Traefik: a trailing dot in Host skipped the router's TLS options.
func TestCVE_2022_23632_TrailingDot(t *testing.T) {
	m := guarded()
	for _, authority := range []string{"mtls.test.", "mtls.test.:443", "MTLS.test.", "x.guarded.test."} {
		if got := ask(t, m, connect(t, m, "public.test"), authority); got != policyRefuses {
			t.Errorf("%s: %s", authority, got)
		}
	}
	if got := ask(t, m, connect(t, m, "public.test"), "mtls.test.."); got != "400" {
		t.Errorf("two dots: %s", got)
	}
}

// unresolved checks that a site whose client authentication cannot be resolved
// answers nobody, however it is asked.
func unresolved(t *testing.T, mode hostmap.ClientAuth) {
	t.Helper()
	everywhere := &hostmap.Class{Report: true, Rule: hostmap.RuleOff, TrustedGateways: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}
	w := leaf("w", "*.test")
	m := hostmap.New(hostmap.Spec{Class: everywhere, Defaults: []*hostmap.Certificate{w}, Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "public.test", Class: everywhere, Certificates: []*hostmap.Certificate{w}}),
		hostmap.NewSite(hostmap.Site{
			Host: "broken.test", Class: everywhere, Rule: hostmap.RuleOff, Report: true, Certificates: []*hostmap.Certificate{w},
			Policy: hostmap.UnresolvedTLSPolicy(mode), Routes: everything("broken"),
		}),
	}})
	if h := hostmap.Connect(m, "broken.test"); h.Refused == "" || len(h.Certificates) != 0 {
		t.Error("its handshake is answered")
	}
	for _, sni := range []string{"public.test", "unserved.test", ""} {
		if got := ask(t, m, connect(t, m, sni), "broken.test"); got != "421 tls_policy retry=no" {
			t.Errorf("on a connection for %q: %s", sni, got)
		}
	}
	// A connection made while it was still resolved, or under nothing at all.
	for _, id := range []hostmap.PolicyID{{}, hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, nil).ID} {
		f := &hostmap.Facts{TLS: true, ServerName: "broken.test", Leaf: w, Version: tls.VersionTLS13, Policy: id, Peer: loopback}
		if got := ask(t, m, f, "broken.test"); got != "421 tls_policy retry=no" {
			t.Errorf("on its own connection: %s", got)
		}
	}
	if v := hostmap.Judge(m, &hostmap.Facts{}, hostmap.Request{Host: "broken.test", Path: "/"}); v.Reason != hostmap.ReasonTLSPolicy {
		t.Errorf("in cleartext: %+v", v)
	}
}

// Traefik: empty or invalid TLS options fell back to the default ones.
func TestCVE_2022_46153_InvalidOptions(t *testing.T) { unresolved(t, hostmap.ClientAuthNone) }

// Caddy: a missing CA file let everybody in.
func TestCVE_2026_27586_MissingCAFile(t *testing.T) {
	unresolved(t, hostmap.ClientAuthRequire)
	// Nor may a policy without CAs verify by those of the system, which is
	// what crypto/x509 does without a pool.
	p := hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, nil)
	if p.CAs == nil || !p.CAs.Equal(x509.NewCertPool()) {
		t.Error("a policy without CAs trusts the system's")
	}
}

// Traefik: an unresolved auth Secret let everybody in.
func TestCVE_2026_54762_UnresolvedSecret(t *testing.T) { unresolved(t, hostmap.ClientAuthOptional) }

// Traefik: a server name that its own parser missed meant the default options;
// here it is a connection without server name.
func TestCVE_2026_32305_NoServerName(t *testing.T) {
	m := guarded()
	for _, authority := range []string{"mtls.test", "x.guarded.test"} {
		if got := ask(t, m, connect(t, m, ""), authority); got != policyRefuses {
			t.Errorf("%s: %s", authority, got)
		}
	}
}

// Contour: requests without server name, under the fallback certificate, were
// not asked for what their host asks.
func TestCVE_2026_50149_FallbackCertificate(t *testing.T) {
	m := guarded()
	for _, sni := range []string{"", "unserved.test"} {
		f := connect(t, m, sni)
		if got := ask(t, m, f, "mtls.test"); got != policyRefuses {
			t.Errorf("mtls.test: %s", got)
		}
		if got := ask(t, m, f, "public.test"); got != "public.test" {
			t.Errorf("public.test: %s", got)
		}
	}
}

// Traefik: the server name was looked up exactly, the host by wildcard.
func TestCVE_2026_48491_WildcardHost(t *testing.T) {
	m := guarded()
	if got := ask(t, m, connect(t, m, "public.test"), "any.guarded.test"); got != policyRefuses {
		t.Errorf("got %s", got)
	}
	if got := ask(t, m, connect(t, m, "one.guarded.test"), "another.guarded.test"); got != "*.guarded.test" {
		t.Errorf("below one wildcard: %s", got)
	}
}

// Traefik, HTTP/3: the server name was looked up with its case.
func TestCVE_2026_53622_CaseOfServerName(t *testing.T) {
	m := guarded()
	for _, sni := range []string{"mtls.test", "MTLS.TEST", "Mtls.Test", "X.Guarded.TEST"} {
		if h := hostmap.Connect(m, sni); h.Policy().Mode != hostmap.ClientAuthRequire {
			t.Errorf("%s: handshake under %v", sni, h.Site.Label())
		}
	}
}

// Caddy: beyond a number of hosts, they were compared with their case.
func TestCVE_2026_27588_ManyHosts(t *testing.T) {
	for _, n := range []int{1, 10, 99, 100, 101, 1000, 10_000} {
		hosts := make([]string, n)
		for i := range hosts {
			hosts[i] = fmt.Sprintf("host-%d.test", i)
		}
		m := mapOf(hosts...)
		for _, h := range hosts {
			canonical, err := hostmap.Host(strings.ToUpper(h))
			if s := m.Site(canonical); err != nil || s == nil || s.Host != h {
				t.Fatalf("%d hosts: %s is not found", n, h)
			}
		}
	}
}

// nginx, Apache and Go: a session begun with one host was resumed with another,
// with the client certificate that the first had asked for, or none. Whatever
// the session layer lets pass, the facts tell the policy it was made under.
func resumed(t *testing.T) {
	t.Helper()
	m := guarded()
	f := connect(t, m, "public.test")
	f.Resumed, f.ServerName = true, "mtls.test"
	if got := ask(t, m, f, "mtls.test"); got != policyRefuses {
		t.Errorf("a public session: %s", got)
	}
	other := hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, []*x509.Certificate{clientCA("two")})
	if f.Policy = other.ID; ask(t, m, f, "mtls.test") != policyRefuses {
		t.Error("a session under other CAs is served")
	}
	if f.Policy = m.Site("mtls.test").Policy.ID; ask(t, m, f, "mtls.test") != "mtls.test" {
		t.Error("its own session is refused")
	}
}

func TestCVE_2025_23419_ResumedAcrossHosts(t *testing.T) { resumed(t) }
func TestCVE_2025_23048_ResumedAcrossHosts(t *testing.T) { resumed(t) }
func TestCVE_2025_68121_ResumedAcrossHosts(t *testing.T) { resumed(t) }

// Traefik (GHSA-gv8r-9rw9-9697): the same through GetConfigForClient.
func TestGHSA_gv8r_9rw9_9697_ResumedAcrossConfigs(t *testing.T) { resumed(t) }

// x/net/idna: "xn--example-" became "example". It is never run on a request.
func TestCVE_2026_39821_ALabel(t *testing.T) {
	m := mapOf("example", "xn--bcher-kva.example")
	for _, authority := range []string{"xn--example-", "xn--example-.", "bücher.example"} {
		if host, _, err := hostmap.Authority(authority); err == nil {
			t.Errorf("%q is %q, site %q", authority, host, m.Site(host).Label())
		}
	}
}

// TestNoFalse421 is the opposite: contour#5240, gardener#15332,
// nginx-gateway-fabric#4838, Traefik 2.2.2 and quarkus#55586 refused what a
// browser may send.
func TestNoFalse421(t *testing.T) {
	w := leaf("w", "*.test", "*.w.test", "192.0.2.1")
	ab := leaf("ab", "a.test", "b.test")
	site := func(host string, c *hostmap.Certificate) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{Host: host, Certificates: []*hostmap.Certificate{c}, Routes: everything(host)})
	}
	m := hostmap.New(hostmap.Spec{Defaults: []*hostmap.Certificate{w}, Sites: []*hostmap.Site{
		site("a.test", ab), site("b.test", ab), site("c.test", w), site("*.w.test", w), site("192.0.2.1", w),
	}})
	for _, c := range []struct{ sni, authority, want string }{
		{"a.test", "a.test:443", "a.test"},
		{"a.test", "a.test:8443", "a.test"},
		{"a.test", "a.test:30443", "a.test"},
		{"a.test", "a.test:", "a.test"},
		{"a.test", "A.TEST", "a.test"},
		{"a.test", "a.test.", "a.test"},
		{"a.test", "b.test", "b.test"},
		{"b.test", "a.test:444", "a.test"},
		{"c.test", "x.w.test", "*.w.test"},
		{"x.w.test", "y.w.test:443", "*.w.test"},
		{"x.w.test", "a.test", "a.test"},
		{"", "c.test", "c.test"},
		{"", "192.0.2.1:8443", "192.0.2.1"},
		{"c.test", "192.0.2.1", "192.0.2.1"},
	} {
		if got := ask(t, m, connect(t, m, c.sni), c.authority); got != c.want {
			t.Errorf("%s on %s: %s", c.authority, c.sni, got)
		}
	}
}

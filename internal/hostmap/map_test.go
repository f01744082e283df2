package hostmap_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// mapOf makes a map of sites that are nothing but their hosts.
func mapOf(hosts ...string) *hostmap.Map {
	var sites []*hostmap.Site
	for _, h := range hosts {
		sites = append(sites, hostmap.NewSite(hostmap.Site{Host: h}))
	}
	return hostmap.New(hostmap.Spec{Sites: sites})
}

func TestSite(t *testing.T) {
	const nobody, rest = "nobody", ""
	with := mapOf("", "a.test", "*.foo.com", "foo.com", "x.foo.com", "*.x.foo.com", "*.com", "192.0.2.1", "[2001:db8::1]", "localhost")
	for host, want := range map[string]string{
		"a.test":          "a.test",
		"b.test":          rest,
		"bar.foo.com":     "*.foo.com", // the examples of the Ingress documentation
		"foo.com":         "foo.com",
		"x.foo.com":       "x.foo.com",
		"y.x.foo.com":     "*.x.foo.com",
		"baz.bar.foo.com": rest,
		"bar.com":         "*.com",
		"com":             rest,
		"192.0.2.1":       "192.0.2.1",
		"192.0.2.2":       rest,
		"[2001:db8::1]":   "[2001:db8::1]",
		"localhost":       "localhost",
		"":                rest,
	} {
		if s := with.Site(host); s == nil || s.Host != want {
			t.Errorf("Site(%q) = %q, want %q", host, s.Label(), want)
		}
	}
	without := mapOf("a.test", "*.foo.com")
	for host, want := range map[string]string{"a.test": "a.test", "b.foo.com": "*.foo.com", "foo.com": nobody, "b.test": nobody, "": nobody, "test": nobody} {
		got := nobody
		if s := without.Site(host); s != nil {
			got = s.Host
		}
		if got != want {
			t.Errorf("without default site: Site(%q) = %q, want %q", host, got, want)
		}
	}
	if s := new(hostmap.Map).Site("a.test"); s != nil {
		t.Errorf("the zero map has %v", s)
	}
	first := hostmap.NewSite(hostmap.Site{Host: "a.test"})
	twice := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{first, hostmap.NewSite(hostmap.Site{Host: "a.test"})}})
	if twice.Site("a.test") != first || len(twice.Sites()) != 1 {
		t.Error("of two sites with one host the first does not hold")
	}
}

// TestSiteManyHosts: every host of a large map is found and its neighbours are
// not, hosts of every length among them.
func TestSiteManyHosts(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(6, 6))
	known := make(map[string]bool)
	for len(known) < 5000 {
		b := make([]byte, 1+r.IntN(60))
		for i := range b {
			b[i] = byte('a' + r.IntN(26))
		}
		host := string(b) + ".test"
		for range r.IntN(4) {
			host = string(b) + "." + host
		}
		if len(host) <= 251 {
			known[host] = true
			known["*."+host] = true
		}
	}
	hosts := slices.Sorted(func(yield func(string) bool) {
		for h := range known {
			if !yield(h) {
				return
			}
		}
	})
	r.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	m := mapOf(hosts...)
	for h := range known {
		ask := strings.Replace(h, "*.", "1.", 1)
		if s := m.Site(ask); s == nil || s.Host != h {
			t.Fatalf("Site(%q) = %q, want %q", ask, s.Label(), h)
		}
		if s := m.Site("1.2." + strings.TrimPrefix(h, "*.")); s != nil {
			t.Fatalf("a wildcard took two labels: %q", s.Host)
		}
		if other := strings.TrimPrefix(h, "*.") + "x"; !known[other] && m.Site(other) != nil {
			t.Fatalf("%q is served", other)
		}
	}
}

func TestHandshake(t *testing.T) {
	a, b, d := leaf("a", "a.test"), leaf("wrong", "other.test"), leaf("d", "default.test")
	sites := []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "a.test", Certificates: []*hostmap.Certificate{a, rsaLeaf("a", "a.test")}}),
		hostmap.NewSite(hostmap.Site{Host: "wrong.test", Certificates: []*hostmap.Certificate{b}}),
		hostmap.NewSite(hostmap.Site{Host: "none.test"}),
		hostmap.NewSite(hostmap.Site{Host: "broken.test", Certificates: []*hostmap.Certificate{a}, Policy: hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire)}),
	}
	rest := hostmap.NewSite(hostmap.Site{Certificates: []*hostmap.Certificate{b}})
	broken := hostmap.NewSite(hostmap.Site{Certificates: []*hostmap.Certificate{b}, Policy: hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire)})
	defaults := []*hostmap.Certificate{d}
	for _, c := range []struct {
		name     string
		sni      string
		rest     *hostmap.Site
		defaults []*hostmap.Certificate
		want     []*hostmap.Certificate
	}{
		{"its certificates, in order", "a.test", nil, nil, sites[0].Certificates},
		{"as named, though it does not cover", "wrong.test", nil, defaults, []*hostmap.Certificate{b}},
		{"never another's, nor the default", "none.test", rest, defaults, nil},
		{"broken client-auth is refused", "broken.test", nil, defaults, nil},
		{"unserved: the default", "x.test", nil, defaults, defaults},
		{"unserved, no default: refused", "x.test", nil, nil, nil},
		{"no name: the default", "", nil, defaults, defaults},
		{"no name, no default: refused", "", nil, nil, nil},
		{"no name: the default before the default site's", "", rest, defaults, defaults},
		{"no name: the default site's", "", rest, nil, rest.Certificates},
		{"a name for the default site", "x.test", rest, defaults, rest.Certificates},
		{"the default site's broken client-auth", "", broken, defaults, nil},
		{"the same by name", "x.test", broken, defaults, nil},
	} {
		spec := hostmap.Spec{Sites: slices.Clone(sites), Defaults: c.defaults}
		if c.rest != nil {
			spec.Sites = append(spec.Sites, c.rest)
		}
		h := hostmap.Connect(hostmap.New(spec), c.sni)
		if !slices.Equal(h.Certificates, c.want) {
			t.Errorf("%s: %d certificates, want %d", c.name, len(h.Certificates), len(c.want))
		}
		if (h.Refused != "") != (len(c.want) == 0) {
			t.Errorf("%s: refused %q", c.name, h.Refused)
		}
		if c.sni == "x.test" && h.Site != c.rest {
			t.Errorf("%s: site %v", c.name, h.Site.Label())
		}
	}
}

func TestTLSPolicyID(t *testing.T) {
	one, two := clientCA("one"), clientCA("two")
	id := func(mode hostmap.ClientAuth, depth int, cas ...*x509.Certificate) hostmap.PolicyID {
		return hostmap.NewTLSPolicy(mode, depth, cas).ID
	}
	base := id(hostmap.ClientAuthRequire, 1, one, two)
	if base == (hostmap.PolicyID{}) {
		t.Error("the identity is that of asking for nothing")
	}
	for name, same := range map[string]hostmap.PolicyID{
		"other order":   id(hostmap.ClientAuthRequire, 1, two, one),
		"named twice":   id(hostmap.ClientAuthRequire, 1, two, one, two, one),
		"another parse": id(hostmap.ClientAuthRequire, 1, clientCA("one"), clientCA("two")),
	} {
		if same != base {
			t.Errorf("%s: another identity", name)
		}
	}
	for name, other := range map[string]hostmap.PolicyID{
		"mode":     id(hostmap.ClientAuthOptional, 1, one, two),
		"depth":    id(hostmap.ClientAuthRequire, 2, one, two),
		"fewer":    id(hostmap.ClientAuthRequire, 1, one),
		"more":     id(hostmap.ClientAuthRequire, 1, one, two, clientCA("three")),
		"no CA":    id(hostmap.ClientAuthRequire, 1),
		"no asked": id(hostmap.ClientAuthNone, 1, one, two),
	} {
		if other == base {
			t.Errorf("%s: the same identity", name)
		}
	}
	cas := []*x509.Certificate{two, one}
	hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, cas)
	if cas[0] != two {
		t.Error("the caller's CAs were sorted")
	}
}

// TestText: one line for each thing, in one order, and nothing of a key.
func TestText(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM := pair(t, key, "keyed.test")
	keyed, err := hostmap.ParseCertificate(hostmap.SecretRef{Namespace: "default", Name: "keyed"}, certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	a := leaf("a", "a.test", "*.w.test")
	class := &hostmap.Class{
		Name: "public", Rule: hostmap.RuleSameCertificate, Report: true, UnservedMisdirected: true, CloseOnMisdirected: true,
		ShareCertificates: true, DefaultCertificate: hostmap.SecretRef{Namespace: "default", Name: "a"},
		Origin: hostmap.OriginNever, MinVersion: tls.VersionTLS13, TrustedGateways: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	}
	k := &hostmap.Backend{Namespace: "default", Service: "web", Port: "http", Endpoints: []netip.AddrPort{netip.MustParseAddrPort("10.1.1.1:80"), netip.MustParseAddrPort("[fd00::1]:80")}}
	sites := []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "keyed.test", Certificates: []*hostmap.Certificate{keyed}}),
		hostmap.NewSite(hostmap.Site{Host: "*.w.test", Namespace: "default", Class: class, Certificates: []*hostmap.Certificate{a}, Policy: hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire)}),
		hostmap.NewSite(hostmap.Site{Host: "a.test", Namespace: "default", Class: class, Certificates: []*hostmap.Certificate{a}, Terms: hostmap.Terms{HTTPSRedirect: true}, Report: true, Routes: []*hostmap.Route{
			{Path: "/", Backend: k, From: hostmap.Object{Kind: "Ingress", Namespace: "default", Name: "a"}},
			{Type: hostmap.Exact, Path: "/x y", Backend: &hostmap.Backend{Namespace: "default", Service: "gone", Port: "80", Missing: hostmap.MissingService}, From: hostmap.Object{Kind: "Ingress", Namespace: "default", Name: "a"}},
			{Default: true, Backend: &hostmap.Backend{Namespace: "default", Service: "idle", Port: "80"}, From: hostmap.Object{Kind: "Ingress", Namespace: "default", Name: "a"}},
		}}),
		hostmap.NewSite(hostmap.Site{}),
	}
	spec := hostmap.Spec{Sites: sites, Class: class, Defaults: []*hostmap.Certificate{a}, Certificates: []*hostmap.Certificate{keyed, a, a}}
	m := hostmap.New(spec)
	want := strings.NewReplacer("$A", a.ShortFingerprint(), "$K", keyed.ShortFingerprint()).Replace(`class public rule=same-certificate min-version=TLS1.3 report unserved=421 close-on-misdirected share-certificates=cluster origin=never default-certificate=default/a trusts=10.0.0.0/8
class (built-in) rule=certificate min-version=TLS1.2
certificate default/a $A ECDSA not-after=2027-11-01T00:00:00Z names=a.test,*.w.test
certificate default/keyed $K ECDSA not-after=2026-11-02T00:00:00Z names=keyed.test
default-certificate default/a $A
site _default rule=certificate certificates=none
site *.w.test rule=certificate class=public namespace=default client-auth=require(unresolved) certificates=default/a@$A
site a.test rule=certificate class=public report redirect certificates=default/a@$A
  Exact "/x y" -> HTTP default/gone:80 missing=service_not_found ingress=default/a
  Prefix "/" -> HTTP default/web:http endpoints=10.1.1.1:80,[fd00::1]:80 ingress=default/a
  default -> HTTP default/idle:80 endpoints=none ingress=default/a
site keyed.test rule=certificate certificates=default/keyed@$K
`)
	if got := m.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	slices.Reverse(spec.Sites)
	slices.Reverse(spec.Certificates)
	if hostmap.New(spec).String() != m.String() {
		t.Error("the text depends on the order of the sites")
	}
	block, _ := pem.Decode(keyPEM)
	scalar := must(key.ECDH()).Bytes()
	for _, text := range []string{m.String(), fmt.Sprint(m), fmt.Sprintf("%+v", m)} {
		for _, secret := range []string{base64.StdEncoding.EncodeToString(block.Bytes)[40:], fmt.Sprintf("%x", scalar), new(big.Int).SetBytes(scalar).String(), "PRIVATE"} {
			if strings.Contains(text, secret) {
				t.Fatal("the text holds the key")
			}
		}
		if bytes.Contains([]byte(text), scalar) {
			t.Fatal("the text holds the key")
		}
	}
}

// TestLabels: whatever its host is called, a site has a label of its own.
func TestLabels(t *testing.T) {
	if _, err := hostmap.Host(hostmap.LabelDefault); err != nil {
		t.Fatalf("no host can be called so: %v", err)
	}
	seen := map[string]string{(*hostmap.Site)(nil).Label(): "no site"}
	for _, host := range []string{"", "a.test", "_default", "_unserved", "_default.test", "*._default", "default"} {
		label := hostmap.NewSite(hostmap.Site{Host: host}).Label()
		if other, taken := seen[label]; taken {
			t.Errorf("site %q and %q have the label %q", host, other, label)
		}
		seen[label] = host
	}
}

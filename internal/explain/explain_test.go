package explain_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/explain"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// leaf makes a certificate of Secret "namespace/name" that was never signed,
// which nothing here looks at.
func leaf(secret string, names ...string) *hostmap.Certificate {
	cert := &x509.Certificate{PublicKey: &ecdsa.PublicKey{Curve: elliptic.P256()}, Raw: fmt.Appendf(nil, "%s %s", secret, names)}
	for _, n := range names {
		if a, err := netip.ParseAddr(strings.Trim(n, "[]")); err == nil {
			cert.IPAddresses = append(cert.IPAddresses, net.IP(a.AsSlice()))
		} else {
			cert.DNSNames = append(cert.DNSNames, n)
		}
	}
	namespace, name, _ := strings.Cut(secret, "/")
	c, err := hostmap.NewCertificate(hostmap.SecretRef{Namespace: namespace, Name: name}, tls.Certificate{Certificate: [][]byte{cert.Raw}, Leaf: cert})
	if err != nil {
		panic(err)
	}
	return c
}

func clientAuth(ca string) hostmap.TLSPolicy {
	return hostmap.NewTLSPolicy(hostmap.ClientAuthRequire, 1, []*x509.Certificate{{Raw: []byte(ca), RawSubject: []byte(ca)}})
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

var (
	hosts    = []string{"a.test", "b.test", "x.w.test", "mtls.w.test", "*.w.test", "192.0.2.1", ""}
	asked    = []string{"a.test", "A.TEST:8443", "b.test.", "x.w.test", "y.w.test", "mtls.w.test", "192.0.2.1", "unserved.test", "a..test", "[::1"}
	paths    = []string{"/", "/a", "/a/b", "/.well-known/acme-challenge/t", "/a/../b", "a", "/%zz", ""}
	loopback = netip.MustParseAddr("127.0.0.1")
	inside   = netip.MustParseAddr("10.1.2.3")
	pods     = []netip.AddrPort{netip.MustParseAddrPort("10.1.2.3:8080")}
)

// randomMap has certificates that overlap, policies, rules, terms and owners of
// every kind.
func randomMap(r *rand.Rand) *hostmap.Map {
	certificates := []*hostmap.Certificate{
		leaf("one/ab", "a.test", "b.test"), leaf("two/w", "*.w.test"), leaf("one/x", "x.w.test", "192.0.2.1"),
		leaf("two/all", "a.test", "*.w.test", "b.test"), leaf("one/wrong", "other.test"),
	}
	some := func(most int) (out []*hostmap.Certificate) {
		for range r.IntN(most + 1) {
			out = append(out, pick(r, certificates...))
		}
		return out
	}
	class := func(name string) *hostmap.Class {
		c := &hostmap.Class{
			Name: name, Rule: hostmap.Rule(r.IntN(4)), Report: r.IntN(4) == 0, UnservedMisdirected: r.IntN(2) == 0,
			ShareCertificates: r.IntN(2) == 0, MinVersion: pick[uint16](r, tls.VersionTLS12, tls.VersionTLS13), Origin: hostmap.OriginMode(r.IntN(3)),
		}
		if r.IntN(2) == 0 {
			c.TrustedGateways = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		}
		return c
	}
	classes := []*hostmap.Class{class("one"), class("two")}
	spec := hostmap.Spec{Class: classes[0], Defaults: some(1), Certificates: certificates}
	regex, err := hostmap.NewPathRegex("/a(.*)")
	if err != nil {
		panic(err)
	}
	for _, host := range hosts {
		if r.IntN(3) == 0 {
			continue
		}
		s := hostmap.Site{
			Host: host, Namespace: pick(r, "one", "one", "two", ""), Class: pick(r, classes...), Certificates: some(2),
			Policy: pick(r, hostmap.TLSPolicy{}, hostmap.TLSPolicy{}, clientAuth("one"), clientAuth("two"), hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire)),
			Rule:   hostmap.Rule(r.IntN(4)), Report: r.IntN(4) == 0, Terms: hostmap.Terms{HTTPSRedirect: r.IntN(2) == 0},
		}
		for range r.IntN(3) {
			rt := &hostmap.Route{
				Type: pick(r, hostmap.Prefix, hostmap.Exact), Path: pick(r, "/", "/a"), Default: r.IntN(5) == 0,
				Backend: &hostmap.Backend{Namespace: "one", Service: "web", Port: "80", Endpoints: pods}, From: hostmap.Object{Kind: "Ingress", Namespace: "one", Name: "web"},
			}
			if r.IntN(5) == 0 {
				rt.Type, rt.Path, rt.Regex = hostmap.Regex, "/a(.*)", regex
			}
			switch r.IntN(12) {
			case 0:
				rt.Backend.Missing = pick(r, hostmap.MissingService, hostmap.MissingPort, hostmap.UnsupportedBackend, hostmap.MissingCA, hostmap.MissingProtection)
			case 1:
				rt.Backend.Endpoints = nil
			}
			switch r.IntN(6) {
			case 0:
				rt.Terms.Redirect = hostmap.Redirect{Status: 302, Target: "https://other.test/"}
			case 1:
				rt.Terms.Allow = hostmap.NewRanges(netip.MustParsePrefix("10.0.0.0/8"))
			case 2:
				rt.Terms.RewriteTarget = "/z"
			}
			s.Routes = append(s.Routes, rt)
		}
		spec.Sites = append(spec.Sites, hostmap.NewSite(s))
	}
	return hostmap.New(spec)
}

func randomQuestion(r *rand.Rand) explain.Question {
	return explain.Question{
		ServerName: pick(r, append(asked, "")...), Cleartext: r.IntN(6) == 0, Version: pick[uint16](r, 0, tls.VersionTLS12, tls.VersionTLS13),
		Peer: pick(r, loopback, inside, netip.Addr{}), Client: pick(r, netip.Addr{}, inside), FromHTTPS: r.IntN(4) == 0,
		Scheme: pick(r, "", "", "", "https", "http"), Authority: pick(r, asked...), Path: pick(r, paths...),
	}
}

// outcome is what the wire does: what it calls, in the order in which it does.
func outcome(m *hostmap.Map, q explain.Question) (refused bool, v hostmap.Verdict) {
	f := hostmap.Facts{Peer: q.Peer}
	if !q.Cleartext {
		if q.Version == 0 {
			q.Version = tls.VersionTLS13
		}
		h := hostmap.Connect(m, q.ServerName)
		if !h.Takes(q.Version) {
			return true, v
		}
		f = h.Facts(h.Certificates[0], q.Peer)
		f.Version = q.Version
	}
	host, _, err := hostmap.Authority(q.Authority)
	if err != nil {
		return false, hostmap.Verdict{Action: hostmap.ActionRefuse, Status: 400, Reason: "bad_authority"}
	}
	if q.Path == "" {
		q.Path = "/"
	}
	path, err := hostmap.Path(q.Path)
	if err != nil {
		return false, hostmap.Verdict{Action: hostmap.ActionRefuse, Status: 400, Reason: "bad_path"}
	}
	client := q.Client
	if !client.IsValid() {
		client = q.Peer
	}
	r := hostmap.Request{Scheme: q.Scheme, Host: host, Path: path}
	v = hostmap.Judge(m, &f, r)
	hostmap.Apply(&v, &f, &r, hostmap.Client{FromHTTPS: q.FromHTTPS, Address: client, ContentLength: -1})
	if v.Action == hostmap.ActionServe {
		switch k := v.Route.Backend; {
		case k.Missing != "":
			v.Action, v.Status, v.Reason = hostmap.ActionRefuse, 503, hostmap.Reason(k.Missing)
		case len(k.Endpoints) == 0:
			v.Action, v.Status, v.Reason = hostmap.ActionRefuse, 503, "no_endpoints"
		}
	}
	return false, v
}

// TestExplainsWhatIsServed holds answers to what the wire does, on ten thousand
// random maps: the verdict is the same, the last step that fails is its reason,
// and nothing is left without words.
func TestExplainsWhatIsServed(t *testing.T) {
	seen := make(map[string]int)
	for seed := range uint64(10_000) {
		r := rand.New(rand.NewPCG(421, seed))
		m := randomMap(r)
		for range 4 {
			q := randomQuestion(r)
			a := explain.Of(m, q)
			refused, v := outcome(m, q)
			want := explain.Verdict{Action: "no-connection"}
			if !refused {
				want = explain.Verdict{Action: v.Action.String(), Status: v.Status, Reason: string(v.Reason), Reported: string(v.Reported), Retry: v.Retry, Close: v.Close}
			}
			got := a.Verdict
			got.Rule, got.Location, got.Route, got.Backend, got.Path = "", "", "", "", ""
			if got != want {
				t.Fatalf("seed %d: %+v: got %+v, want %+v\n%s", seed, q, got, want, m)
			}
			seen[fmt.Sprint(want.Action, want.Status, want.Reason)]++
			checkWords(t, &a)
			if t.Failed() {
				t.Fatalf("seed %d: %+v: %+v\n%s", seed, q, a, m)
			}
		}
	}
	if len(seen) < 15 {
		t.Errorf("the maps have too few kinds of outcomes: %v", seen)
	}
}

func checkWords(t *testing.T, a *explain.Answer) {
	t.Helper()
	failed := 0
	for i, s := range a.Steps {
		if s.Number == "" || s.Name == "" || s.Why == "" || s.Ground == "" || !strings.HasSuffix(s.Why, ".") {
			t.Errorf("a step without words: %+v", s)
		}
		if s.Outcome == "fails" {
			failed++
			if next := i + 1; next < len(a.Steps) && a.Steps[next].Number != "terms" {
				t.Errorf("step %s is asked after %s has failed", a.Steps[next].Name, s.Name)
			}
		}
	}
	switch {
	case a.Verdict.Action == "refuse" && a.Verdict.Status != 400 && failed != 1:
		t.Errorf("%d steps failed, for %+v", failed, a.Verdict)
	case a.Verdict.Action == "serve" && failed != 0:
		t.Errorf("a step failed, and the request is served")
	}
	for _, c := range a.Clients {
		if c.Does == "" {
			t.Errorf("%s does nothing", c.Name)
		}
	}
	if a.Verdict.Action != "serve" && a.Verdict.Action != "redirect" && len(a.Advice) == 0 {
		t.Errorf("nothing to change, for %+v", a.Verdict)
	}
	var table, text strings.Builder
	if err := a.Table(&table); err != nil {
		t.Error(err)
	}
	if err := a.JSON(&text); err != nil || strings.Contains(text.String(), "null") {
		t.Errorf("%v\n%s", err, text.String())
	}
	if strings.Contains(table.String(), "%!") || strings.Contains(table.String(), "  \n") {
		t.Errorf("a slip in the table:\n%s", table.String())
	}
}

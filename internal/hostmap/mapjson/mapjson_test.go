package mapjson_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/hostmap/mapjson"
)

func issue(t *testing.T, secret string, curve elliptic.Curve, names ...string) *hostmap.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	end := time.Date(2040, 2, 3, 4, 5, 6, 0, time.UTC)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: end.Add(-time.Hour), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := hostmap.NewCertificate(hostmap.SecretRef{Namespace: "shop", Name: secret}, tls.Certificate{Certificate: [][]byte{der}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// world is a map with one of everything.
func world(t *testing.T) *hostmap.Map {
	t.Helper()
	a := issue(t, "a", elliptic.P256(), "a.test", "*.shop.test")
	b := issue(t, "b", elliptic.P384(), "b.test")
	strict := &hostmap.Class{
		Name: "strict", Rule: hostmap.RuleServerName, UnservedMisdirected: true, Origin: hostmap.OriginNever,
		ShareCertificates: true, DefaultCertificate: hostmap.SecretRef{Namespace: "shop", Name: "a"},
		Guarded:         hostmap.Guarded{Namespace: "old", Service: "nginx", Port: "https", Protocol: hostmap.HTTPS},
		TrustedGateways: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, MinVersion: tls.VersionTLS13, NginxAnnotations: "strict",
	}
	plain := hostmap.BuiltinClass()
	web := &hostmap.Backend{
		Namespace: "shop", Service: "web", Port: "http", ServerName: "inner.test", Protocol: hostmap.GRPCS,
		CAs: x509.NewCertPool(), CAID: [32]byte{7},
		Endpoints: []netip.AddrPort{netip.MustParseAddrPort("10.1.2.3:8080"), netip.MustParseAddrPort("[fd00::1]:8080")},
	}
	missing := &hostmap.Backend{Namespace: "shop", Service: "gone", Port: "80", Missing: hostmap.MissingService}
	route := func(typ hostmap.PathType, path string, k *hostmap.Backend) *hostmap.Route {
		return &hostmap.Route{Type: typ, Path: path, Backend: k, From: hostmap.Object{Kind: "Ingress", Namespace: "shop", Name: "web"}}
	}
	asked := route(hostmap.Regex, "/y/(.*)", web)
	asked.From.Kind = "HTTPRoute"
	asked.Terms = hostmap.Terms{
		Allow: hostmap.NewRanges(netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")), Deny: hostmap.NewRanges(netip.MustParsePrefix("10.1.0.0/16")),
		MaxBodySize: 1 << 20, RewriteTarget: "/z/$1",
		CORS: hostmap.NewCORS(hostmap.CORSTerms{
			Origins: "https://*.b.test", Methods: "GET", Headers: "X-A", Expose: "X-B", Credentials: true, MaxAge: "600",
		}),
		Quota:     hostmap.Quota{PerSecond: 10, PerMinute: 60, Burst: 5, Concurrent: 3, Except: hostmap.NewRanges(netip.MustParsePrefix("10.2.0.0/16"))},
		BasicAuth: hostmap.NewBasicAuth(hostmap.BasicAuthTerms{Realm: "vault"}),
		Auth: hostmap.NewAuth(hostmap.AuthTerms{
			Host: "auth.test", Path: "/a", Method: "GET", Redirect: "/r", SignIn: "https://auth.test/", Fields: "x-user", AlwaysSetCookie: true, CacheKey: "k", Cache: "200 1s",
		}),
		SatisfyAny: true,
		Answers: hostmap.NewAnswers(
			hostmap.Answer{Status: 301, Text: "https://b.test${uri}", When: hostmap.Condition{Of: "host", Texts: "x\ny", Start: true, End: true, Fold: true, Not: true}},
			hostmap.Answer{Status: 204, Fields: hostmap.NewFieldEdits(hostmap.FieldEdit{Name: "x-a", Value: "1"}), When: hostmap.Condition{Of: "uri", Texts: "/never", Location: true}},
			hostmap.Answer{Status: 200, Text: "{}", Type: "application/json", When: hostmap.Condition{Of: "uri", Texts: "nor this"}},
		),
		RequestFields:  hostmap.NewFieldEdits(hostmap.FieldEdit{Op: hostmap.RemoveField, Name: "x-b"}),
		ResponseFields: hostmap.NewFieldEdits(hostmap.FieldEdit{Op: hostmap.AddField, Name: "x-c", Value: "${host}", Unsuccessful: true}),
		Affinity: hostmap.NewAffinity(hostmap.AffinityTerms{
			Cookie: "c", Path: "/y", Domain: "a.test", MaxAge: "60", Expires: time.Hour, SameSite: "None", Conditional: true,
			Secure: "true", Persistent: true, ChangeOnFailure: true, CanaryAside: true,
		}),
		HashBy:         hostmap.NewHashBy(hostmap.HashByTerms{Key: "$host", Among: 3}),
		ConnectTimeout: time.Second, ReadTimeout: 2 * time.Minute, SendTimeout: 1500 * time.Millisecond,
	}
	pattern, err := hostmap.NewPathRegex("b.*")
	if err != nil {
		t.Fatal(err)
	}
	asked.Canary = hostmap.NewCanary(hostmap.CanaryTerms{
		Backend: missing, Header: "x-a", Value: "b", Pattern: pattern, Cookie: "c", Weight: 10, Total: 1000,
		From: hostmap.Object{Kind: "Ingress", Namespace: "shop", Name: "canary"},
	})
	if asked.Regex, err = hostmap.NewPathRegex(asked.Path); err != nil {
		t.Fatal(err)
	}
	moved := route(hostmap.Prefix, "/old", web)
	moved.Terms.Redirect = hostmap.Redirect{Status: 301, Target: "https://new.test/?a=b"}
	rest := route(hostmap.Prefix, "", missing)
	rest.Default = true
	closed := &hostmap.Class{Name: "closed", MinVersion: tls.VersionTLS12, Unresolved: true, Claims: []hostmap.Claim{{Host: "*.test", Namespaces: []string{"shop"}}, {Host: "no.test"}}}
	m := hostmap.New(hostmap.Spec{
		Class:        strict,
		Defaults:     []*hostmap.Certificate{a},
		Certificates: []*hostmap.Certificate{a, b},
		Sites: []*hostmap.Site{
			hostmap.NewSite(hostmap.Site{Host: "a.test", Namespace: "shop", Class: plain, Certificates: []*hostmap.Certificate{a}, Terms: hostmap.Terms{HTTPSRedirect: true, HSTS: "max-age=60", Deny: hostmap.NewRanges(netip.MustParsePrefix("10.9.0.0/16"))}, Routes: []*hostmap.Route{
				route(hostmap.Exact, "/x", web), route(hostmap.Prefix, "/", missing), asked, moved,
			}}),
			hostmap.NewSite(hostmap.Site{
				Host: "b.test", Namespace: "shop", Class: strict, Rule: hostmap.RuleSameCertificate, Report: true, Certificates: []*hostmap.Certificate{b, a},
				Policy: hostmap.NewTLSPolicy(hostmap.ClientAuthOptional, 3, nil), Routes: []*hostmap.Route{rest},
			}),
			hostmap.NewSite(hostmap.Site{Host: "*.shop.test", Namespace: "shop", Class: plain, Rule: hostmap.RuleOff, Policy: hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire)}),
			hostmap.NewSite(hostmap.Site{Host: "first.test", Namespace: "shop", Class: closed,
				First: []*hostmap.Route{route(hostmap.Prefix, "/", missing)}, Routes: []*hostmap.Route{route(hostmap.Exact, "/x", web)}}),
			hostmap.NewSite(hostmap.Site{Namespace: "shop", Class: plain, Routes: []*hostmap.Route{rest}}),
		},
	})
	return m
}

func TestMapSurvives(t *testing.T) {
	m := world(t)
	var text bytes.Buffer
	if err := mapjson.Write(&text, m); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(text.Bytes()) || strings.Contains(text.String(), "null") {
		t.Errorf("JSON with null for an empty list, or none at all:\n%s", text.String())
	}
	again, err := mapjson.Read(&text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m.String(), again.String()); diff != "" {
		t.Errorf("the map that was read (-written +read):\n%s", diff)
	}
	// It judges alike.
	for _, at := range []string{"a.test/x", "a.test/y/1", "a.test/old/2", "b.test/x", "c.shop.test/x", "first.test/x", "else.test/x"} {
		i := strings.IndexByte(at, '/')
		host, path := at[:i], at[i:]
		judge := func(m *hostmap.Map) (v hostmap.Verdict, route string) {
			h := hostmap.Connect(m, "a.test")
			f := h.Facts(h.Certificates[0], netip.Addr{})
			f.Version = tls.VersionTLS13
			r := hostmap.Request{Scheme: "https", Host: host, Path: path}
			v = hostmap.Judge(m, &f, r)
			hostmap.Apply(&v, &f, &r, hostmap.Client{Address: netip.MustParseAddr("10.2.3.4")})
			if v.Route != nil {
				route = v.Route.Path + " to " + v.Location()
			}
			v.Site, v.Route = nil, nil
			return v, route
		}
		want, wantRoute := judge(m)
		if got, route := judge(again); got != want || route != wantRoute {
			t.Errorf("verdict for %s:\n got %+v %s\nwant %+v %s", at, got, route, want, wantRoute)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":             "<html>",
		"no class":            `{"unservedClass":"x"}`,
		"unknown rule":        `{"classes":[{"name":"","rule":"lax","originFrame":"Auto"}]}`,
		"unknown origin":      `{"classes":[{"name":"","rule":"off","originFrame":"auto"}]}`,
		"missing certificate": `{"classes":[{"name":"","rule":"off","originFrame":"Auto"}],"sites":[{"host":"a.test","rule":"off","certificates":[{"secret":"a/b","fingerprint":"00"}]}]}`,
		"broken leaf":         `{"classes":[{"name":"","rule":"off","originFrame":"Auto"}],"certificates":[{"secret":"a/b","leaf":"AAAA"}]}`,
		"empty range":         `{"classes":[{"name":"","rule":"off","originFrame":"Auto"}],"sites":[{"host":"a.test","rule":"off","routes":[{"type":"Prefix","path":"/","backend":{"protocol":"HTTP"},"terms":{"deny":[""]}}]}]}`,
		"time-out":            `{"classes":[{"name":"","rule":"off","originFrame":"Auto"}],"sites":[{"host":"a.test","rule":"off","routes":[{"type":"Prefix","path":"/","backend":{"protocol":"HTTP"},"terms":{"readTimeout":"3"}}]}]}`,
		"regular expression":  `{"classes":[{"name":"","rule":"off","originFrame":"Auto"}],"sites":[{"host":"a.test","rule":"off","routes":[{"type":"Regex","path":"/(","backend":{"protocol":"HTTP"}}]}]}`,
		"policy id":           `{"classes":[{"name":"","rule":"off","originFrame":"Auto"}],"sites":[{"host":"a.test","rule":"off","clientAuth":{"mode":"require","policy":"12"}}]}`,
	} {
		if m, err := mapjson.Read(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), "read host map: ") {
			t.Errorf("%s: map %v, error %v, want an error that says what was read", name, m, err)
		}
	}
}

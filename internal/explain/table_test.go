package explain_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingress421/ingress421/internal/explain"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// shop is a map with an example of what people ask about.
func shop() *hostmap.Map {
	class := &hostmap.Class{Name: "public", MinVersion: 0x0303, TrustedGateways: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}}
	wildcard := leaf("shop/wildcard", "*.shop.test", "shop.test")
	site := func(host, namespace string, edit func(*hostmap.Site), certificates ...*hostmap.Certificate) *hostmap.Site {
		s := hostmap.Site{Host: host, Namespace: namespace, Class: class, Certificates: certificates}
		s.Routes = []*hostmap.Route{{
			Path: "/", Backend: &hostmap.Backend{Namespace: namespace, Service: strings.Split(host, ".")[0], Port: "80", Endpoints: pods},
			From: hostmap.Object{Kind: "Ingress", Namespace: namespace, Name: strings.Split(host, ".")[0]},
		}}
		if edit != nil {
			edit(&s)
		}
		return hostmap.NewSite(s)
	}
	return hostmap.New(hostmap.Spec{Class: class, Sites: []*hostmap.Site{
		site("www.shop.test", "shop", nil, wildcard),
		site("pay.shop.test", "shop", func(s *hostmap.Site) { s.Rule = hostmap.RuleSameCertificate }, leaf("shop/pay", "pay.shop.test")),
		site("partner.shop.test", "shop", func(s *hostmap.Site) { s.Policy = clientAuth("partners") }, wildcard),
		site("vault.shop.test", "shop", func(s *hostmap.Site) { s.Policy = hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire) }, wildcard),
		site("cuckoo.shop.test", "other", nil),
		site("closed.shop.test", "shop", func(s *hostmap.Site) { s.Routes[0].Backend.Missing = hostmap.MissingProtection }, wildcard),
		site("news.test", "news", func(s *hostmap.Site) {
			s.Routes[0].Terms = hostmap.Terms{Allow: hostmap.NewRanges(netip.MustParsePrefix("192.0.2.0/24")), RewriteTarget: "/v2",
				Quota: hostmap.Quota{PerMinute: 60}, BasicAuth: hostmap.NewBasicAuth(hostmap.BasicAuthTerms{})}
		}, leaf("news/tls", "news.test", "news.example")),
		site("idle.test", "news", func(s *hostmap.Site) {
			s.Routes[0].Backend.Endpoints = nil
			s.Routes[0].Terms = hostmap.Terms{Quota: hostmap.Quota{PerMinute: 60}, BasicAuth: hostmap.NewBasicAuth(hostmap.BasicAuthTerms{})}
		}, leaf("news/idle", "idle.test")),
	}})
}

// TestTable holds the texts of examples to what was read and found good. Each
// file under testdata is named after the case.
func TestTable(t *testing.T) {
	for name, q := range map[string]explain.Question{
		"served":                          {ServerName: "www.shop.test", Authority: "www.shop.test"},
		"rule of the host":                {ServerName: "www.shop.test", Authority: "pay.shop.test", Path: "/cart"},
		"client certificates":             {ServerName: "www.shop.test", Authority: "partner.shop.test"},
		"client certificates not covered": {ServerName: "news.test", Authority: "partner.shop.test"},
		"unresolved":                      {ServerName: "vault.shop.test", Authority: "vault.shop.test"},
		"another tenant":                  {ServerName: "www.shop.test", Authority: "cuckoo.shop.test"},
		"not covered":                     {ServerName: "www.shop.test", Authority: "news.test"},
		"behind a CDN":                    {ServerName: "www.shop.test", Authority: "news.test", Peer: netip.MustParseAddr("10.9.1.1"), Client: netip.MustParseAddr("192.0.2.7")},
		"outside the range":               {ServerName: "news.test", Authority: "news.test", Peer: netip.MustParseAddr("198.51.100.1")},
		"unserved":                        {ServerName: "www.shop.test", Authority: "old.shop.test"},
		"no such server name":             {ServerName: "gone.test", Authority: "gone.test"},
		"no pods behind a password":       {ServerName: "idle.test", Authority: "idle.test"},
		"closed":                          {ServerName: "closed.shop.test", Authority: "closed.shop.test"},
		"cleartext":                       {Cleartext: true, Authority: "partner.shop.test"},
		"no host at all":                  {ServerName: "www.shop.test", Authority: "a b"},
	} {
		t.Run(name, func(t *testing.T) {
			a := explain.Of(shop(), q)
			var got strings.Builder
			if err := a.Table(&got); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".txt")
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

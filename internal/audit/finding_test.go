package audit

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// world is a map to be audited: a site of namespace "shop" unless its host's
// line says otherwise.
type world struct {
	spec  hostmap.Spec
	class hostmap.Class
}

func (w *world) site(host, ingress string, certificate *hostmap.Certificate, change ...func(*hostmap.Site)) {
	namespace, _, _ := strings.Cut(ingress, "/")
	s := hostmap.Site{Host: host, Namespace: namespace, Class: &w.class, Certificates: []*hostmap.Certificate{certificate}}
	_, name, _ := strings.Cut(ingress, "/")
	s.Routes = []*hostmap.Route{{Path: "/", Backend: &hostmap.Backend{}, From: hostmap.Object{Kind: "Ingress", Namespace: namespace, Name: name}}}
	for _, f := range change {
		f(&s)
	}
	w.spec.Sites = append(w.spec.Sites, hostmap.NewSite(s))
}

func (w *world) built() *hostmap.Map {
	w.spec.Class = &w.class
	for _, s := range w.spec.Sites {
		w.spec.Certificates = append(w.spec.Certificates, s.Certificates...)
	}
	return hostmap.New(w.spec)
}

func newWorld() *world {
	return &world{class: hostmap.Class{Name: "public", MinVersion: tls.VersionTLS12}}
}

func rule(r hostmap.Rule) func(*hostmap.Site) { return func(s *hostmap.Site) { s.Rule = r } }
func asks(p hostmap.TLSPolicy) func(*hostmap.Site) {
	return func(s *hostmap.Site) { s.Policy = p }
}

func TestFindings(t *testing.T) {
	wildcard := leaf("shop/wild", "*.shop.test")
	for _, tt := range []struct {
		name    string
		make    func(*world)
		options func(*Options)
		want    []string
	}{
		{
			name: "a certificate for each host is clean",
			make: func(w *world) {
				w.site("a.test", "one/a", leaf("one/a", "a.test"))
				w.site("b.test", "two/b", leaf("two/b", "b.test"))
			},
		},
		{
			name: "hosts that share a certificate under one policy are clean",
			make: func(w *world) {
				w.site("a.shop.test", "shop/web", wildcard)
				w.site("b.shop.test", "shop/web", wildcard)
				w.site("*.shop.test", "shop/rest", wildcard)
			},
		},
		{
			name: "a certificate that does not name its host",
			make: func(w *world) { w.site("www.shop.test", "shop/web", leaf("shop/tls", "shop.test")) },
			want: []string{
				"error HostNotCovered [Ingress shop/web, Secret shop/tls] [www.shop.test] get 421 certificate",
				"info NameNotServed [Secret shop/tls] [shop.test] get 404 unserved",
			},
		},
		{
			name: "a certificate that does not name its host, and nobody asks",
			make: func(w *world) { w.site("www.test", "shop/web", leaf("shop/tls", "shop.test"), rule(hostmap.RuleOff)) },
			want: []string{
				"error HostNotCovered [Ingress shop/web, Secret shop/tls] [www.test] browsers refuse the connection",
				"warning RuleOff [Ingress shop/web] [www.test] whatever their certificate names",
				"info NameNotServed [Secret shop/tls] [shop.test] ",
			},
		},
		{
			name: "client certificates that cannot be verified",
			make: func(w *world) {
				w.site("a.shop.test", "shop/web", wildcard, asks(hostmap.UnresolvedTLSPolicy(hostmap.ClientAuthRequire)))
				w.site("b.shop.test", "shop/open", wildcard)
			},
			want: []string{"error HostRefused [Ingress shop/web] [a.shop.test] which client certificates to ask for is not known"},
		},
		{
			name: "an expired certificate with two copies",
			make: func(w *world) {
				w.site("a.shop.test", "one/a", leafUntil(midnight.Add(-time.Hour), "one/wild", "*.shop.test"))
				w.site("b.shop.test", "two/b", leafUntil(midnight.Add(-time.Hour), "two/wild", "*.shop.test"))
			},
			want: []string{"error CertificateExpired [Secret one/wild, Secret two/wild] [a.shop.test b.shop.test] has expired at 2026-10-31 23:00:00"},
		},
		{
			name:    "a certificate that is not valid yet",
			make:    func(w *world) { w.site("a.shop.test", "shop/web", wildcard) },
			options: func(o *Options) { o.Now = midnight.Add(-time.Hour) },
			want:    []string{"error CertificateNotYetValid [Secret shop/wild] [a.shop.test] is valid from 2026-11-01 00:00:00 only"},
		},
		{
			name:    "two weeks before the end of a year",
			make:    func(w *world) { w.site("a.shop.test", "shop/web", wildcard) },
			options: func(o *Options) { o.Now = midnight.AddDate(1, 0, -14) },
			want:    []string{"warning CertificateExpiring [Secret shop/wild] [a.shop.test] ends in 14 days"},
		},
		{
			name: "a certificate of six days is new for most of them",
			make: func(w *world) {
				w.site("a.test", "shop/web", leafUntil(midnight.Add(6*24*time.Hour), "shop/short", "a.test"))
			},
		},
		{
			name: "and ends soon on the last",
			make: func(w *world) {
				w.site("a.test", "shop/web", leafUntil(midnight.Add(6*24*time.Hour), "shop/short", "a.test"))
			},
			options: func(o *Options) { o.Now = midnight.Add(5 * 24 * time.Hour) },
			want:    []string{"warning CertificateExpiring [Secret shop/short] [a.test] ends in 24 hours"},
		},
		{
			name: "a host with client certificates beside open ones",
			make: func(w *world) {
				w.site("admin.shop.test", "shop/admin", wildcard, asks(clientAuth("staff")))
				w.site("a.shop.test", "shop/web", wildcard)
				w.site("b.shop.test", "shop/web", wildcard)
			},
			want: []string{"warning ClientAuthBesideOpen [Ingress shop/admin, Secret shop/wild] [admin.shop.test] get 421 tls_policy, which Safari users may see"},
		},
		{
			name: "the same with an address each",
			make: func(w *world) {
				w.site("admin.shop.test", "shop/admin", wildcard, asks(clientAuth("staff")))
				w.site("a.shop.test", "shop/web", wildcard)
			},
			options: func(o *Options) { o.OneAddress = false },
			want:    []string{"info ClientAuthBesideOpen [Ingress shop/admin, Secret shop/wild] [admin.shop.test] "},
		},
		{
			name: "a wildcard over a host of another namespace",
			make: func(w *world) {
				w.site("a.shop.test", "shop/web", wildcard)
				w.site("b.shop.test", "other/b", leaf("other/b", "b.shop.test"))
			},
			want: []string{"warning ForeignCertificate [Ingress other/b, Secret shop/wild] [b.shop.test] namespace shop does not own all"},
		},
		{
			name: "a wildcard over a host with a certificate of its own",
			make: func(w *world) {
				w.site("a.shop.test", "shop/web", wildcard)
				w.site("b.shop.test", "shop/b", leaf("shop/b", "b.shop.test"))
				w.site("*.shop.test", "shop/rest", wildcard)
			},
			want: []string{"info WildcardBesideExact [Ingress shop/b, Secret shop/wild] [b.shop.test] may come over connections"},
		},
		{
			name: "a rule that is stricter than the wildcard",
			make: func(w *world) {
				w.site("a.shop.test", "shop/web", wildcard)
				w.site("b.shop.test", "shop/b", wildcard, rule(hostmap.RuleServerName))
				w.site("c.shop.test", "shop/c", leaf("shop/c", "c.shop.test"), rule(hostmap.RuleSameCertificate))
			},
			want: []string{
				"warning RuleStricterThanCertificate [Ingress shop/b, Secret shop/wild] [b.shop.test] get 421 server_name (rule server-name), which Safari",
				"warning RuleStricterThanCertificate [Ingress shop/c, Secret shop/wild] [c.shop.test] get 421 other_certificate (rule same-certificate), which Safari",
			},
		},
		{
			name: "a rule that only reports",
			make: func(w *world) {
				w.site("a.shop.test", "shop/web", wildcard)
				w.site("b.shop.test", "shop/b", wildcard, rule(hostmap.RuleServerName), func(s *hostmap.Site) { s.Report = true })
			},
			want: []string{"info ReportOnly [Ingress shop/b, Secret shop/wild] [b.shop.test] would get 421 server_name"},
		},
		{
			name: "a name that nobody serves",
			make: func(w *world) {
				w.class.UnservedMisdirected = true
				w.site("shop.test", "shop/web", leaf("shop/tls", "shop.test", "www.shop.test"))
			},
			want: []string{"info NameNotServed [Secret shop/tls] [www.shop.test] get 421 unserved"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			tt.make(w)
			o := Options{Now: midnight.Add(time.Hour), OneAddress: true}
			if tt.options != nil {
				tt.options(&o)
			}
			r := Examine(w.built(), o)
			var got []string
			for i, f := range r.Findings {
				var objects []string
				for _, object := range f.Objects.First {
					objects = append(objects, object.String())
				}
				line := fmt.Sprintf("%s %s [%s] %v ", f.Severity, f.Reason, strings.Join(objects, ", "), f.Hosts.First)
				// Of the sentence, what the case is about.
				if i < len(tt.want) && strings.HasPrefix(tt.want[i], line) && strings.Contains(f.Message, strings.TrimPrefix(tt.want[i], line)) {
					line = tt.want[i]
				} else {
					line += f.Message
				}
				got = append(got, line)
				if f.Mend == "" || Reasons()[f.Reason] == "" {
					t.Errorf("%s says not what to do, or is not listed", f.Reason)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			risk := false
			for _, line := range tt.want {
				risk = risk || !strings.HasPrefix(line, "info")
			}
			if r.Risk() != risk {
				t.Errorf("risk: %t", r.Risk())
			}
		})
	}
}

// What one examination looks at is bounded, and it says where it has stopped.
func TestTooManyPairs(t *testing.T) {
	w := newWorld()
	wildcard := leaf("shop/wild", "*.shop.test")
	for i := range 5000 {
		w.site(fmt.Sprintf("h%d.shop.test", i), "shop/web", wildcard, asks(clientAuth(fmt.Sprint("CA ", i))))
	}
	w.site("a.test", "shop/a", leaf("shop/a", "a.test", "b.test"))
	w.site("b.test", "shop/b", leaf("shop/a", "a.test", "b.test"))
	r := Examine(w.built(), Options{Now: midnight, OneAddress: true})
	if len(r.Findings) != 1 || r.Findings[0].Reason != Incomplete || !strings.Contains(r.Findings[0].Message, "shop/wild") {
		t.Errorf("findings: %+v", r.Findings)
	}
	if want := (Counts{Served: 2}); r.Pairs != want {
		t.Errorf("pairs: %+v", r.Pairs)
	}
}

// Two audits of one map say the same, in the same order.
func TestSameReport(t *testing.T) {
	spec := hostmap.Spec{}
	class := hostmap.BuiltinClass()
	for i := range 60 {
		name := fmt.Sprintf("h%02d", i)
		// Many hosts of one Ingress, then others, of many kinds.
		from := hostmap.Object{Kind: "Ingress", Namespace: "n", Name: "many"}
		if i >= listed {
			from.Name = name
		}
		s := hostmap.Site{
			Host: name + ".test", Namespace: "n", Class: class, Certificates: []*hostmap.Certificate{leaf("n/"+name, "*.test")},
			Rule: hostmap.RuleServerName, Routes: []*hostmap.Route{{Path: "/", Backend: new(hostmap.Backend), From: from}},
		}
		if i%2 == 1 {
			s.Policy = clientAuth(name)
		}
		spec.Sites = append(spec.Sites, hostmap.NewSite(s))
	}
	m := hostmap.New(spec)
	want := Examine(m, Options{Now: midnight, OneAddress: true})
	for range 5 {
		if diff := cmp.Diff(want, Examine(m, Options{Now: midnight, OneAddress: true})); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	}
}

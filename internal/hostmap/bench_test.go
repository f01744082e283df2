package hostmap_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// fleet is a map of n sites, each with a certificate of its own for its host
// and one other, and the hosts in random order, so that look-ups miss the cache
// as they do in service.
type fleet struct {
	m     *hostmap.Map
	hosts []string
	facts []*hostmap.Facts
}

func newFleet(n int) *fleet {
	f := &fleet{}
	class := hostmap.BuiltinClass()
	sites := make([]*hostmap.Site, n)
	for i := range n {
		host := fmt.Sprintf("app-%d.team-%d.example.com", i, i%997)
		c := leaf(fmt.Sprintf("team-%d/app-%d", i%997, i), host, "www."+host)
		sites[i] = hostmap.NewSite(hostmap.Site{Host: host, Namespace: c.Secret.Namespace, Class: class, Certificates: []*hostmap.Certificate{c}, Routes: everything(host)})
	}
	f.m = hostmap.New(hostmap.Spec{Sites: sites})
	for _, i := range rand.New(rand.NewPCG(421, 421)).Perm(n) {
		// A request's host is never the very string of the map.
		f.hosts = append(f.hosts, string([]byte(sites[i].Host)))
		f.facts = append(f.facts, handshake(f.m, sites[i].Host, 0x0304, loopback))
	}
	return f
}

var sizes = []int{10, 10_000, 100_000}

// fleets keeps each size's fleet for all benchmarks of a run.
func fleets(b *testing.B, run func(b *testing.B, f *fleet)) {
	for _, n := range sizes {
		f := newFleet(n)
		b.Run(fmt.Sprintf("sites=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			run(b, f)
		})
	}
}

var (
	siteSink    *hostmap.Site
	verdictSink hostmap.Verdict
	traceSink   hostmap.Trace
)

func BenchmarkSite(b *testing.B) {
	fleets(b, func(b *testing.B, f *fleet) {
		i := 0
		for b.Loop() {
			siteSink = f.m.Site(f.hosts[i])
			if i++; i == len(f.hosts) {
				i = 0
			}
		}
	})
}

// BenchmarkJudge judges requests for random hosts, each on a connection of its
// own: scheme, TLS policy, coverage, rule and route.
func BenchmarkJudge(b *testing.B) {
	fleets(b, func(b *testing.B, f *fleet) {
		i := 0
		for b.Loop() {
			verdictSink = hostmap.Judge(f.m, f.facts[i], hostmap.Request{Scheme: "https", Host: f.hosts[i], Path: "/index.html"})
			if i++; i == len(f.hosts) {
				i = 0
			}
		}
		if verdictSink.Status != 0 {
			b.Fatal(verdictSink)
		}
	})
}

// BenchmarkJudgeTraced is BenchmarkJudge for whoever asks why.
func BenchmarkJudgeTraced(b *testing.B) {
	fleets(b, func(b *testing.B, f *fleet) {
		i := 0
		for b.Loop() {
			verdictSink, traceSink = hostmap.JudgeTraced(f.m, f.facts[i], hostmap.Request{Scheme: "https", Host: f.hosts[i], Path: "/index.html"})
			if i++; i == len(f.hosts) {
				i = 0
			}
		}
	})
}

// BenchmarkJudgeBusy is BenchmarkJudge where a thousand of the hosts have all
// the traffic, as the few do in any large fleet.
func BenchmarkJudgeBusy(b *testing.B) {
	fleets(b, func(b *testing.B, f *fleet) {
		busy := min(len(f.hosts), 1000)
		i := 0
		for b.Loop() {
			verdictSink = hostmap.Judge(f.m, f.facts[i], hostmap.Request{Scheme: "https", Host: f.hosts[i], Path: "/index.html"})
			if i++; i == busy {
				i = 0
			}
		}
	})
}

// BenchmarkJudgeMisdirected is the other way out: each request on its
// neighbour's connection.
func BenchmarkJudgeMisdirected(b *testing.B) {
	fleets(b, func(b *testing.B, f *fleet) {
		i := 0
		for b.Loop() {
			verdictSink = hostmap.Judge(f.m, f.facts[(i+1)%len(f.facts)], hostmap.Request{Scheme: "https", Host: f.hosts[i], Path: "/index.html"})
			if i++; i == len(f.hosts) {
				i = 0
			}
		}
		if verdictSink.Status != 421 {
			b.Fatal(verdictSink)
		}
	})
}

// BenchmarkAuthority is canonicalisation and judgement together, as the wire
// does it.
func BenchmarkAuthority(b *testing.B) {
	fleets(b, func(b *testing.B, f *fleet) {
		i := 0
		for b.Loop() {
			host, _, err := hostmap.Authority(f.hosts[i])
			if err != nil {
				b.Fatal(err)
			}
			path, err := hostmap.Path("/index.html")
			if err != nil {
				b.Fatal(err)
			}
			verdictSink = hostmap.Judge(f.m, f.facts[i], hostmap.Request{Scheme: "https", Host: host, Path: path})
			if i++; i == len(f.hosts) {
				i = 0
			}
		}
	})
}

// TestAllocations: nothing on the way of a canonical request allocates,
// whatever the verdict.
func TestAllocations(t *testing.T) {
	f := newFleet(1000)
	off := leaf("w", "*.w.test")
	m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{
		hostmap.NewSite(hostmap.Site{Host: "*.w.test", Rule: hostmap.RuleSameCertificate, Report: true, Certificates: []*hostmap.Certificate{off}, Routes: everything("w")}),
	}})
	for name, run := range map[string]func(){
		"Host":      func() { _, _ = hostmap.Host("app-1.team-1.example.com") },
		"Host IPv4": func() { _, _ = hostmap.Host("192.0.2.1") },
		"Host IPv6": func() { _, _ = hostmap.Host("[2001:db8::1]") },
		"Authority": func() { _, _, _ = hostmap.Authority("app-1.team-1.example.com:8443") },
		"Pattern":   func() { _, _ = hostmap.Pattern("*.example.com") },
		"Path":      func() { _, _ = hostmap.Path("/a/..b/%2fc/index.html") },
		"Site":      func() { siteSink = f.m.Site(f.hosts[7]) },
		"Handshake": func() { siteSink = hostmap.Connect(f.m, f.hosts[7]).Site },
		"Judge":     func() { verdictSink = hostmap.Judge(f.m, f.facts[7], hostmap.Request{Host: f.hosts[7], Path: "/"}) },
		"Judge misdirected": func() {
			verdictSink = hostmap.Judge(f.m, f.facts[8], hostmap.Request{Host: f.hosts[7], Path: "/"})
		},
		"Judge reported": func() {
			verdictSink = hostmap.Judge(m, f.facts[8], hostmap.Request{Host: "x.w.test", Path: "/a/b/c"})
		},
		"JudgeTraced": func() {
			verdictSink, traceSink = hostmap.JudgeTraced(f.m, f.facts[8], hostmap.Request{Host: f.hosts[7], Path: "/"})
		},
		"Apply": func() {
			r := hostmap.Request{Host: f.hosts[7], Path: "/"}
			verdictSink = hostmap.Verdict{}
			hostmap.JudgeInto(&verdictSink, f.m, f.facts[7], &r)
			hostmap.Apply(&verdictSink, f.facts[7], &r, hostmap.Client{})
		},
		"Judge unserved":  func() { verdictSink = hostmap.Judge(m, f.facts[8], hostmap.Request{Host: f.hosts[8], Path: "/"}) },
		"Judge cleartext": func() { verdictSink = hostmap.Judge(m, &hostmap.Facts{}, hostmap.Request{Host: "x.w.test", Path: "/"}) },
	} {
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// BenchmarkNew is what each published change costs at least.
func BenchmarkNew(b *testing.B) {
	for _, n := range sizes {
		f := newFleet(n)
		b.Run(fmt.Sprintf("sites=%d", n), func(b *testing.B) {
			for b.Loop() {
				hostmap.New(hostmap.Spec{Sites: f.m.Sites()})
			}
		})
	}
}

// BenchmarkNewShared is BenchmarkNew where every host has an owner of its own
// and all are below a wildcard that somebody else has a certificate for.
func BenchmarkNewShared(b *testing.B) {
	for _, n := range sizes {
		w := leaf("victim/w", "*.w.test")
		class := hostmap.BuiltinClass()
		sites := []*hostmap.Site{hostmap.NewSite(hostmap.Site{Host: "www.w.test", Namespace: "victim", Class: class, Certificates: []*hostmap.Certificate{w}})}
		for i := range n {
			namespace := fmt.Sprintf("team-%d", i)
			host := fmt.Sprintf("app-%d.w.test", i)
			c := leaf(namespace+"/tls", host)
			sites = append(sites, hostmap.NewSite(hostmap.Site{Host: host, Namespace: namespace, Class: class, Certificates: []*hostmap.Certificate{c}, Routes: everything(host)}))
		}
		b.Run(fmt.Sprintf("sites=%d", n), func(b *testing.B) {
			for b.Loop() {
				hostmap.New(hostmap.Spec{Sites: sites})
			}
		})
	}
}

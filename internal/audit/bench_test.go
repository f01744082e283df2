package audit

import (
	"crypto/tls"
	"fmt"
	"runtime"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

const many = 100_000

// worlds are maps of a hundred thousand hosts.
func worlds() map[string]func() *hostmap.Map {
	class := &hostmap.Class{Name: "public", MinVersion: tls.VersionTLS12}
	site := func(i int, host string, certificate *hostmap.Certificate) *hostmap.Site {
		namespace := fmt.Sprintf("team-%d", i%1000)
		return hostmap.NewSite(hostmap.Site{
			Host: host, Namespace: namespace, Class: class, Certificates: []*hostmap.Certificate{certificate},
			Routes: []*hostmap.Route{{Path: "/", Backend: &hostmap.Backend{}, From: hostmap.Object{Kind: "Ingress", Namespace: namespace, Name: host}}},
		})
	}
	build := func(make func(i int) *hostmap.Site) *hostmap.Map {
		spec := hostmap.Spec{Class: class}
		for i := range many {
			spec.Sites = append(spec.Sites, make(i))
		}
		return hostmap.New(spec)
	}
	return map[string]func() *hostmap.Map{
		"each its own certificate": func() *hostmap.Map {
			return build(func(i int) *hostmap.Site {
				host := fmt.Sprintf("h%d.example.com", i)
				return site(i, host, leaf(fmt.Sprintf("team-%d/tls-%d", i%1000, i), host))
			})
		},
		"one wildcard": func() *hostmap.Map {
			wildcard := leaf("team-0/wild", "*.example.com")
			return build(func(i int) *hostmap.Site { return site(i, fmt.Sprintf("h%d.example.com", i), wildcard) })
		},
		"one wildcard in each namespace": func() *hostmap.Map {
			return build(func(i int) *hostmap.Site {
				return site(i, fmt.Sprintf("h%d.example.com", i), leaf(fmt.Sprintf("team-%d/wild", i%1000), "*.example.com"))
			})
		},
		"wildcards beside exact": func() *hostmap.Map {
			return build(func(i int) *hostmap.Site {
				host := fmt.Sprintf("h%d.d%d.example.com", i, i/100)
				if i%2 == 0 {
					return site(i, host, leaf(fmt.Sprintf("team-%d/wild-%d", i%1000, i/100), fmt.Sprintf("*.d%d.example.com", i/100)))
				}
				return site(i, host, leaf(fmt.Sprintf("team-%d/tls-%d", i%1000, i), host))
			})
		},
		"client CAs without number": func() *hostmap.Map {
			wildcard := leaf("team-0/wild", "*.example.com")
			return build(func(i int) *hostmap.Site {
				s := *site(i, fmt.Sprintf("h%d.example.com", i), wildcard)
				s.Policy = clientAuth(fmt.Sprint("CA ", i))
				return hostmap.NewSite(s)
			})
		},
	}
}

func BenchmarkExamine(b *testing.B) {
	for name, world := range worlds() {
		b.Run(name, func(b *testing.B) {
			m := world()
			b.ReportAllocs()
			var r *Report
			for b.Loop() {
				r = Examine(m, Options{Now: midnight, OneAddress: true})
			}
			runtime.GC()
			var s runtime.MemStats
			runtime.ReadMemStats(&s)
			with := s.HeapAlloc
			findings := len(r.Findings)
			runtime.KeepAlive(r)
			r = nil
			runtime.GC()
			runtime.ReadMemStats(&s)
			b.ReportMetric(float64(with-s.HeapAlloc)/1024, "report-KiB")
			b.ReportMetric(float64(findings), "findings")
			runtime.KeepAlive(m)
		})
	}
}

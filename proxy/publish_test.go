package proxy

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// TestPublishCountsByHost: a host's counters stay its own whichever hosts come and
// go in the same step, and however the next map was made.
func TestPublishCountsByHost(t *testing.T) {
	b := echo(t, "one")
	site := func(host string) *hostmap.Site {
		return hostmap.NewSite(hostmap.Site{Host: host, Routes: routeTo(b)})
	}
	m := hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{site("a.test"), site("b.test"), site("*.w.test")}})
	w := newWorld(t, m, nil)
	want := make(map[string]float64)
	ask := func(host, label string) {
		t.Helper()
		roundTrip(t, http.DefaultTransport, http.MethodGet, "http://"+w.http+"/", func(r *http.Request) { r.Host = host })
		want[label]++
		for label, n := range want {
			eventually(t, fmt.Sprintf("%s: %v requests are counted of %s", host, n, label), func() bool {
				return counterSum(t, w.registry, "ingress421_requests_total", "host", label) == n
			})
		}
	}
	publish := func(edit func(e *hostmap.Editor), gone ...string) {
		e := m.Edit()
		edit(e)
		m = e.Map()
		w.server.Publish(m)
		for _, host := range gone {
			want[host] = 0
		}
	}
	ask("a.test", "a.test")
	ask("b.test", "b.test")
	ask("x.w.test", "*.w.test")
	publish(func(e *hostmap.Editor) { e.Set(site("b.test")) })
	ask("b.test", "b.test")
	publish(func(e *hostmap.Editor) { e.Remove("a.test"); e.Set(site("c.test")) }, "a.test")
	ask("c.test", "c.test")
	ask("a.test", hostmap.LabelUnserved)
	publish(func(e *hostmap.Editor) { e.Remove("b.test"); e.Remove("c.test"); e.Set(site("")) }, "b.test", "c.test")
	ask("b.test", hostmap.LabelDefault)
	for i := range 600 {
		publish(func(e *hostmap.Editor) { e.Set(site(fmt.Sprintf("n%d.test", i))) })
	}
	ask("n599.test", "n599.test")
	ask("x.w.test", "*.w.test")
	m = hostmap.New(hostmap.Spec{Sites: []*hostmap.Site{site("n599.test"), site("a.test")}})
	publish(func(*hostmap.Editor) {}, "*.w.test", hostmap.LabelDefault)
	ask("a.test", "a.test")
	ask("n599.test", "n599.test")
	if n := counterSum(t, w.registry, "ingress421_upstream_requests_total", "service", "one"); n != 10 {
		t.Errorf("%v tries counted, want 10", n)
	}
	publish(func(e *hostmap.Editor) { e.Remove("a.test"); e.Remove("n599.test") }, "a.test", "n599.test")
	ask("a.test", hostmap.LabelUnserved)
	if n := counterSum(t, w.registry, "ingress421_upstream_requests_total", "service", "one"); n != 0 {
		t.Errorf("%v tries counted of a Service that nothing names", n)
	}
}

// BenchmarkPublish is one site with other endpoints among so many, each with a
// Service of its own.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		class := hostmap.BuiltinClass()
		site := func(i int, port uint16) *hostmap.Site {
			host := fmt.Sprintf("app-%d.team-%d.example.com", i, i%997)
			return hostmap.NewSite(hostmap.Site{Host: host, Class: class, Routes: routeTo(&hostmap.Backend{
				Namespace: fmt.Sprintf("team-%d", i%997), Service: host, Port: "80",
				Endpoints: []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), port)},
			})})
		}
		var spec hostmap.Spec
		for i := range n {
			spec.Sites = append(spec.Sites, site(i, 80))
		}
		m := hostmap.New(spec)
		s, err := New(Config{Registerer: prometheus.NewRegistry()})
		if err != nil {
			b.Fatal(err)
		}
		s.Publish(m)
		b.Run(fmt.Sprintf("sites=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			port := uint16(80)
			for b.Loop() {
				port++
				b.StopTimer()
				e := m.Edit()
				e.Set(site(n/2, port))
				m = e.Map()
				b.StartTimer()
				s.Publish(m)
			}
		})
	}
}

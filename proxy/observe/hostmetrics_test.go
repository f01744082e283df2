package observe

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// busy is an observer of so many hosts, each with a request of 2 ms.
type busy struct {
	*Observer
	registry *prometheus.Registry
	m        *hostmap.Map
}

func newBusy(mode string, n int) *busy {
	b := &busy{registry: prometheus.NewRegistry()}
	b.Observer = New(Config{Log: slog.New(slog.DiscardHandler), Registerer: b.registry, HostMetrics: mode})
	var sites []*hostmap.Site
	for i := range n {
		sites = append(sites, hostmap.NewSite(hostmap.Site{Host: fmt.Sprintf("app-%d.team-%d.example.com", i, i%997)}))
	}
	b.m = hostmap.New(hostmap.Spec{Sites: sites})
	for _, s := range append(sites, nil) {
		b.Site(s).request("h2", "GET", 200, 2*time.Millisecond)
	}
	return b
}

func (b *busy) text() string {
	w := httptest.NewRecorder()
	promhttp.HandlerFor(b.registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// TestHostMetrics: what is said by host, what of all together, and that unserved
// authorities are never among those.
func TestHostMetrics(t *testing.T) {
	const (
		requests = `ingress421_requests_total{code="200",host=%q,method="GET",protocol="h2"} %d` + "\n"
		duration = `ingress421_request_duration_seconds_count{host=%q} %d` + "\n"
		first    = "app-0.team-0.example.com"
	)
	for _, tt := range []struct {
		mode                string
		hosts               int
		requests, durations bool
	}{
		{HostMetricsFull, autoHosts + 1, true, true},
		{HostMetricsAuto, autoHosts, true, true},
		{HostMetricsAuto, autoHosts + 1, true, false},
		{"", autoHosts + 1, true, false},
		{HostMetricsRequests, 3, true, false},
		{HostMetricsNone, 3, false, false},
	} {
		t.Run(fmt.Sprint(tt.mode, tt.hosts), func(t *testing.T) {
			b := newBusy(tt.mode, tt.hosts)
			check := func(hosts, all int) {
				t.Helper()
				text := b.text()
				for format, byHost := range map[string]bool{requests: tt.requests, duration: tt.durations} {
					if got := strings.Contains(text, fmt.Sprintf(format, first, 1)); got != (byHost && hosts == tt.hosts) {
						t.Errorf("by host %v, of\n%.2000s", got, text)
					}
					if strings.Contains(text, fmt.Sprintf(format, "_all", all)) == byHost {
						t.Errorf("want all together, %d, where it is not by host:\n%.2000s", all, text)
					}
					if !strings.Contains(text, fmt.Sprintf(format, "_unserved", 1)) {
						t.Errorf("unserved authorities are not told:\n%.2000s", text)
					}
				}
			}
			check(tt.hosts, tt.hosts)
			e := b.m.Edit()
			e.Remove(first)
			next := e.Map()
			b.Retain(next, b.m)
			check(tt.hosts-1, tt.hosts) // A counter does not fall.
		})
	}
}

// BenchmarkMetrics is the text of /metrics, as far as it is of hosts.
func BenchmarkMetrics(b *testing.B) {
	for _, mode := range []string{HostMetricsFull, HostMetricsAuto, HostMetricsNone} {
		w := newBusy(mode, 10_000)
		b.Run(mode, func(b *testing.B) {
			size := 0
			for b.Loop() {
				size = len(w.text())
			}
			b.ReportMetric(float64(size), "octets")
		})
	}
}

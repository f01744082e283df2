package observe

import (
	"crypto/tls"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// metrics are the metrics of the data plane. Requests are counted on counters
// that their site already points to: no label is looked up or hashed on the
// way of a request. Series go when their site does.
type metrics struct {
	byHost hostMetrics
	// gone are the counters of sites that are no more: what is said of all hosts
	// together never falls.
	gone *Site

	mu    sync.Mutex
	sites map[string]*Site // guarded by mu, by label
	live  *hostmap.Map     // guarded by mu; the last that was retained

	triesMu sync.Mutex
	tried   map[service]map[string]*atomic.Uint64 // guarded by triesMu; by result

	handshakes  *prometheus.CounterVec
	connections *prometheus.GaugeVec
	closed      *prometheus.CounterVec
	refused     *prometheus.CounterVec

	requestsDesc, durationDesc, misdirectedDesc, recoveredDesc, upstreamDesc *prometheus.Desc
}

// service is what backends are told apart by in metrics.
type service struct{ namespace, name string }

func newMetrics(reg prometheus.Registerer, mode string) *metrics {
	m := &metrics{
		byHost: hostMetrics{mode: mode}, gone: &Site{label: hostmap.LabelAll},
		sites: make(map[string]*Site),
		tried: make(map[service]map[string]*atomic.Uint64),
		handshakes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ingress421_tls_handshakes_total", Help: "TLS handshakes, by result, version and whether a session was resumed.",
		}, []string{"result", "version", "resumed"}),
		connections: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ingress421_connections", Help: "Open client connections.",
		}, []string{"protocol"}),
		closed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ingress421_connections_closed_total", Help: "Client connections closed, by reason.",
		}, []string{"reason"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ingress421_streams_refused_total", Help: "Requests that their connection did not take, or gave up, by reason.",
		}, []string{"reason"}),
		requestsDesc: prometheus.NewDesc("ingress421_requests_total", "Requests answered, by site, protocol, method and status.",
			[]string{"host", "protocol", "method", "code"}, nil),
		durationDesc: prometheus.NewDesc("ingress421_request_duration_seconds", "Time from a request's head to the end of its response.",
			[]string{"host"}, nil),
		misdirectedDesc: prometheus.NewDesc("ingress421_misdirected_requests_total", "Requests that the rule refused, or would have refused where it only reports.",
			[]string{"host", "reason", "rule", "enforcement", "protocol", "retry"}, nil),
		recoveredDesc: prometheus.NewDesc("ingress421_misdirected_recovered_total", "Clients that came back with the right server name within 10 s of a 421.",
			[]string{"host"}, nil),
		upstreamDesc: prometheus.NewDesc("ingress421_upstream_requests_total", "Requests sent to backends, by result.",
			[]string{"namespace", "service", "result"}, nil),
	}
	if reg != nil {
		reg.MustRegister(m, m.handshakes, m.connections, m.closed, m.refused)
	}
	return m
}

// VersionName is a TLS version as metrics and logs name it.
func VersionName(v uint16) string {
	switch v {
	case tls.VersionTLS13:
		return "1.3"
	case tls.VersionTLS12:
		return "1.2"
	}
	return "other"
}

// site returns the counters of a site, which it makes if need be.
func (m *metrics) site(s *hostmap.Site) *Site {
	label := s.Label()
	m.mu.Lock()
	defer m.mu.Unlock()
	st := m.sites[label]
	if st == nil {
		st = &Site{label: label}
		if s != nil {
			st.host = &s.Host
		}
		m.sites[label] = st
	}
	return st
}

// retain forgets the counters of sites and Services that a map does not have, and
// the one before it had. Requests that are under way may ask for them again:
// collecting leaves those out.
func (m *metrics) retain(live, before *hostmap.Map) {
	m.mu.Lock()
	m.live = live
	for was, is := range live.SitesSince(before) {
		if label := was.Label(); is == nil && m.sites[label] != nil {
			m.gone.add(m.sites[label])
			delete(m.sites, label)
		}
	}
	m.mu.Unlock()
	m.triesMu.Lock()
	defer m.triesMu.Unlock()
	for was := range live.BackendsSince(before) {
		if was != nil && !live.Names(was.Namespace, was.Service) {
			delete(m.tried, service{was.Namespace, was.Service})
		}
	}
}

// tries returns the counter of one Service and result.
func (m *metrics) tries(of service, result string) *atomic.Uint64 {
	m.triesMu.Lock()
	defer m.triesMu.Unlock()
	results := m.tried[of]
	if results == nil {
		results = make(map[string]*atomic.Uint64)
		m.tried[of] = results
	}
	c := results[result]
	if c == nil {
		c = new(atomic.Uint64)
		results[result] = c
	}
	return c
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.requestsDesc, m.durationDesc, m.misdirectedDesc, m.recoveredDesc, m.upstreamDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	sites, live := m.kept()
	requests, durations := m.byHost.of(sites)
	all := &Site{label: hostmap.LabelAll}
	all.add(m.gone)
	for _, st := range sites {
		if st.host == nil {
			m.collectSite(ch, st, true, true)
			continue
		}
		m.collectSite(ch, st, requests, durations)
		if !durations {
			all.add(st)
		}
	}
	m.collectSite(ch, all, !requests, !durations)
	m.triesMu.Lock()
	defer m.triesMu.Unlock()
	for of, results := range m.tried {
		if live != nil && !live.Names(of.namespace, of.name) {
			continue
		}
		for result, c := range results {
			ch <- prometheus.MustNewConstMetric(m.upstreamDesc, prometheus.CounterValue, float64(c.Load()), of.namespace, of.name, result)
		}
	}
}

// kept are the counters of the sites that the live map has, which is nil where
// none was retained yet.
func (m *metrics) kept() ([]*Site, *hostmap.Map) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sites := make([]*Site, 0, len(m.sites))
	for _, st := range m.sites {
		if m.live == nil || st.host == nil || m.live.Own(*st.host) != nil {
			sites = append(sites, st)
		}
	}
	return sites, m.live
}

// collectSite collects the counters of a site, those of its requests and those of
// their durations as far as they are wanted.
func (m *metrics) collectSite(ch chan<- prometheus.Metric, st *Site, requests, durations bool) {
	cells := st.cells.Load()
	if cells != nil && requests {
		for _, c := range *cells {
			ch <- prometheus.MustNewConstMetric(m.requestsDesc, prometheus.CounterValue, float64(c.n.Load()),
				st.label, c.protocol, c.method, codeLabel(c.status))
		}
	}
	if cells != nil && durations {
		buckets := make(map[float64]uint64, len(durationBounds))
		var count uint64
		for i, bound := range durationBounds {
			count += st.duration.buckets[i].Load()
			buckets[bound] = count
		}
		count += st.duration.buckets[len(durationBounds)].Load()
		sum := float64(st.duration.nanos.Load()) / float64(time.Second)
		ch <- prometheus.MustNewConstHistogram(m.durationDesc, count, math.Max(sum, 0), buckets, st.label)
	}
	if cells := st.misdirected.Load(); cells != nil && requests {
		for _, c := range *cells {
			ch <- prometheus.MustNewConstMetric(m.misdirectedDesc, prometheus.CounterValue, float64(c.n.Load()),
				st.label, c.reason, c.rule, c.enforcement, c.protocol, c.retry)
		}
		ch <- prometheus.MustNewConstMetric(m.recoveredDesc, prometheus.CounterValue, float64(st.recovered.Load()), st.label)
	}
}

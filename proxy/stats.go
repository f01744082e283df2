package proxy

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// stats are the metrics of the data plane. Requests are counted on counters
// that their site already points to: no label is looked up or hashed on the
// way of a request. Series go when their site does.
type stats struct {
	mu    sync.Mutex
	sites map[string]*siteStats // guarded by mu, by label

	upstreamMu sync.Mutex
	upstream   map[upstreamKey]*atomic.Uint64 // guarded by upstreamMu

	handshakes  *prometheus.CounterVec
	connections *prometheus.GaugeVec
	closed      *prometheus.CounterVec
	refused     *prometheus.CounterVec

	requestsDesc, durationDesc, misdirectedDesc, recoveredDesc, upstreamDesc *prometheus.Desc
}

// siteStats are the counters of one site. All its methods may be called from
// any goroutine.
type siteStats struct {
	label string

	// cells is replaced as a whole when a combination of labels comes up for
	// the first time; there are few, so that a scan finds one.
	cells       atomic.Pointer[[]*cell]
	misdirected atomic.Pointer[[]*misdirectedCell]
	mu          sync.Mutex // guards the replacing of both

	recovered atomic.Uint64
	duration  histogram
}

// cell counts the requests of one protocol, method and status.
type cell struct {
	protocol, method string
	status           int
	n                atomic.Uint64
}

type misdirectedCell struct {
	misdirectedLabels
	n atomic.Uint64
}

type misdirectedLabels struct {
	reason, rule, enforcement, protocol, retry string
}

type upstreamKey struct{ namespace, service, result string }

// durationBounds are the upper bounds of the request duration, in seconds.
var durationBounds = [...]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

type histogram struct {
	buckets [len(durationBounds) + 1]atomic.Uint64
	nanos   atomic.Int64
}

func (h *histogram) observe(d time.Duration) {
	s := d.Seconds()
	i := 0
	for i < len(durationBounds) && s > durationBounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.nanos.Add(int64(d))
}

// methodLabel is a method of RFC 9110 section 9; every other is "other".
func methodLabel(m string) string {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE":
		return m
	}
	return "other"
}

func codeLabel(status int) string {
	if status == 0 {
		return "other"
	}
	return strconv.Itoa(status)
}

func newStats(reg prometheus.Registerer) *stats {
	s := &stats{
		sites:    make(map[string]*siteStats),
		upstream: make(map[upstreamKey]*atomic.Uint64),
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
		reg.MustRegister(s, s.handshakes, s.connections, s.closed, s.refused)
	}
	return s
}

// site returns the counters of a label, which it makes if need be.
func (s *stats) site(label string) *siteStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.sites[label]
	if st == nil {
		st = &siteStats{label: label}
		s.sites[label] = st
	}
	return st
}

// retain forgets the counters of sites and Services that a map no longer has.
func (s *stats) retain(l *live) {
	s.mu.Lock()
	keep := make(map[string]bool, len(l.stats)+1)
	keep[l.unserved.label] = true
	for _, st := range l.stats {
		keep[st.label] = true
	}
	for label := range s.sites {
		if !keep[label] {
			delete(s.sites, label)
		}
	}
	s.mu.Unlock()

	services := make(map[[2]string]bool)
	for _, b := range l.hosts.Backends() {
		services[[2]string{b.Namespace, b.Service}] = true
	}
	s.upstreamMu.Lock()
	for k := range s.upstream {
		if !services[[2]string{k.namespace, k.service}] {
			delete(s.upstream, k)
		}
	}
	s.upstreamMu.Unlock()
}

// upstreamCounter returns the counter of one Service and result.
func (s *stats) upstreamCounter(namespace, service, result string) *atomic.Uint64 {
	k := upstreamKey{namespace, service, result}
	s.upstreamMu.Lock()
	defer s.upstreamMu.Unlock()
	c := s.upstream[k]
	if c == nil {
		c = new(atomic.Uint64)
		s.upstream[k] = c
	}
	return c
}

// request counts one answered request.
func (st *siteStats) request(protocol, method string, status int, d time.Duration) {
	method = methodLabel(method)
	if http.StatusText(status) == "" && status != statusClientGone {
		status = 0 // "other": a backend may make any number of them up
	}
	st.cell(protocol, method, status).n.Add(1)
	st.duration.observe(d)
}

func (st *siteStats) cell(protocol, method string, status int) *cell {
	find := func(cells *[]*cell) *cell {
		if cells == nil {
			return nil
		}
		for _, c := range *cells {
			if c.status == status && c.method == method && c.protocol == protocol {
				return c
			}
		}
		return nil
	}
	if c := find(st.cells.Load()); c != nil {
		return c
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	old := st.cells.Load()
	if c := find(old); c != nil {
		return c
	}
	c := &cell{protocol: protocol, method: method, status: status}
	next := []*cell{c}
	if old != nil {
		next = append(slices.Clone(*old), c)
	}
	st.cells.Store(&next)
	return c
}

// misdirect counts one request that the rule refused or reported.
func (st *siteStats) misdirect(l misdirectedLabels) {
	find := func(cells *[]*misdirectedCell) *misdirectedCell {
		if cells == nil {
			return nil
		}
		for _, c := range *cells {
			if c.misdirectedLabels == l {
				return c
			}
		}
		return nil
	}
	if c := find(st.misdirected.Load()); c != nil {
		c.n.Add(1)
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	old := st.misdirected.Load()
	c := find(old)
	if c == nil {
		c = &misdirectedCell{misdirectedLabels: l}
		next := []*misdirectedCell{c}
		if old != nil {
			next = append(slices.Clone(*old), c)
		}
		st.misdirected.Store(&next)
	}
	c.n.Add(1)
}

// Describe implements prometheus.Collector.
func (s *stats) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.requestsDesc, s.durationDesc, s.misdirectedDesc, s.recoveredDesc, s.upstreamDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *stats) Collect(ch chan<- prometheus.Metric) {
	s.mu.Lock()
	sites := make([]*siteStats, 0, len(s.sites))
	for _, st := range s.sites {
		sites = append(sites, st)
	}
	s.mu.Unlock()
	for _, st := range sites {
		s.collectSite(ch, st)
	}
	s.upstreamMu.Lock()
	defer s.upstreamMu.Unlock()
	for k, c := range s.upstream {
		ch <- prometheus.MustNewConstMetric(s.upstreamDesc, prometheus.CounterValue, float64(c.Load()), k.namespace, k.service, k.result)
	}
}

func (s *stats) collectSite(ch chan<- prometheus.Metric, st *siteStats) {
	if cells := st.cells.Load(); cells != nil {
		for _, c := range *cells {
			ch <- prometheus.MustNewConstMetric(s.requestsDesc, prometheus.CounterValue, float64(c.n.Load()),
				st.label, c.protocol, c.method, codeLabel(c.status))
		}
		buckets := make(map[float64]uint64, len(durationBounds))
		var count uint64
		for i, bound := range durationBounds {
			count += st.duration.buckets[i].Load()
			buckets[bound] = count
		}
		count += st.duration.buckets[len(durationBounds)].Load()
		sum := float64(st.duration.nanos.Load()) / float64(time.Second)
		ch <- prometheus.MustNewConstHistogram(s.durationDesc, count, math.Max(sum, 0), buckets, st.label)
	}
	if cells := st.misdirected.Load(); cells != nil {
		for _, c := range *cells {
			ch <- prometheus.MustNewConstMetric(s.misdirectedDesc, prometheus.CounterValue, float64(c.n.Load()),
				st.label, c.reason, c.rule, c.enforcement, c.protocol, c.retry)
		}
		ch <- prometheus.MustNewConstMetric(s.recoveredDesc, prometheus.CounterValue, float64(st.recovered.Load()), st.label)
	}
}

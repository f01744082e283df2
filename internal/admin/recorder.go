package admin

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingress421/ingress421/internal/audit"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// Values of the label result of hostmap_publish_total.
const (
	// ResultOK: a map without any problem was published.
	ResultOK = "ok"
	// ResultProblems: some object could not be served as it is written.
	ResultProblems = "problems"
)

// State is what was published last.
type State struct {
	// Map is the host map; nil before the first one.
	Map *hostmap.Map
	// Problems are those found when it was built, in order.
	Problems []hostmap.Problem
	// Published is when.
	Published time.Time
}

// Recorder knows the host map that serves and what is wrong with the objects
// it was made of. It is safe for concurrent use, and a [prometheus.Collector].
type Recorder struct {
	log      *slog.Logger
	duration prometheus.Histogram
	desc     descriptions
	audits   audits

	mu    sync.Mutex
	state State
	lines tokens
	count map[string]float64 // publications by result
}

// descriptions are the metrics that are read out of the present state.
type descriptions struct {
	publications, published, hosts, certificates, overlaps, notAfter, problems *prometheus.Desc
}

const (
	// linesBurst and linesRate (a second) bound the log lines about problems:
	// whoever may write objects could fill disks with them.
	linesBurst = 1000
	linesRate  = 20
)

// tokens are the log lines that may still be written.
type tokens struct {
	left float64
	at   time.Time // when left was so many
}

// take takes one, if there is one.
func (t *tokens) take(now time.Time) bool {
	t.left = min(linesBurst, t.left+linesRate*now.Sub(t.at).Seconds())
	t.at = now
	if t.left < 1 {
		return false
	}
	t.left--
	return true
}

// NewRecorder makes a Recorder that logs each problem once, when it comes and
// when it goes, 1,000 lines at once and 20 a second at most. A nil log is slog.Default().
func NewRecorder(log *slog.Logger) *Recorder {
	if log == nil {
		log = slog.Default()
	}
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName("ingress421", "", name), help, labels, nil)
	}
	return &Recorder{
		log:   log,
		lines: tokens{left: linesBurst, at: time.Now()},
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "ingress421",
			Name:      "hostmap_publish_duration_seconds",
			Help:      "Time from the start of reading the objects until the host map was live.",
			Buckets:   prometheus.ExponentialBuckets(0.0001, 4, 9), // 100 us to 6.6 s
		}),
		desc: descriptions{
			publications: describe("hostmap_publish_total", "Host maps that were made live, by whether all objects could be served as written.", "result"),
			published:    describe("hostmap_last_publish_timestamp_seconds", "When the host map was made live, in Unix time."),
			hosts:        describe("hostmap_hosts", "Hosts that are served; the default site is not counted."),
			certificates: describe("hostmap_certificates", "Certificates in the host map."),
			overlaps:     describe("hostmap_overlaps", "Hosts whose requests may come over connections made for another host."),
			notAfter:     describe("certificate_not_after_seconds", "End of a certificate's validity, in Unix time; the earliest of its Secret.", "namespace", "secret"),
			problems:     describe("ingress_problems", "Problems of an Ingress, or of what Ingresses are read from: KIND/NAME of a file, a class, a policy, ...", "namespace", "ingress", "reason"),
		},
		count: map[string]float64{ResultOK: 0, ResultProblems: 0},
	}
}

// Record notes that a map was published, with the problems found on the way
// and how long it took. The caller must change neither any more.
func (r *Recorder) Record(m *hostmap.Map, problems []hostmap.Problem, took time.Duration) {
	result := ResultOK
	if len(problems) != 0 {
		result = ResultProblems
	}
	r.mu.Lock()
	before := r.state.Problems
	r.state = State{Map: m, Problems: problems, Published: time.Now()}
	r.count[result]++
	r.mu.Unlock()
	r.duration.Observe(took.Seconds())
	r.logChanges(before, problems)
	r.log.Debug("published", "hosts", m.Hosts(), "problems", len(problems), "took", took)
}

// State returns what was published last. Nothing in it may be changed.
func (r *Recorder) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// Audit returns an audit of m, and makes it first where none of it is known. One
// of many hosts takes seconds; pages and metrics have the same one then.
func (r *Recorder) Audit(m *hostmap.Map) *audit.Report { return r.audits.wait(m) }

// logChanges logs what is new and what is over, both lists being in order or
// not.
func (r *Recorder) logChanges(before, now []hostmap.Problem) {
	if slices.Equal(before, now) {
		return
	}
	known := make(map[hostmap.Problem]bool, len(before))
	for _, p := range before {
		known[p] = true
	}
	silent := 0
	may := func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.lines.take(time.Now()) {
			return true
		}
		silent++
		return false
	}
	for _, p := range now {
		if !known[p] && may() {
			r.log.LogAttrs(context.Background(), slog.LevelWarn, "problem", attributes(p)...)
		}
		delete(known, p)
	}
	for _, p := range before {
		if known[p] && may() {
			r.log.LogAttrs(context.Background(), slog.LevelInfo, "problem is over", attributes(p)...)
		}
	}
	if silent != 0 {
		r.log.Warn("more problems have come or gone than are logged at once; the admin page has all", "not-logged", silent)
	}
}

func attributes(p hostmap.Problem) []slog.Attr {
	return []slog.Attr{
		slog.String("kind", p.Kind), slog.String("namespace", p.Namespace), slog.String("name", p.Name),
		slog.String("reason", p.Reason), slog.String("message", p.Message),
	}
}

// Describe implements prometheus.Collector.
func (r *Recorder) Describe(ch chan<- *prometheus.Desc) {
	r.duration.Describe(ch)
	for _, d := range []*prometheus.Desc{
		r.desc.publications, r.desc.published, r.desc.hosts, r.desc.certificates, r.desc.overlaps, r.desc.notAfter, r.desc.problems,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (r *Recorder) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	r.duration.Collect(ch)
	r.mu.Lock()
	state := r.state
	for result, n := range r.count {
		ch <- prometheus.MustNewConstMetric(r.desc.publications, prometheus.CounterValue, n, result)
	}
	r.mu.Unlock()
	if state.Map == nil {
		return
	}
	gauge(r.desc.published, float64(state.Published.UnixMilli())/1000)
	gauge(r.desc.hosts, float64(state.Map.Hosts()))
	gauge(r.desc.certificates, float64(state.Map.CertificateCount()))

	if report, _ := r.audits.report(state.Map); report != nil {
		gauge(r.desc.overlaps, float64(report.Overlapping))
	}

	ends := make(map[hostmap.SecretRef]time.Time)
	for c := range state.Map.AllCertificates() {
		if end, ok := ends[c.Secret]; !ok || c.NotAfter.Before(end) {
			ends[c.Secret] = c.NotAfter
		}
	}
	for secret, end := range ends {
		gauge(r.desc.notAfter, float64(end.Unix()), secret.Namespace, secret.Name)
	}

	type series struct{ namespace, ingress, reason string }
	counts := make(map[series]int)
	for _, p := range state.Problems {
		name := p.Name
		if p.Kind != "Ingress" {
			name = p.Kind + "/" + p.Name
		}
		counts[series{p.Namespace, name, p.Reason}]++
	}
	for s, n := range counts {
		gauge(r.desc.problems, float64(n), s.namespace, s.ingress, s.reason)
	}
}

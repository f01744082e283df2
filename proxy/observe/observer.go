package observe

import (
	"io"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Config is what an Observer writes to.
type Config struct {
	// Log takes what is said about backends and refused clients.
	Log *slog.Logger
	// Misdirected takes one JSON line for each 421; nil discards them. A Write
	// of it, or of Access, must not wait for whoever reads them: requests would.
	Misdirected io.Writer
	// Access takes a line in AccessFormat for each request; nil discards them.
	Access       io.Writer
	AccessFormat string
	// AccessEvery leaves out all but one in so many requests that were answered
	// below 400; 0 and 1 leave out none.
	AccessEvery int
	// HostMetrics is full, auto, requests or none; "" is auto.
	HostMetrics string
	// Registerer takes the metrics; nil discards them.
	Registerer prometheus.Registerer
}

// Observer is told of requests and connections, and tells of them in metrics and
// logs. Its methods may be called from any goroutine.
type Observer struct {
	metrics     *metrics
	recovered   recoveries
	misdirected *misdirectedLog // nil for none
	access      *accessLog      // nil for none
	failures    *failureLog
	refusals    *refusalLog
}

// New makes an Observer. Close ends it.
func New(cfg Config) *Observer {
	o := &Observer{
		metrics:  newMetrics(cfg.Registerer, cfg.HostMetrics),
		failures: newFailureLog(cfg.Log),
		refusals: newRefusalLog(cfg.Log),
	}
	if cfg.Misdirected != nil {
		o.misdirected = newMisdirectedLog(cfg.Misdirected)
	}
	if cfg.Access != nil {
		o.access = &accessLog{lines: newLineLog(cfg.Access), format: cfg.AccessFormat, every: uint64(max(cfg.AccessEvery, 0))}
	}
	return o
}

// Close writes the lines that are left. Nothing is to be told afterwards.
func (o *Observer) Close() {
	if o.misdirected != nil {
		o.misdirected.lines.close()
	}
	if o.access != nil {
		o.access.lines.close()
	}
}

// Site returns the counters of a site, which it makes if need be; those of the
// unserved for nil.
func (o *Observer) Site(s *hostmap.Site) *Site { return o.metrics.site(s) }

// Tries returns the counter of one Service and result of a try, which is "ok" or
// the reason of a failure.
func (o *Observer) Tries(namespace, name, result string) *atomic.Uint64 {
	return o.metrics.tries(service{namespace, name}, result)
}

// Retain forgets the counters of sites and Services that a map does not have, and
// the one before it had.
func (o *Observer) Retain(m, before *hostmap.Map) { o.metrics.retain(m, before) }

// Opened counts a client connection in, by the protocol that it speaks.
func (o *Observer) Opened(protocol string) { o.metrics.connections.WithLabelValues(protocol).Inc() }

// Ended counts a client connection out.
func (o *Observer) Ended(protocol string) { o.metrics.connections.WithLabelValues(protocol).Dec() }

// Closed counts a client connection that was closed, served or not, by why.
func (o *Observer) Closed(reason string) { o.metrics.closed.WithLabelValues(reason).Inc() }

// StreamRefused counts a request that its connection did not take, or gave up.
func (o *Observer) StreamRefused(reason string) { o.metrics.refused.WithLabelValues(reason).Inc() }

// Handshake counts a TLS handshake. Version, as [VersionName] has it, and resumed
// are "" for one that has failed.
func (o *Observer) Handshake(result, version, resumed string) {
	o.metrics.handshakes.WithLabelValues(result, version, resumed).Inc()
}

// ConnectionRefused logs a connection that is turned away, unless there were many
// of its reason.
func (o *Observer) ConnectionRefused(r Refusal) { o.refusals.connection(r) }

// HandshakeRefused logs a handshake that has failed, for a server name as the
// client sent it, unless there were many of its reason.
func (o *Observer) HandshakeRefused(r Refusal, sni string) {
	o.refusals.handshake(r, sni)
}

// Misdirected counts and logs a request that the rule refused for a reason, or
// only reported where it is not enforced.
func (o *Observer) Misdirected(x *Exchange, reason hostmap.Reason, enforced bool) {
	l := misdirectedLabels{reason: string(reason), rule: x.Verdict.Rule.String(), enforcement: "enforce", protocol: x.Protocol, retry: "no"}
	if !enforced {
		l.enforcement = "report"
	}
	if x.Verdict.Retry {
		l.retry = "yes"
	}
	x.Site.misdirect(l)
	if enforced {
		o.recovered.refused(x)
	}
	if o.misdirected != nil {
		o.misdirected.write(x, l)
	}
}

// Served counts a request that is served as a recovery, if its client was refused
// for the same host a moment ago and now asked for it in its handshake.
func (o *Observer) Served(start time.Time, f *hostmap.Facts, source netip.Addr, host string, site *Site) {
	if o.recovered.pending.Load() != 0 && f.TLS && f.ServerName == host && o.recovered.served(start, source, host) {
		site.recovered.Add(1)
	}
}

// Finished counts and logs a request that is over.
func (o *Observer) Finished(x *Exchange) {
	d := time.Since(x.Start)
	x.Site.request(x.Protocol, x.Method, x.Status, d)
	if x.BackendFailed {
		o.failures.write(x)
	}
	if o.access != nil {
		o.access.write(x, d)
	}
}

package proxy

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/balance"
	"github.com/ingress421/ingress421/proxy/edge"
	"github.com/ingress421/ingress421/proxy/h2"
	"github.com/ingress421/ingress421/proxy/http1"
	"github.com/ingress421/ingress421/proxy/observe"
	"github.com/ingress421/ingress421/proxy/upstream"
)

// Values of Config.AccessLog.
const (
	AccessLogOff  = "off"
	AccessLogJSON = observe.AccessLogJSON
	AccessLogText = observe.AccessLogText
)

// drainAccept is the DrainAccept of a Config that has none.
const drainAccept = 250 * time.Millisecond

// Values of Config.HostMetrics.
const (
	HostMetricsFull     = observe.HostMetricsFull
	HostMetricsAuto     = observe.HostMetricsAuto
	HostMetricsRequests = observe.HostMetricsRequests
	HostMetricsNone     = observe.HostMetricsNone
)

// Config is what a Server is made of.
type Config struct {
	// HTTPAddr and HTTPSAddr are listened on, as host:port; port 0 is chosen
	// by the system, and "" is no listener.
	HTTPAddr, HTTPSAddr string
	// ExternalHTTPSPort is the port that clients reach HTTPSAddr by, for
	// redirects and ORIGIN frames; 0 is 443.
	ExternalHTTPSPort int
	// ProxyProtocolFrom are the peers that must send a PROXY protocol header.
	// Anybody else who sends one is refused.
	ProxyProtocolFrom []netip.Prefix
	// Limits hold for connections and backends of classes that set none of
	// their own.
	Limits hostmap.Limits
	// DrainTimeout bounds the wait for requests under way when Run ends; 0 is
	// 60 s.
	DrainTimeout time.Duration
	// DrainAccept is for how long connections are still taken once Run is to
	// end: whoever sends them learns of the end no earlier. 0 is 250 ms.
	DrainAccept time.Duration
	// Upstream configures the connections to backends. Time-outs that it does
	// not set are those of Limits.
	Upstream upstream.Config
	// Self is this process as it is now, to which no connection is opened. It
	// may be nil.
	Self func() hostmap.Self
	// Log takes what the server has to say; nil discards it.
	Log *slog.Logger
	// MisdirectedLog takes one JSON line for each 421; nil discards them. A
	// Write of it, or of AccessLogTo, must not wait for whoever reads them:
	// requests would.
	MisdirectedLog io.Writer
	// AccessLog is off, json or text; "" is off. AccessLogTo takes its lines.
	AccessLog   string
	AccessLogTo io.Writer
	// AccessLogEvery leaves out all but one in so many requests that were answered
	// below 400; 0 and 1 leave out none.
	AccessLogEvery int
	// HostMetrics says which metrics are by host: full, auto, requests or none; ""
	// is auto.
	HostMetrics string
	// Registerer takes the metrics; nil discards them.
	Registerer prometheus.Registerer
}

// Server is the data plane. Make one with [New], give it maps with
// [Server.Publish], and let it serve with [Server.Run].
type Server struct {
	cfg       Config
	upstream  *upstream.Client
	endpoints *balance.Registry
	observer  *observe.Observer
	requests  *requests
	memory    *memory
	edge      *edge.Edge

	now       atomic.Pointer[live]
	publishMu sync.Mutex
	published chan struct{} // closed by the first Publish
	once      sync.Once

	mu    sync.Mutex
	addrs [2]net.Addr // guarded by mu; HTTP, HTTPS
}

// New makes a server. It listens on nothing before Run.
func New(cfg Config) (*Server, error) {
	switch cfg.AccessLog {
	case "", AccessLogOff, AccessLogJSON, AccessLogText:
	default:
		return nil, fmt.Errorf("access log %q: want off, json or text", cfg.AccessLog)
	}
	switch cfg.HostMetrics {
	case "", HostMetricsFull, HostMetricsAuto, HostMetricsRequests, HostMetricsNone:
	default:
		return nil, fmt.Errorf("host metrics %q: want full, auto, requests or none", cfg.HostMetrics)
	}
	if cfg.ExternalHTTPSPort == 0 {
		cfg.ExternalHTTPSPort = 443
	}
	if cfg.DrainTimeout == 0 {
		cfg.DrainTimeout = 60 * time.Second
	}
	if cfg.DrainAccept == 0 {
		cfg.DrainAccept = drainAccept
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	up := &cfg.Upstream
	up.ConnectTimeout = cmp.Or(up.ConnectTimeout, cfg.Limits.ConnectTimeout)
	up.ReadTimeout = cmp.Or(up.ReadTimeout, cfg.Limits.ReadTimeout)
	up.SendTimeout = cmp.Or(up.SendTimeout, cfg.Limits.SendTimeout)
	s := &Server{
		cfg:       cfg,
		memory:    newMemory(cfg.Log),
		published: make(chan struct{}),
	}
	to := observe.Config{Log: cfg.Log, Misdirected: cfg.MisdirectedLog, HostMetrics: cfg.HostMetrics, Registerer: cfg.Registerer}
	if cfg.AccessLog == AccessLogJSON || cfg.AccessLog == AccessLogText {
		to.Access, to.AccessFormat, to.AccessEvery = cfg.AccessLogTo, cfg.AccessLog, cfg.AccessLogEvery
	}
	s.observer = observe.New(to)
	if cfg.Upstream.Dial == nil {
		cfg.Upstream.Dial = dialer(cfg.Self)
	}
	s.upstream = upstream.New(cfg.Upstream)
	s.endpoints = balance.New(s.upstream, cfg.Upstream.ConnectTimeout, cfg.Log)
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(s.endpoints)
	}
	s.requests = newRequests(s.current, s.observer, s.memory, cfg.ExternalHTTPSPort, to.Access != nil)
	s.edge = edge.New(edge.Config{
		Hosts:             func() *hostmap.Map { return s.current().Hosts },
		Limits:            cfg.Limits,
		ProxyProtocolFrom: cfg.ProxyProtocolFrom,
		DrainTimeout:      cfg.DrainTimeout,
		DrainAccept:       cfg.DrainAccept,
		Attach:            attach,
		HTTP1:             &http1.Engine{Handle: s.requests.ServeHTTP1, Refuse: s.requests.RefuseHTTP1},
		HTTP2: &h2.Engine{
			Admit: s.requests.AdmitStream, Refuse: s.requests.RefuseStream, Handle: s.requests.ServeStream,
			Origins: s.origins,
			Cut:     func(_ *h2.Conn, why string) { s.observer.StreamRefused(why) },
		},
		Full:     s.memory.Full,
		Observer: s.observer,
		Log:      cfg.Log,
	})
	return s, nil
}

// current is the live host map. Serving begins with the first one published.
func (s *Server) current() *live { return s.now.Load() }

// Publish makes a host map live: one atomic store. Requests and handshakes
// that begin after it returns are judged by the new map. Connections that it
// has put in the wrong are drained.
func (s *Server) Publish(m *hostmap.Map) {
	s.publishMu.Lock()
	defer s.publishMu.Unlock()
	previous := s.now.Load()
	next, gone := newLive(m, previous, s.endpoints, s.observer)
	s.now.Store(next)
	s.once.Do(func() { close(s.published) })
	if previous == nil {
		return
	}
	s.endpoints.Release(gone)
	s.observer.Retain(m, previous.Hosts)
	s.edge.Published(previous.Hosts)
}

// origins is the ORIGIN frame of a connection (RFC 8336).
func (s *Server) origins(hc *h2.Conn) ([]string, bool) {
	c, ok := hc.Data().(*client)
	if !ok {
		return nil, false
	}
	return s.current().Hosts.Origins(&c.Facts, uint16(s.cfg.ExternalHTTPSPort))
}

// Addrs returns the addresses listened on, nil where there is no listener.
func (s *Server) Addrs() (http, https net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addrs[0], s.addrs[1]
}

// Failing returns the endpoints that have failed since they answered last, in
// any order.
func (s *Server) Failing() []balance.Failing { return s.endpoints.Failing() }

// Connections counts the open connections of clients, by protocol.
func (s *Server) Connections() map[string]int { return s.observer.Connections() }

// Listen waits for the first map and then opens the listeners. Run serves what
// comes by them. It returns early, with the cause, if ctx ends.
func (s *Server) Listen(ctx context.Context) (http, https net.Listener, err error) {
	select {
	case <-s.published:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	open := func(addr string) (net.Listener, error) {
		if addr == "" {
			return nil, nil
		}
		return s.edge.Listen(addr)
	}
	if http, err = open(s.cfg.HTTPAddr); err != nil {
		return nil, nil, fmt.Errorf("listen for http: %w", err)
	}
	if https, err = open(s.cfg.HTTPSAddr); err != nil {
		if http != nil {
			_ = http.Close()
		}
		return nil, nil, fmt.Errorf("listen for https: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if http != nil {
		s.addrs[0] = http.Addr()
	}
	if https != nil {
		s.addrs[1] = https.Addr()
	}
	return http, https, nil
}

// Run serves the listeners, either of which may be nil, until ctx ends. Then
// it drains: connections are told, requests under way are finished, new ones
// are still taken until every connection is told or DrainTimeout is over.
func (s *Server) Run(ctx context.Context, httpLn, httpsLn net.Listener) error {
	<-s.published
	serving, served := context.WithCancel(context.WithoutCancel(ctx))
	var watch sync.WaitGroup
	watch.Go(func() { s.memory.watch(serving) })
	err := s.edge.Serve(ctx, httpLn, httpsLn)
	served()
	watch.Wait()
	s.upstream.Close()
	s.observer.Close()
	return err
}

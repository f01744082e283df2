package proxy

import (
	"context"
	"errors"
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
	// Registerer takes the metrics; nil discards them.
	Registerer prometheus.Registerer
}

// Server is the data plane. Make one with [New], give it maps with
// [Server.Publish], and let it serve with [Server.Run].
type Server struct {
	cfg        Config
	log        *slog.Logger
	upstream   *upstream.Client
	endpoints  *balance.Registry
	handshaker *handshaker
	observer   *observe.Observer
	requests   *requests
	conns      registry
	sources    sources
	lingering  atomic.Int32 // connections whose handshake was refused

	now       atomic.Pointer[live]
	publishMu sync.Mutex
	published chan struct{} // closed by the first Publish
	once      sync.Once

	http1 *http1.Engine
	h2    *h2.Engine

	mu    sync.Mutex
	addrs [2]net.Addr // guarded by mu; HTTP, HTTPS
	wg    sync.WaitGroup
}

// New makes a server. It listens on nothing before Run.
func New(cfg Config) (*Server, error) {
	switch cfg.AccessLog {
	case "", AccessLogOff, AccessLogJSON, AccessLogText:
	default:
		return nil, fmt.Errorf("access log %q: want off, json or text", cfg.AccessLog)
	}
	if cfg.ExternalHTTPSPort == 0 {
		cfg.ExternalHTTPSPort = 443
	}
	if cfg.DrainTimeout == 0 {
		cfg.DrainTimeout = 60 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	up := &cfg.Upstream
	up.ConnectTimeout = either(up.ConnectTimeout, cfg.Limits.ConnectTimeout)
	up.ReadTimeout = either(up.ReadTimeout, cfg.Limits.ReadTimeout)
	up.SendTimeout = either(up.SendTimeout, cfg.Limits.SendTimeout)
	s := &Server{
		cfg:       cfg,
		log:       cfg.Log,
		published: make(chan struct{}),
	}
	to := observe.Config{Log: cfg.Log, Misdirected: cfg.MisdirectedLog, Registerer: cfg.Registerer}
	if cfg.AccessLog == AccessLogJSON || cfg.AccessLog == AccessLogText {
		to.Access, to.AccessFormat = cfg.AccessLogTo, cfg.AccessLog
	}
	s.observer = observe.New(to)
	if cfg.Upstream.Dial == nil {
		cfg.Upstream.Dial = s.dialBackend
	}
	s.upstream = upstream.New(cfg.Upstream)
	s.endpoints = balance.New(s.upstream, cfg.Upstream.ConnectTimeout, cfg.Log)
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(s.endpoints)
	}
	s.requests = newRequests(s.current, s.observer, cfg.ExternalHTTPSPort)
	s.http1 = &http1.Engine{Handle: s.requests.ServeHTTP1, Refuse: s.requests.RefuseHTTP1}
	s.h2 = &h2.Engine{
		Admit: s.requests.AdmitStream, Refuse: s.requests.RefuseStream, Handle: s.requests.ServeStream,
		Origins: s.origins,
		Cut:     func(_ *h2.Conn, why string) { s.observer.StreamRefused(why) },
	}
	s.handshaker = newHandshaker(s.current)
	return s, nil
}

const (
	defaultStallTimeout     = 60 * time.Second
	defaultHandshakeTimeout = 10 * time.Second
)

// either is v, or d where v is zero.
func either[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
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
	next := s.newLive(m, previous)
	s.now.Store(next)
	s.once.Do(func() { close(s.published) })
	if previous == nil {
		return
	}
	s.endpoints.Retain(next.backends.Backends)
	s.observer.Retain(m)
	if !handshakesChanged(previous.Hosts, m) {
		return
	}
	for _, c := range s.conns.all() {
		if c.settled.Load() && !stillRight(m, c) {
			c.drain()
		}
	}
}

// Addrs returns the addresses listened on, nil where there is no listener.
func (s *Server) Addrs() (http, https net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addrs[0], s.addrs[1]
}

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
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, err
		}
		return s.withProxyProtocol(ln), nil
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
	failed := make(chan error, 2)
	serve := func(f func() error) {
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			if err := f(); err != nil && !errors.Is(err, net.ErrClosed) {
				failed <- err
			}
		}()
	}
	if httpsLn != nil {
		serve(func() error { return s.accept(httpsLn, s.serveTLS) })
	}
	if httpLn != nil {
		serve(func() error { return s.accept(httpLn, s.serveCleartext) })
	}

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.drain(httpLn, httpsLn)
	s.wg.Wait()
	s.upstream.Close()
	s.observer.Close()
	return err
}

// drain ends all connections gracefully, within DrainTimeout. Connections are
// still taken, and told at once, until none is left or a moment has passed:
// those that the system has queued already must not be reset.
func (s *Server) drain(listeners ...net.Listener) {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.DrainTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	accept := time.NewTimer(min(either(s.cfg.DrainAccept, drainAccept), s.cfg.DrainTimeout/2))
	defer accept.Stop()
	for accepting := true; (accepting || s.conns.len() > 0) && ctx.Err() == nil; {
		for _, c := range s.conns.all() {
			c.drain()
		}
		select {
		case <-accept.C:
			accepting = false
			closeAll(listeners)
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	closeAll(listeners)
	for _, c := range s.conns.all() { // none, unless the time is over
		_ = c.Close()
	}
}

func closeAll(listeners []net.Listener) {
	for _, ln := range listeners {
		if ln != nil {
			_ = ln.Close()
		}
	}
}

// drainAccept is the DrainAccept of a Config that has none.
const drainAccept = 250 * time.Millisecond

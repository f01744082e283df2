package proxy

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/h2"
)

// settings are what all connections with the same limits share: goroutines,
// buffers, and net/http's server.
type settings struct {
	limits hostmap.Limits
	h2     *h2.Config
	// http1 is made with the first connection that needs it. Guarded by
	// settingsList.mu.
	http1 *http1Server
	users int // connections; guarded by settingsList.mu
}

// settingsList is the settings of the limits that the published map has, and of
// those that only connections made under an earlier one still have. A class
// whose limits are edited leaves nothing behind.
type settingsList struct {
	mu      sync.Mutex
	all     map[hostmap.Limits]*settings // guarded by mu
	stopped bool                         // no more of net/http's; guarded by mu
}

// use returns the settings of some limits, for one connection, which gives
// them back with leave.
func (s *Server) use(l hostmap.Limits) *settings {
	s.settings.mu.Lock()
	defer s.settings.mu.Unlock()
	st := s.settings.all[l]
	if st == nil {
		st = &settings{limits: l, h2: s.newH2Config(l)}
		s.settings.all[l] = st
	}
	st.users++
	return st
}

// leave gives settings back when a connection has ended.
func (s *Server) leave(st *settings) {
	s.settings.mu.Lock()
	defer s.settings.mu.Unlock()
	st.users--
	s.forgetUnused(st)
}

// forgetUnused forgets settings that neither a connection nor the live map
// uses. Callers hold settings.mu.
func (s *Server) forgetUnused(st *settings) {
	if st.users > 0 || s.current().limits[st.limits] {
		return
	}
	delete(s.settings.all, st.limits)
	if st.http1 != nil {
		st.http1.end()
	}
}

// forgetSettings forgets what a map just published has put out of use.
func (s *Server) forgetSettings() {
	s.settings.mu.Lock()
	defer s.settings.mu.Unlock()
	for _, st := range s.settings.all {
		s.forgetUnused(st)
	}
}

// limitsIn are the limits that connections made under a map may have.
func (s *Server) limitsIn(m *hostmap.Map) map[hostmap.Limits]bool {
	class := m.Class()
	in := map[hostmap.Limits]bool{class.Limits.Or(s.cfg.Limits): true}
	for _, site := range m.Sites() {
		if site.Class != class {
			class = site.Class
			in[class.Limits.Or(s.cfg.Limits)] = true
		}
	}
	return in
}

// limitsOf are the limits of a connection: its site's class's, and the
// server's own where that sets none.
func (s *Server) limitsOf(site *hostmap.Site) hostmap.Limits {
	class := s.current().hosts.Class()
	if site != nil {
		class = site.Class
	}
	return class.Limits.Or(s.cfg.Limits)
}

func (s *Server) newH2Config(l hostmap.Limits) *h2.Config {
	return &h2.Config{
		Admit:     s.admitStream,
		TooLarge:  s.tooLarge,
		Malformed: s.malformed,
		Handle:    s.serveStream,
		Limits: h2.Limits{
			MaxStreams: uint32(l.MaxStreams), MaxHeaderBytes: uint32(l.MaxHeaderBytes), MaxHeaderFields: l.MaxHeaderFields,
			MaxContinuations: l.MaxContinuations,
			ResetBurst:       l.ResetBurst, ResetRate: float64(l.ResetRate),
			ControlBurst: l.ControlBurst, ControlRate: float64(l.ControlRate),
			PrefaceTimeout: l.PrefaceTimeout, HeaderTimeout: l.HeaderTimeout, IdleTimeout: l.IdleTimeout,
			StallTimeout: l.StallTimeout, MaxAge: l.MaxConnectionAge,
		},
		Origins: s.origins,
		Closed:  func(_ *h2.Conn, reason string) { s.metrics.closed.WithLabelValues(reason).Inc() },
		Refused: func(_ *h2.Conn, reason string) { s.metrics.refused.WithLabelValues(reason).Inc() },
	}
}

// http1Slop is what net/http reads beyond its MaxHeaderBytes.
const http1Slop = 4096

// http1Server is net/http's server for the connections with one set of limits.
type http1Server struct {
	*http.Server
	s     *Server
	stall time.Duration
	conns *handoff
}

// http1Server returns the server of some settings, which it starts if need be.
func (s *Server) http1Server(st *settings) *http1Server {
	s.settings.mu.Lock()
	defer s.settings.mu.Unlock()
	if st.http1 != nil {
		return st.http1
	}
	l := st.limits
	h := &http1Server{s: s, stall: either(l.StallTimeout, defaultStallTimeout), conns: newHandoff()}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	h.Server = &http.Server{
		Handler:   h,
		Protocols: &protocols,
		// OPTIONS * is judged like any other request, or would be answered 200
		// for whatever host.
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            either(l.HeaderTimeout, defaultHeaderTimeout),
		IdleTimeout:                  either(l.IdleTimeout, defaultIdleTimeout),
		MaxHeaderBytes:               max(either(l.MaxHeaderBytes, defaultHeaderBytes)-http1Slop, 1),
		MaxHeaderValueCount:          either(l.MaxHeaderFields, defaultHeaderFields),
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			if c, ok := nc.(*http1Conn); ok {
				return context.WithValue(ctx, connKey{}, c.c)
			}
			return ctx
		},
	}
	st.http1 = h
	if s.settings.stopped {
		_ = h.conns.Close()
		return h
	}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		_ = h.Serve(h.conns) // ends when the server is closed
	}()
	return h
}

// end closes the server, and what connections it has.
func (h *http1Server) end() {
	_ = h.Close()
	_ = h.conns.Close()
}

// eachHTTP1 does something with each server that was started.
func (s *Server) eachHTTP1(do func(*http1Server)) {
	s.settings.mu.Lock()
	defer s.settings.mu.Unlock()
	for _, st := range s.settings.all {
		if st.http1 != nil {
			do(st.http1)
		}
	}
}

// closeHTTP1 ends all servers, and those still to come.
func (s *Server) closeHTTP1() {
	s.settings.mu.Lock()
	s.settings.stopped = true
	s.settings.mu.Unlock()
	s.eachHTTP1((*http1Server).end)
}

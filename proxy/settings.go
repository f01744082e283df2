package proxy

import (
	"sync"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/h2"
)

// settings are what all HTTP/2 connections with the same limits share: goroutines
// and buffers.
type settings struct {
	limits hostmap.Limits
	h2     *h2.Config
	users  int // connections; guarded by settingsList.mu
}

// settingsList is the settings of the limits that the published map has, and of
// those that only connections made under an earlier one still have. A class
// whose limits are edited leaves nothing behind.
type settingsList struct {
	mu  sync.Mutex
	all map[hostmap.Limits]*settings // guarded by mu
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

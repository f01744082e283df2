package proxy

import (
	"strings"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/h2"
)

// h2Exchange is an HTTP/2 stream as the forwarder sees it.
type h2Exchange struct{ *h2.Stream }

var _ exchange = h2Exchange{}

func (e h2Exchange) setClose() { e.Conn().Drain() }

func (e h2Exchange) stopRead() { e.StopRead() }

// admitStream judges a request on the read loop of its connection.
func (s *Server) admitStream(st *h2.Stream) (answered bool) {
	r, ok := s.streamRequest(st)
	if !ok {
		return true
	}
	if st.Method == "CONNECT" && st.Protocol == "websocket" {
		r.tunnel = st.Protocol
	}
	switch {
	case !st.HasBody():
		r.contentLength = 0
	default:
		r.contentLength = st.ContentLength
		expect := r.get("expect")
		r.expects = expect != ""
		r.unmet = r.expects && !strings.EqualFold(expect, "100-continue")
	}
	if !s.admit(h2Exchange{st}, r) {
		s.freeRequest(r)
		return true
	}
	st.Data = r
	st.Messages = r.isGRPC() && r.verdict.Route.Backend.Protocol != hostmap.HTTP
	return false
}

// streamRequest is the request of a stream, and where it came from.
func (s *Server) streamRequest(st *h2.Stream) (r *request, ok bool) {
	c, ok := st.Conn().Data().(*conn)
	if !ok {
		st.Reset(http2.ErrCodeInternal)
		return nil, false
	}
	r = s.newRequest()
	r.conn, r.start = c, st.Received()
	r.protocol, r.method, r.scheme, r.authority, r.target = protocolHTTP2, st.Method, st.Scheme, st.Authority, st.Path
	r.hasAuthority = st.HasAuthority
	r.header = st.Header
	return r, true
}

// newH2Engine serves HTTP/2 connections.
func (s *Server) newH2Engine() *h2.Engine {
	return &h2.Engine{
		Admit:   s.admitStream,
		Refuse:  s.refuseStream,
		Handle:  s.serveStream,
		Origins: s.origins,
		Cut:     func(_ *h2.Conn, why string) { s.observer.StreamRefused(why) },
	}
}

// refuseStream answers what is no request.
func (s *Server) refuseStream(st *h2.Stream, status int, why string) {
	s.observer.StreamRefused(why)
	r, ok := s.streamRequest(st)
	if !ok {
		return
	}
	r.live = s.current()
	r.stats = r.live.unserved
	s.answerError(h2Exchange{st}, r, status, why)
	s.freeRequest(r)
}

// serveStream forwards an admitted request.
func (s *Server) serveStream(st *h2.Stream) {
	r, ok := st.Data.(*request)
	if !ok {
		return
	}
	r.bodyWhole = st.HasBody() && st.BodyWhole()
	s.forward(h2Exchange{st}, r)
	s.freeRequest(r)
}

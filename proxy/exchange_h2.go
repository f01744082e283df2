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

// tooLarge and malformed answer requests whose heads cannot be judged.
func (s *Server) tooLarge(st *h2.Stream)  { s.refuseStream(st, 431, reasonHeaderList) }
func (s *Server) malformed(st *h2.Stream) { s.refuseStream(st, 400, reasonMalformed) }

func (s *Server) refuseStream(st *h2.Stream, status int, reason string) {
	r, ok := s.streamRequest(st)
	if !ok {
		return
	}
	r.live = s.current()
	r.stats = r.live.unserved
	s.answerError(h2Exchange{st}, r, status, reason)
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

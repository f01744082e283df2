package proxy

import (
	"strings"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/proxy/h2"
)

// h2Exchange is an HTTP/2 stream as the forwarder sees it.
type h2Exchange struct{ *h2.Stream }

var _ exchange = h2Exchange{}

func (e h2Exchange) setClose() { e.Conn().Drain() }

func (e h2Exchange) stopRead() { e.StopRead() }

// admitStream judges a request on the read loop of its connection.
func (s *Server) admitStream(st *h2.Stream) (answered bool) {
	c, ok := st.Conn().Data().(*conn)
	if !ok {
		st.Reset(http2.ErrCodeInternal)
		return true
	}
	r := s.newRequest()
	r.conn, r.start = c, st.Received()
	r.protocol, r.method, r.scheme, r.authority, r.target = protocolHTTP2, st.Method, st.Scheme, st.Authority, st.Path
	r.header = st.Header
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
	return false
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

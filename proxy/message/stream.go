package message

import (
	"net/http"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/h2"
)

// h2Exchange is an HTTP/2 stream as an Exchange.
type h2Exchange struct{ *h2.Stream }

var _ Exchange = h2Exchange{}

// SetClose implements Exchange.
func (e h2Exchange) SetClose() { e.Conn().Drain() }

// RespondBlock implements Exchange.
func (e h2Exchange) RespondBlock(b *Block, more []hpack.HeaderField, body []byte) error {
	return e.Stream.RespondBlock(b.h2, more, body)
}

// AdmitStream judges a request on the read loop of its connection: h2's Admit.
func (h *Handler) AdmitStream(st *h2.Stream) (answered bool) {
	r := h.openStream(st)
	if r == nil {
		return true
	}
	if st.Method == http.MethodConnect && st.Protocol == "websocket" {
		r.Tunnel = st.Protocol
	}
	switch {
	case !st.HasBody():
		r.ContentLength = 0
	default:
		r.ContentLength = st.ContentLength
		expect := r.Get("expect")
		r.expects = expect != ""
		r.Unmet = r.expects && !strings.EqualFold(expect, "100-continue")
	}
	if !h.Admit(r) {
		h.End(r)
		return true
	}
	st.Data = r
	return false
}

// openStream is the request of a stream, and where it came from.
func (h *Handler) openStream(st *h2.Stream) *Request {
	r := h.Begin(st.Conn().Data(), h2Exchange{st}, st.Received())
	if r == nil {
		st.Reset(http2.ErrCodeInternal)
		return nil
	}
	r.Protocol, r.Method, r.Scheme, r.Authority, r.Target = HTTP2, st.Method, st.Scheme, st.Authority, st.Path
	r.HasAuthority = st.HasAuthority
	r.Header = st.Header
	return r
}

// RefuseStream answers what is no request: h2's Refuse.
func (h *Handler) RefuseStream(st *h2.Stream, status int, why string) {
	h.Cut(why)
	if r := h.openStream(st); r != nil {
		h.Refuse(r, status, why)
		h.End(r)
	}
}

// ServeStream forwards an admitted request: h2's Handle.
func (h *Handler) ServeStream(st *h2.Stream) {
	r, ok := st.Data.(*Request)
	if !ok {
		return
	}
	r.BodyWhole = st.HasBody() && st.BodyWhole()
	h.Forward(r)
	h.End(r)
}

// SendByMessage has content go out as soon as it comes, message by message, for
// callers who wait for each (gRPC). It has an effect where the request is
// admitted.
func (r *Request) SendByMessage() {
	if e, ok := r.ex.(h2Exchange); ok {
		e.Messages = true
	}
}

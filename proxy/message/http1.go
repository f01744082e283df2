package message

import (
	"strings"
	"time"

	"github.com/ingress421/ingress421/proxy/field"
	"github.com/ingress421/ingress421/proxy/http1"
)

// ServeHTTP1 answers one request: http1's Handle.
func (h *Handler) ServeHTTP1(x *http1.Exchange) {
	r := h.openHTTP1(x)
	if r == nil {
		return
	}
	defer h.End(r)
	if h.Admit(r) {
		r.BodyWhole = r.ContentLength > 0 && x.Whole()
		h.Forward(r)
	}
	x.OnCancel(nil)
}

// RefuseHTTP1 answers what is no request: http1's Refuse.
func (h *Handler) RefuseHTTP1(x *http1.Exchange, status int, why string) {
	if r := h.openHTTP1(x); r != nil {
		h.Refuse(r, status, why)
		h.End(r)
	}
}

// openHTTP1 is a request of HTTP/1.1, and where it came from.
func (h *Handler) openHTTP1(x *http1.Exchange) *Request {
	r := h.Begin(x.Conn().Data(), nil, time.Now())
	if r == nil {
		x.Abort()
		return nil
	}
	r.http1 = http1Exchange{Exchange: x, stall: x.StallTimeout(), cut: h.Cut}
	r.ex = &r.http1
	r.Protocol, r.Method, r.Target, r.Header = HTTP1, x.Method, x.Target, x.Header
	if scheme, rest, ok := strings.Cut(r.Target, "://"); ok && !strings.HasPrefix(r.Target, "/") {
		// Absolute form (RFC 9112 section 3.2.2): its authority and scheme
		// hold, and Host is ignored.
		r.Absolute, r.HasAuthority, r.Scheme = true, true, scheme
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		r.Authority, r.Target = rest[:end], rest[end:]
		if !strings.HasPrefix(r.Target, "/") {
			r.Target = "/" + r.Target
		}
	}
	r.ContentLength = x.ContentLength
	if r.ContentLength != 0 {
		r.expects = x.Expect != ""
		r.Unmet = r.expects && !field.EqualFold(x.Expect, "100-continue")
	}
	if x.AtLeast11() {
		r.Tunnel = r.upgrade()
	}
	return r
}

// upgrade is the protocol that an HTTP/1.1 request asks the connection to change
// to and that the backend is asked for too; "" where the Upgrade field is
// ignored, as RFC 9110 section 7.8 allows.
//
// A list of protocols is ignored, because what follows would be for the backend
// to choose, and so is what [field.Upgradable] refuses. A body goes before the
// protocol changes, as that of "docker exec" does, but one whose length is not
// known is where two readers come to disagree on its end.
func (h *Head) upgrade() string {
	protocol, n, asked := "", 0, false
	for i := range h.Header {
		switch f := &h.Header[i]; f.Name {
		case "upgrade":
			protocol = f.Value
			n++
		case "connection":
			asked = asked || field.InList(f.Value, "upgrade")
		}
	}
	switch {
	case n != 1 || !asked || h.ContentLength < 0 || h.Method == "CONNECT" || !field.Upgradable(protocol):
		return ""
	case strings.EqualFold(protocol, "websocket") && (h.Method != "GET" || h.ContentLength != 0):
		return "" // RFC 6455 section 4.1: a GET without content
	}
	return protocol
}

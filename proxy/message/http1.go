package message

import (
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/field"
	"github.com/ingress421/ingress421/proxy/h2"
	"github.com/ingress421/ingress421/proxy/http1"
)

// http1Exchange is an HTTP/1.1 request as an Exchange.
type http1Exchange struct {
	*http1.Exchange
	stall time.Duration
	cut   func(why string)

	// What moves while the client is waited for; each owned by who reads or
	// writes.
	received, sent  int64
	inPace, outPace h2.Pace
}

var _ Exchange = (*http1Exchange)(nil)

// errSlow is the error of a body that moves, but hardly.
var errSlow = errors.New("the client moves its body too slowly")

// Read implements Exchange.
func (e *http1Exchange) Read(p []byte) (int, error) {
	start := time.Now()
	n, err := e.Exchange.Read(p)
	e.received += int64(n)
	switch {
	case err == nil && !e.Begun() && e.inPace.TooSlow(time.Since(start), e.received, h2.LeastRate, e.stall):
		// A request that goes on beside its response may take its time.
		e.cut(h2.WhySlow)
		return n, errSlow
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.cut(h2.WhyStall)
	}
	return n, err
}

// Write implements Exchange.
func (e *http1Exchange) Write(p []byte) (int, error) {
	start := time.Now()
	n, err := e.Exchange.Write(p)
	e.sent += int64(n)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.cut(h2.WhyStall)
	case err == nil && e.outPace.TooSlow(time.Since(start), e.sent, h2.LeastConnRate, e.stall):
		e.cut(h2.WhySlow)
		e.Abort()
		return n, errSlow
	}
	return n, err
}

// RespondBlock implements Exchange.
func (e *http1Exchange) RespondBlock(b *h2.Block, more []hpack.HeaderField, body []byte) error {
	return e.Respond(b.Status(), slices.Concat(b.Fields(), more), body)
}

// OnCancel implements Exchange.
func (e *http1Exchange) OnCancel(c h2.Canceler) { e.Exchange.OnCancel(c) }

// Reset implements Exchange.
func (e *http1Exchange) Reset(http2.ErrCode) { e.Abort() }

// ForgetHead implements Exchange. The head is the connection's, for the next
// request.
func (e *http1Exchange) ForgetHead() {}

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

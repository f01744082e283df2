package proxy

import (
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	httpfield "github.com/ingress421/ingress421/proxy/field"
	"github.com/ingress421/ingress421/proxy/h2"
	"github.com/ingress421/ingress421/proxy/http1"
	"github.com/ingress421/ingress421/proxy/observe"
)

// http1Exchange is an HTTP/1.1 request as the forwarder sees it.
type http1Exchange struct {
	*http1.Exchange
	stall time.Duration
	// observer counts what is given up for the client's slowness.
	observer *observe.Observer

	// What moves while the client is waited for; each owned by who reads or
	// writes.
	received, sent  int64
	inPace, outPace h2.Pace
}

var _ exchange = (*http1Exchange)(nil)

// errSlow is the error of a body that moves, but hardly.
var errSlow = errors.New("the client moves its body too slowly")

// refused counts a body that was given up for the client's slowness.
func (e *http1Exchange) refused(reason string) { e.observer.StreamRefused(reason) }

// Read implements exchange.
func (e *http1Exchange) Read(p []byte) (int, error) {
	start := time.Now()
	n, err := e.Exchange.Read(p)
	e.received += int64(n)
	switch {
	case err == nil && !e.Begun() && e.inPace.TooSlow(time.Since(start), e.received, h2.LeastRate, e.stall):
		// A request that goes on beside its response may take its time.
		e.refused(h2.WhySlow)
		return n, errSlow
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.refused(h2.WhyStall)
	}
	return n, err
}

// Write implements exchange.
func (e *http1Exchange) Write(p []byte) (int, error) {
	start := time.Now()
	n, err := e.Exchange.Write(p)
	e.sent += int64(n)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.refused(h2.WhyStall)
	case err == nil && e.outPace.TooSlow(time.Since(start), e.sent, h2.LeastConnRate, e.stall):
		e.refused(h2.WhySlow)
		e.Abort()
		return n, errSlow
	}
	return n, err
}

// RespondBlock implements exchange.
func (e *http1Exchange) RespondBlock(b *h2.Block, more []hpack.HeaderField, body []byte) error {
	return e.Respond(b.Status(), slices.Concat(b.Fields(), more), body)
}

// OnCancel implements exchange.
func (e *http1Exchange) OnCancel(c h2.Canceler) { e.Exchange.OnCancel(c) }

// Reset implements exchange.
func (e *http1Exchange) Reset(http2.ErrCode) { e.Abort() }

func (e *http1Exchange) setClose() { e.SetClose() }

func (e *http1Exchange) stopRead() { e.StopRead() }

// newHTTP1Engine serves HTTP/1.1 connections, with TLS and without.
func (s *Server) newHTTP1Engine() *http1.Engine {
	return &http1.Engine{Handle: s.serveExchange, Refuse: s.refuseExchange}
}

// serveExchange answers one request.
func (s *Server) serveExchange(x *http1.Exchange) {
	c, ok := x.Conn().Data().(*conn)
	if !ok {
		x.Abort()
		return
	}
	if c.isDraining() {
		x.Conn().Drain()
	}
	r := s.newRequest()
	defer s.freeRequest(r)
	r.conn, r.start = c, time.Now()
	ex := r.fromHTTP1(s, x)
	if s.admit(ex, r) {
		r.bodyWhole = r.contentLength > 0 && x.Whole()
		s.forward(ex, r)
	}
	ex.OnCancel(nil)
}

// refuseExchange answers what is no request.
func (s *Server) refuseExchange(x *http1.Exchange, status int, why string) {
	c, ok := x.Conn().Data().(*conn)
	if !ok {
		x.Abort()
		return
	}
	r := s.newRequest()
	defer s.freeRequest(r)
	r.conn, r.start = c, time.Now()
	ex := r.fromHTTP1(s, x)
	r.live = s.current()
	r.stats = r.live.unserved
	s.answerError(ex, r, status, why)
}

// fromHTTP1 fills the head of a request, and returns its exchange.
func (r *request) fromHTTP1(s *Server, x *http1.Exchange) *http1Exchange {
	r.http1 = http1Exchange{Exchange: x, stall: x.StallTimeout(), observer: s.observer}
	r.protocol, r.method, r.target, r.header = protocolHTTP1, x.Method, x.Target, x.Header
	if scheme, rest, ok := strings.Cut(r.target, "://"); ok && !strings.HasPrefix(r.target, "/") {
		// Absolute form (RFC 9112 section 3.2.2): its authority and scheme
		// hold, and Host is ignored.
		r.absolute, r.hasAuthority, r.scheme = true, true, scheme
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		r.authority, r.target = rest[:end], rest[end:]
		if !strings.HasPrefix(r.target, "/") {
			r.target = "/" + r.target
		}
	}
	r.contentLength = x.ContentLength
	if r.contentLength != 0 {
		r.expects = x.Expect != ""
		r.unmet = r.expects && !httpfield.EqualFold(x.Expect, "100-continue")
	}
	if x.AtLeast11() {
		r.tunnel = r.upgrade()
	}
	return &r.http1
}

package edge

import (
	"cmp"
	"crypto/tls"
	"math/rand/v2"
	"net"
	"time"

	"github.com/ingress421/ingress421/proxy/message"
)

// What a connection gets where neither its class nor the process says.
const (
	defaultStallTimeout     = 60 * time.Second
	defaultHandshakeTimeout = 10 * time.Second
)

// serveTLS does the handshake of a connection and serves it. It and what it calls
// are cut so that little of the stack is held while a connection waits for
// requests: one that needs more than a quarter is not made smaller.
func (e *Edge) serveTLS(nc net.Conn) {
	if c, tc := e.admitTLS(nc); c != nil {
		e.serve(c, tc)
	}
}

// admitTLS lets a connection in and does its handshake; nil: it has ended.
func (e *Edge) admitTLS(nc net.Conn) (*Conn, *tls.Conn) {
	c, ok := e.enter(nc)
	if !ok {
		return nil, nil
	}
	deadline := time.Now().Add(cmp.Or(e.limitsOf(nil).HandshakeTimeout, defaultHandshakeTimeout))
	tc, err := e.handshake(c, deadline)
	if err != nil {
		e.lingering.end(c, err, deadline)
		e.conns.remove(c)
		_ = nc.Close()
		e.sources.leave(c.Source)
		return nil, nil
	}
	return c, tc
}

// serveCleartext serves a connection without TLS.
func (e *Edge) serveCleartext(nc net.Conn) {
	if c, ok := e.enter(nc); ok {
		e.serve(c, c)
	}
}

// engineConn is a connection of either engine.
type engineConn interface {
	drainer
	Serve() (reason string, err error)
}

// serve has an engine serve a connection that was let in, until it ends.
func (e *Edge) serve(c *Conn, nc net.Conn) {
	hc, end := e.begin(c, nc)
	reason, err := hc.Serve()
	e.ended(c, reason, err)
	end()
	e.sources.leave(c.Source)
}

// begin gives a connection to the engine of its protocol.
func (e *Edge) begin(c *Conn, nc net.Conn) (hc engineConn, end func()) {
	data, end := e.cfg.Attach(c)
	hc = e.newEngineConn(c, nc, data)
	e.observer.Opened(c.protocol())
	c.setHTTP(hc)
	return hc, end
}

// ended takes a connection that has been served out of all that knows it.
func (e *Edge) ended(c *Conn, reason string, err error) {
	if err != nil {
		e.log.Debug("connection ended", "protocol", c.protocol(), "peer", c.Facts.Peer, "error", err)
	}
	c.setHTTP(nil)
	e.conns.remove(c)
	e.observer.Ended(c.protocol())
	e.observer.Closed(reason)
}

// protocol is what a connection speaks: HTTP/1.1 unless its handshake has settled
// on HTTP/2.
func (c *Conn) protocol() string {
	if c.Facts.ALPN == message.HTTP2 {
		return message.HTTP2
	}
	return message.HTTP1
}

// newEngineConn makes a connection of the engine that speaks the protocol, with the
// limits of its site.
func (e *Edge) newEngineConn(c *Conn, nc net.Conn, data any) engineConn {
	limits := e.limitsOf(c.site)
	c.StallTimeout = cmp.Or(limits.StallTimeout, defaultStallTimeout)
	if c.protocol() == message.HTTP2 {
		return e.cfg.HTTP2.NewConn(nc, h2Limits(limits), data)
	}
	if age := limits.MaxConnectionAge; age > 0 {
		// Give or take a tenth, so that connections of one moment do not all
		// come back in another.
		c.retire = time.Now().Add(age*9/10 + rand.N(age/5+1))
	}
	return e.cfg.HTTP1.NewConn(nc, http1Limits(limits), data)
}

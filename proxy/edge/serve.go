package edge

import (
	"cmp"
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

// serveTLS does the handshake of a connection and serves it.
func (e *Edge) serveTLS(nc net.Conn) {
	c, ok := e.enter(nc)
	if !ok {
		return
	}
	defer e.sources.leave(c.Source)

	deadline := time.Now().Add(cmp.Or(e.limitsOf(nil).HandshakeTimeout, defaultHandshakeTimeout))
	tc, err := e.handshake(c, deadline)
	if err != nil {
		e.lingering.end(c, err, deadline)
		e.conns.remove(c)
		_ = nc.Close()
		return
	}
	protocol := message.HTTP1
	if c.Facts.ALPN == message.HTTP2 {
		protocol = message.HTTP2
	}
	e.serve(c, protocol, tc)
}

// serveCleartext serves a connection without TLS.
func (e *Edge) serveCleartext(nc net.Conn) {
	c, ok := e.enter(nc)
	if !ok {
		return
	}
	defer e.sources.leave(c.Source)
	e.serve(c, message.HTTP1, c)
}

// engineConn is a connection of either engine.
type engineConn interface {
	drainer
	Serve() (reason string, err error)
}

// serve has an engine serve a connection until it ends. What connections wait in
// should need little of the stack: one that needs more than a quarter is not made
// smaller.
func (e *Edge) serve(c *Conn, protocol string, nc net.Conn) {
	data, end := e.cfg.Attach(c)
	defer end()
	hc := e.newEngineConn(c, protocol, nc, data)
	e.observer.Opened(protocol)
	c.setHTTP(hc)
	reason, err := hc.Serve()
	if err != nil {
		e.log.Debug("connection ended", "protocol", protocol, "peer", c.Facts.Peer, "error", err)
	}
	c.setHTTP(nil)
	e.conns.remove(c)
	e.observer.Ended(protocol)
	e.observer.Closed(reason)
}

// newEngineConn makes a connection of the engine that speaks the protocol, with the
// limits of its site.
func (e *Edge) newEngineConn(c *Conn, protocol string, nc net.Conn, data any) engineConn {
	limits := e.limitsOf(c.site)
	c.StallTimeout = cmp.Or(limits.StallTimeout, defaultStallTimeout)
	if protocol == message.HTTP2 {
		return e.cfg.HTTP2.NewConn(nc, h2Limits(limits), data)
	}
	if age := limits.MaxConnectionAge; age > 0 {
		// Give or take a tenth, so that connections of one moment do not all
		// come back in another.
		c.retire = time.Now().Add(age*9/10 + rand.N(age/5+1))
	}
	return e.cfg.HTTP1.NewConn(nc, http1Limits(limits), data)
}

package edge

import (
	"cmp"
	"math/rand/v2"
	"net"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
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
	limits := e.limitsOf(c.site)
	if c.Facts.ALPN == message.HTTP2 {
		data, end := e.cfg.Attach(c)
		defer end()
		e.serve(c, message.HTTP2, limits, e.cfg.HTTP2.NewConn(tc, h2Limits(limits), data))
		return
	}
	e.serveHTTP1(c, tc, limits)
}

// serveCleartext serves a connection without TLS.
func (e *Edge) serveCleartext(nc net.Conn) {
	c, ok := e.enter(nc)
	if !ok {
		return
	}
	defer e.sources.leave(c.Source)
	e.serveHTTP1(c, c, e.limitsOf(nil))
}

// serveHTTP1 serves a connection until it ends.
func (e *Edge) serveHTTP1(c *Conn, nc net.Conn, limits hostmap.Limits) {
	if age := limits.MaxConnectionAge; age > 0 {
		// Give or take a tenth, so that connections of one moment do not all
		// come back in another.
		c.retire = time.Now().Add(age*9/10 + rand.N(age/5+1))
	}
	data, end := e.cfg.Attach(c)
	defer end()
	e.serve(c, message.HTTP1, limits, e.cfg.HTTP1.NewConn(nc, http1Limits(limits), data))
}

// engineConn is a connection of either engine.
type engineConn interface {
	drainer
	Serve() (reason string, err error)
}

// serve has an engine serve a connection until it ends.
func (e *Edge) serve(c *Conn, protocol string, limits hostmap.Limits, hc engineConn) {
	e.observer.Opened(protocol)
	c.StallTimeout = cmp.Or(limits.StallTimeout, defaultStallTimeout)
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

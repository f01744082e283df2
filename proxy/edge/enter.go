package edge

import (
	"net"

	"github.com/ingress421/ingress421/proxy/http1"
	"github.com/ingress421/ingress421/proxy/observe"
)

// Why connections are closed that were not let in, beside the reasons of the
// engines.
const (
	// closedProxyHeader: the PROXY protocol header is missing, wrong, or not
	// theirs to send.
	closedProxyHeader = "proxy_header"
	// closedSourceLimit: their source has as many as it may.
	closedSourceLimit = "source_limit"
	// closedMemory: there is no room for another one.
	closedMemory = "memory"
)

// enter registers an accepted connection, unless it is turned away. Whoever was
// let in leaves by e.sources.leave, once e.conns has removed it.
func (e *Edge) enter(nc net.Conn) (c *Conn, ok bool) {
	c = newConn(nc)
	e.conns.add(c)
	if err := headerError(nc); err != nil {
		e.turnAway(c, closedProxyHeader, err)
		return nil, false
	}
	if e.cfg.Full() {
		e.turnAway(c, closedMemory, nil)
		return nil, false
	}
	if !e.sources.enter(c.Source, e.limitsOf(nil).MaxConnectionsPerSource) {
		e.turnAway(c, closedSourceLimit, nil)
		return nil, false
	}
	return c, true
}

// turnAway closes a connection that is not served.
func (e *Edge) turnAway(c *Conn, reason string, err error) {
	e.conns.remove(c)
	_ = c.Close()
	if gone(err) {
		// Balancers probe so. It is no fault, and nobody was turned away.
		e.observer.Closed(http1.ClosedEnded)
		return
	}
	e.observer.Closed(reason)
	e.observer.ConnectionRefused(observe.Refusal{Reason: reason, Err: err, Peer: c.Facts.Peer, Source: c.Source})
}

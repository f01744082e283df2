package edge

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/message"
)

// Conn is one client connection: the octets below TLS, and its facts. What is
// exported is settled before its first request.
type Conn struct {
	net.Conn
	// Client is what requests are told. Its Facts and Certificate are written by
	// the handshake.
	message.Client

	// site is what the handshake's server name led to, nil for none. Written by
	// the handshake.
	site *hostmap.Site
	// asked is the server name as the client sent it. Written by the handshake.
	asked string
	// refused says why the handshake found no certificate, "" where it did.
	// Written by the handshake.
	refused string
	// settled tells that the handshake is done: what it writes may be read.
	settled atomic.Bool
	// retire is when an HTTP/1.1 connection has reached its age, zero for
	// never. Written before its first request.
	retire time.Time

	mu sync.Mutex
	// http is set while the connection carries requests. Guarded by mu.
	http drainer
	// draining tells a connection that is not yet set up to drain. Guarded by
	// mu.
	draining bool
}

// drainer is a connection of either protocol.
type drainer interface{ Drain() }

func newConn(nc net.Conn) *Conn {
	c := &Conn{Conn: nc}
	c.Facts.Peer, _ = addrOf(peerOf(nc))
	c.Source, c.SourcePort = addrOf(nc.RemoteAddr())
	if !c.Source.IsValid() {
		c.Source = c.Facts.Peer // a PROXY header that names a socket file
	}
	c.SourceText = c.Source.String()
	return c
}

// drain lets the connection finish what it has and end: two GOAWAYs on HTTP/2,
// "Connection: close" on HTTP/1.1.
func (c *Conn) drain() {
	c.mu.Lock()
	c.draining = true
	hc := c.http
	c.mu.Unlock()
	if hc != nil {
		hc.Drain()
	}
}

// Old tells whether the connection has reached its age.
func (c *Conn) Old(now time.Time) bool { return !c.retire.IsZero() && now.After(c.retire) }

// NetConn is the socket, below TLS and the PROXY protocol.
func (c *Conn) NetConn() net.Conn { return below(c.Conn) }

// setHTTP notes who carries the requests, and drains it if that was asked for
// while the handshake was under way. nil: nobody any more.
func (c *Conn) setHTTP(hc drainer) {
	c.mu.Lock()
	c.http = hc
	draining := c.draining
	c.mu.Unlock()
	if draining && hc != nil {
		hc.Drain()
	}
}

// below is the connection that a PROXY protocol header came by.
func below(nc net.Conn) net.Conn {
	if pc, ok := nc.(*proxyproto.Conn); ok {
		return pc.Raw()
	}
	return nc
}

// peerOf is the immediate peer of a connection, whatever a PROXY protocol header
// says.
func peerOf(nc net.Conn) net.Addr { return below(nc).RemoteAddr() }

// addrOf is the address and port of a peer; zero for one that has none, such as
// a pipe.
func addrOf(a net.Addr) (netip.Addr, uint16) {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case nil:
	default:
		ap, _ = netip.ParseAddrPort(a.String())
	}
	return ap.Addr().Unmap(), ap.Port()
}

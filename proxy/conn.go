package proxy

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/forward"
	"github.com/ingress421/ingress421/proxy/message"
)

// conn is one client connection: the bytes below TLS, and its facts.
type conn struct {
	net.Conn
	// Client is what requests are told. Its Facts and Certificate are written by
	// the handshake.
	message.Client
	// ties are what its requests share on the backends' side.
	ties forward.Ties
	// site is what the handshake's server name led to, nil for none. Written
	// by the handshake.
	site *hostmap.Site
	// asked is the server name as the client sent it. Written by the handshake.
	asked string
	// refused says why the handshake is answered with refuse, "" for that it is
	// not. Written by the handshake.
	refused string
	// label is the site's host as metrics name it.
	label string
	// retire is when an HTTP/1.1 connection has reached its age, zero for
	// never. Written before its first request.
	retire time.Time
	// settled tells that the handshake is done: what it writes may be read.
	settled atomic.Bool

	mu sync.Mutex
	// http is set while the connection carries requests. Guarded by mu.
	http drainer
	// draining tells a connection that is not yet set up to drain. Guarded by
	// mu.
	draining bool
}

// drain lets the connection finish what it has and end: two GOAWAYs on HTTP/2,
// "Connection: close" on HTTP/1.1.
func (c *conn) drain() {
	c.mu.Lock()
	c.draining = true
	hc := c.http
	c.mu.Unlock()
	if hc != nil {
		hc.Drain()
	}
}

// isOld tells whether the connection has reached its age.
func (c *conn) isOld(now time.Time) bool { return !c.retire.IsZero() && now.After(c.retire) }

// NetConn is the socket, below TLS and the PROXY protocol.
func (c *conn) NetConn() net.Conn {
	if pc, ok := c.Conn.(*proxyproto.Conn); ok {
		return pc.Raw()
	}
	return c.Conn
}

// drainer is a connection of either protocol.
type drainer interface{ Drain() }

// setHTTP notes who carries the requests, and drains it if that was asked for
// while the handshake was under way. nil: nobody any more.
func (c *conn) setHTTP(hc drainer) {
	c.mu.Lock()
	c.http = hc
	draining := c.draining
	c.mu.Unlock()
	if draining && hc != nil {
		hc.Drain()
	}
}

// addrOf is the address of a peer; the zero Addr for one that has none, such
// as a pipe.
func addrOf(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap()
	case nil:
		return netip.Addr{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// portOf is the port of a peer, 0 for one that has none.
func portOf(a net.Addr) uint16 {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return uint16(tcp.Port)
	}
	return 0
}

// registry holds the open connections, so that a publish and a drain find
// them. It is sharded: every accept and close goes through it.
type registry struct {
	shards [16]struct {
		mu    sync.Mutex
		conns map[*conn]struct{}
	}
}

func (r *registry) shard(c *conn) int {
	b := c.Source.As16()
	return (int(b[15]) + int(c.SourcePort)) % len(r.shards)
}

func (r *registry) add(c *conn) {
	s := &r.shards[r.shard(c)]
	s.mu.Lock()
	if s.conns == nil {
		s.conns = make(map[*conn]struct{})
	}
	s.conns[c] = struct{}{}
	s.mu.Unlock()
}

func (r *registry) remove(c *conn) {
	s := &r.shards[r.shard(c)]
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

// all returns the open connections.
func (r *registry) all() []*conn {
	var out []*conn
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for c := range s.conns {
			out = append(out, c)
		}
		s.mu.Unlock()
	}
	return out
}

func (r *registry) len() int {
	n := 0
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		n += len(s.conns)
		s.mu.Unlock()
	}
	return n
}

package upstream

import (
	"crypto/tls"
	"net"
	"syscall"
	"time"
)

// http1Conn is a connection that speaks HTTP/1.1. It belongs to one exchange at a
// time, or to an http1Idle or a Login.
type http1Conn struct {
	nc    net.Conn
	raw   syscall.RawConn // of the socket, below TLS; nil if there is no file descriptor
	below *tlsSocket      // nil where nc does not encrypt
	probe func(fd uintptr)
	found state   // by probe
	octet [1]byte // for what a look finds
	sent  uint64  // bytes of the requests before the present one
	wrote uint64  // bytes of the present one

	reads, writes time.Time // deadlines in force; owned by the reading and by the writing goroutine

	idleSince time.Time
	idleLimit time.Duration

	spoken bool // NTLM or Negotiate: see Login
}

func newHTTP1Conn(nc net.Conn) *http1Conn {
	c := &http1Conn{nc: nc}
	socket := nc
	if secure, ok := nc.(*tls.Conn); ok {
		if below, ok := secure.NetConn().(*tlsSocket); ok {
			c.below, socket = below, below.Conn
		}
	}
	if sc, ok := socket.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw = raw
			c.probe = func(fd uintptr) { c.found = peek(fd, &c.octet) }
		}
	}
	return c
}

// park notes that c is idle from now on, for limit at most. keepFor is the
// backend's own limit, 0 if it is not known.
func (c *http1Conn) park(now time.Time, limit, keepFor time.Duration) {
	c.sent, c.wrote = c.sent+c.wrote, 0
	if keepFor > 0 {
		// A second less, as the closing may be on its way to us already.
		limit = min(limit, max(keepFor-time.Second, keepFor/2))
	}
	c.idleSince, c.idleLimit = now, limit
}

// look tells, without blocking, what has become of the idle connection. It costs
// one system call. RFC 9112 section 9.2: octets that come while no request is
// outstanding are no response to the next one.
func (c *http1Conn) look() state {
	if c.raw != nil {
		if c.raw.Control(c.probe) != nil {
			return ended
		}
	} else {
		c.found = quiet
	}
	if c.below != nil && c.found != ended {
		return c.lookInto()
	}
	return c.found
}

// recordWait is how long the rest of a TLS record may be on its way.
const recordWait = time.Millisecond

// lookInto is look above TLS, which may hold octets that were read with others,
// and has records of its own: tickets, and the one that tells of the end.
func (c *http1Conn) lookInto() state {
	if c.found == speaking {
		c.reads = time.Now().Add(recordWait)
		_ = c.nc.SetReadDeadline(c.reads)
	} else {
		c.below.hushed = true
		defer func() { c.below.hushed = false }()
	}
	n, err := c.nc.Read(c.octet[:])
	switch {
	case n > 0:
		return speaking
	case isTimeout(err):
		return quiet
	}
	return ended
}

// delivery is what became of a request that a closing connection was given.
type delivery uint8

const (
	unknown    delivery = iota // some of it may have been read, or nobody can tell
	unresolved                 // not yet told
	unread                     // none of it reached the peer's application, nor will
)

// delivered asks, after the peer has closed its side, what became of the bytes
// written since c.sent. The peer's FIN acknowledges all that its kernel had
// received when the application closed the socket; what comes after that is
// answered by a reset. So if nothing was acknowledged and a reset has come, the
// application cannot have read any of it.
func (c *http1Conn) delivered() delivery {
	result := unknown
	if c.raw == nil || c.below != nil { // the kernel counts what TLS adds, too
		return result
	}
	_ = c.raw.Control(func(fd uintptr) {
		acked, reset, ok := tcpInfo(fd)
		switch {
		case !ok || acked > c.sent+1: // one for the SYN
		case reset:
			result = unread
		default:
			result = unresolved
		}
	})
	return result
}

// armRead makes reads fail at some time between d and d + d/16 from now. The
// deadline in force is kept if it does: to move one costs as much as to parse a
// head. d <= 0: no deadline.
func (c *http1Conn) armRead(now time.Time, d time.Duration) {
	if next, ok := move(c.reads, now, d); ok {
		c.reads = next
		_ = c.nc.SetReadDeadline(next) // fails only on a closed connection, and so will the read
	}
}

// armWrite is armRead for writes.
func (c *http1Conn) armWrite(now time.Time, d time.Duration) {
	if next, ok := move(c.writes, now, d); ok {
		c.writes = next
		_ = c.nc.SetWriteDeadline(next)
	}
}

// move returns the deadline to set, if the one in force must be moved.
func move(in, now time.Time, d time.Duration) (time.Time, bool) {
	if d <= 0 {
		return time.Time{}, !in.IsZero()
	}
	left := in.Sub(now)
	if left >= d && left <= d+d/16 {
		return in, false
	}
	return now.Add(d + d/16), true
}

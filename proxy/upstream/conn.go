package upstream

import (
	"crypto/tls"
	"net"
	"syscall"
	"time"
)

// conn is a connection that speaks HTTP/1.1. It belongs to one exchange at a
// time, or to its pool while idle.
type conn struct {
	nc    net.Conn
	raw   syscall.RawConn // nil if nc has no file descriptor of its own
	probe func(fd uintptr)
	quiet bool // what probe found

	secure *tls.Conn       // nc, with TLS
	socket syscall.RawConn // beneath secure; nil if it has no file descriptor

	sent  uint64 // bytes of the requests before the present one
	wrote uint64 // bytes of the present one

	reads, writes time.Time // deadlines in force; owned by the reading and by the writing goroutine

	idleSince time.Time
	idleLimit time.Duration
}

func newConn(nc net.Conn) *conn {
	c := &conn{nc: nc}
	if secure, ok := nc.(*tls.Conn); ok {
		c.secure = secure
		if sc, ok := secure.NetConn().(syscall.Conn); ok {
			c.socket, _ = sc.SyscallConn()
		}
		return c
	}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw = raw
			c.probe = func(fd uintptr) { c.quiet = silent(fd) }
		}
	}
	return c
}

// usable reports, without blocking, that the peer has neither closed the idle
// connection nor sent bytes on it. It costs one system call.
func (c *conn) usable() bool {
	if c.secure != nil {
		return c.usableTLS()
	}
	if c.raw == nil {
		return true
	}
	c.quiet = false
	err := c.raw.Control(c.probe)
	return err == nil && c.quiet
}

// usableTLS is usable behind TLS: what was decrypted already counts, and records
// that are not for us (tickets, RFC 8446 section 4.6.1) do not.
func (c *conn) usableTLS() bool {
	if !c.silentFor(-time.Second) {
		return false
	}
	quiet := true
	if c.socket != nil {
		err := c.socket.Control(func(fd uintptr) { quiet = !readable(fd) })
		if err != nil {
			return false
		}
	}
	return quiet || c.silentFor(time.Millisecond)
}

// silentFor reports that there is nothing to be read until then. With a time that
// is past the socket is not asked.
func (c *conn) silentFor(d time.Duration) bool {
	c.reads = time.Now().Add(d)
	_ = c.nc.SetReadDeadline(c.reads)
	var b [1]byte
	n, err := c.secure.Read(b[:])
	return n == 0 && isTimeout(err)
}

// delivery is what became of a request that a closing connection was given.
type delivery uint8

const (
	unknown    delivery = iota // some of it may have been read, or nobody can tell
	unresolved                 // not yet told
	refused                    // none of it reached the peer's application, nor will
)

// delivered asks, after the peer has closed its side, what became of the bytes
// written since c.sent. The peer's FIN acknowledges all that its kernel had
// received when the application closed the socket; what comes after that is
// answered by a reset. So if nothing was acknowledged and a reset has come, the
// application cannot have read any of it.
func (c *conn) delivered() delivery {
	result := unknown
	if c.raw == nil {
		return result
	}
	_ = c.raw.Control(func(fd uintptr) {
		acked, reset, ok := tcpInfo(fd)
		switch {
		case !ok || acked > c.sent+1: // one for the SYN
		case reset:
			result = refused
		default:
			result = unresolved
		}
	})
	return result
}

// armRead makes reads fail at some time between d and d + d/16 from now. The
// deadline in force is kept if it does: to move one costs as much as to parse a
// head. d <= 0: no deadline.
func (c *conn) armRead(now time.Time, d time.Duration) {
	if next, ok := move(c.reads, now, d); ok {
		c.reads = next
		_ = c.nc.SetReadDeadline(next) // fails only on a closed connection, and so will the read
	}
}

// armWrite is armRead for writes.
func (c *conn) armWrite(now time.Time, d time.Duration) {
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

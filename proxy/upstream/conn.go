package upstream

import (
	"net"
	"syscall"
	"time"
)

// conn is a connection that speaks HTTP/1.1. It belongs to one exchange at a
// time, or to its pool while idle.
type conn struct {
	nc    net.Conn
	raw   syscall.RawConn // nil if nc has no file descriptor
	probe func(fd uintptr)
	quiet bool // what probe found

	reads, writes time.Time // deadlines in force; owned by the reading and by the writing goroutine

	idleSince time.Time
	idleLimit time.Duration
}

func newConn(nc net.Conn) *conn {
	c := &conn{nc: nc}
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
	if c.raw == nil {
		return true
	}
	c.quiet = false
	err := c.raw.Control(c.probe)
	return err == nil && c.quiet
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

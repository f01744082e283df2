package http1

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/ingress421/ingress421/proxy/owned"
)

// Conn is one client connection. Its methods but Serve may be called from any
// goroutine.
type Conn struct {
	engine *Engine  // immutable
	nc     net.Conn // immutable
	socket patient  // below nc; nil where that is none; immutable
	limits Limits   // immutable
	data   any      // immutable

	// Owned by whoever reads: Serve, the reader of a body, or the watch, which
	// hand it on with x.reading and watch.done.
	buf  []byte // buf[r:w] is unread; nil while the connection waits
	r, w int

	readBy  time.Time // the read deadline that is set; owned by the reader
	writeBy time.Time // the write deadline that is set; owned by the writer

	x     Exchange
	watch watch

	serial   atomic.Uint64 // the number of the request under way, 0 between two
	requests uint64        // owned by Serve, but for while waiting is set
	draining atomic.Bool

	mu      owned.Mutex
	waiting bool // for a request; guarded by mu
}

// Data returns what the owner has given the connection.
func (c *Conn) Data() any { return c.data }

// Drain lets the connection end: after the response that is under way, or at
// once where none is. One that has had no request yet may still bring one
// within firstTime: its client has not heard of any end, and may not ask again.
func (c *Conn) Drain() {
	if c.draining.Swap(true) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting {
		// No octet of a request is lost.
		_ = c.nc.SetReadDeadline(c.lastCall())
	}
}

// lastCall is until when a connection that is drained may bring a request.
// Callers are Serve, or hold mu while waiting is set.
func (c *Conn) lastCall() time.Time {
	if c.requests == 0 {
		return time.Now().Add(min(firstTime, c.limits.HeaderTimeout))
	}
	return aLongTimeAgo
}

// firstTime is how long a drained connection is waited for that has had no
// request yet.
const firstTime = time.Second

var aLongTimeAgo = time.Unix(1, 0)

// Serve answers the connection's requests until it ends, closes it, and says why
// it ended: in one of the Closed constants, and with the error unless that was in
// good order.
func (c *Conn) Serve() (reason string, err error) {
	for reason == "" {
		var long bool
		if reason, long = c.await(); long {
			// Here, and not in what is called: as long as this waits, each frame
			// of the stack counts.
			c.cool()
			var ended error
			if c.socket != nil {
				ended = c.socket.AwaitRead()
			}
			reason = c.warm(ended)
		}
		if reason == "" {
			reason, err = c.serveNext()
		}
	}
	c.watch.end(c)
	c.engine.giveBack(c.buf)
	c.buf = nil
	if reason == ClosedStall {
		// crypto/tls would wait for room for its close_notify.
		_ = bottom(c.nc).Close()
	}
	_ = c.nc.Close()
	return reason, err
}

// bottom is the socket below TLS.
func bottom(nc net.Conn) net.Conn {
	for {
		above, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nc
		}
		nc = above.NetConn()
	}
}

// serveNext answers the request that has begun to come. It returns why the
// connection has ended, "" where it goes on.
func (c *Conn) serveNext() (reason string, err error) {
	x := &c.x
	err = c.readHead()
	switch {
	case err == nil:
	case x.status != 0:
		c.engine.Refuse(x, x.status, x.why)
		x.finish()
		if x.failed == "" {
			c.linger()
		}
		return ClosedProtocol, err
	case isTimeout(err):
		return ClosedHeaderTimeout, err
	default:
		return ioReason(err), err
	}
	c.requests++
	c.serial.Store(c.requests)
	c.watch.arm(c)
	c.engine.Handle(x)
	c.serial.Store(0)
	c.watch.end(c)
	return c.after(), nil
}

// after says what becomes of the connection once a request is answered.
func (c *Conn) after() (reason string) {
	x := &c.x
	x.finish()
	switch {
	case x.failed != "":
		return x.failed
	case x.keep && !x.raw:
		// A connection that waits must not hold a head, of which clients say
		// how long it is.
		x.begin()
		return ""
	}
	if !x.last || x.ContentLength != 0 || c.r < c.w {
		// There is, or may be, more to come than was read.
		c.linger()
	}
	if c.draining.Load() {
		return ClosedDrained
	}
	return ClosedEnded
}

// readUntil sets the read deadline to a time from now. One that is set already
// and differs by no more than slack is left: setting it costs more than most of
// what else is done for a request.
func (c *Conn) readUntil(after, slack time.Duration) {
	by := time.Now().Add(after)
	if d := by.Sub(c.readBy); d < -slack || d > slack {
		c.readBy = by
		_ = c.nc.SetReadDeadline(by)
	}
}

// writeUntil is readUntil for the write deadline.
func (c *Conn) writeUntil(after time.Duration) {
	by := time.Now().Add(after)
	if d := by.Sub(c.writeBy); d > after/8 {
		c.writeBy = by
		_ = c.nc.SetWriteDeadline(by)
	}
}

// fill reads more into the buffer, which it enlarges up to limit octets where
// it is full. errTooLarge: it is full, and as large as it may be.
func (c *Conn) fill(limit int) error {
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
	if c.w == len(c.buf) {
		if c.r > 0 {
			c.w = copy(c.buf, c.buf[c.r:c.w])
			c.r = 0
		} else {
			if len(c.buf) >= limit {
				return errTooLarge
			}
			larger := c.engine.borrow(min(4*len(c.buf), max(limit, largeBuffer)))
			copy(larger, c.buf)
			c.engine.giveBack(c.buf)
			c.buf = larger
		}
	}
	n, err := c.nc.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return err
}

// Bounds of lingering: how long and how much is read of a client that goes on
// sending while it should read.
const (
	lingerTime   = 2 * time.Second
	lingerOctets = 4 << 20
)

// linger ends our side and reads what the client still sends, so that what was
// written to it is not lost in a reset (RFC 9112 section 9.6).
func (c *Conn) linger() {
	if c.closeWrite() != nil {
		return
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(lingerTime))
	for n := 0; n < lingerOctets; {
		c.r, c.w = 0, 0
		if c.fill(largeBuffer) != nil {
			return
		}
		n += c.w
	}
}

// closeWrite ends our direction, with TLS's own word for it where there is TLS,
// and then TCP's.
func (c *Conn) closeWrite() error {
	type closer interface{ CloseWrite() error }
	socket := bottom(c.nc)
	if above, ok := c.nc.(closer); ok {
		if err := above.CloseWrite(); err != nil || c.nc == socket {
			return err
		}
	}
	if below, ok := socket.(closer); ok {
		return below.CloseWrite()
	}
	return nil
}

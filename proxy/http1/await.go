package http1

import "time"

// warmTime is how long a connection keeps its buffer between two requests.
const warmTime = 400 * time.Millisecond

// fewOctets is the buffer of a connection that waits for long where there is no
// socket.
const fewOctets = 64

// patience is how long a request is waited for, and what it is called where that
// is over.
func (c *Conn) patience() (limit time.Duration, late string) {
	if c.requests == 0 {
		// Who connects has something to say.
		return c.limits.HeaderTimeout, ClosedHeaderTimeout
	}
	return c.limits.IdleTimeout, ClosedIdle
}

// await waits for the first octet of a request. long: none came soon, and cool and
// warm are to be called, with the waiting between them.
func (c *Conn) await() (reason string, long bool) {
	if c.r < c.w {
		return "", false
	}
	if cap(c.buf) != smallBuffer {
		c.engine.giveBack(c.buf)
		c.buf = c.engine.borrow(smallBuffer)
	}
	c.r, c.w = 0, 0
	limit, _ := c.patience()
	warm := min(warmTime, limit)
	c.beginWaiting(warm)
	n, err := c.nc.Read(c.buf)
	c.endWaiting(n, err)
	if n == 0 && isTimeout(err) && !c.draining.Load() && warm < limit {
		return "", true
	}
	return c.awaited(n, err), false
}

// cool begins to wait for long. It may be long: nothing is held meanwhile.
func (c *Conn) cool() {
	c.engine.giveBack(c.buf)
	c.buf, c.x.Header = nil, nil
	limit, _ := c.patience()
	c.beginWaiting(limit - min(warmTime, limit))
}

// warm ends to wait for long, with what the socket says to it.
func (c *Conn) warm(err error) (reason string) {
	n := 0
	switch {
	case err != nil:
	case c.socket != nil:
		c.buf = c.engine.borrow(smallBuffer)
		n, err = c.nc.Read(c.buf)
	default:
		few := make([]byte, fewOctets)
		n, err = c.nc.Read(few)
		c.buf = c.engine.borrow(smallBuffer)
		copy(c.buf, few[:n])
	}
	c.endWaiting(n, err)
	return c.awaited(n, err)
}

// awaited is why the connection has ended, "" where it has not: n octets of a
// request are there.
func (c *Conn) awaited(n int, err error) (reason string) {
	switch {
	case n > 0 || err == nil:
		return ""
	case c.draining.Load():
		return ClosedDrained
	case isTimeout(err):
		_, late := c.patience()
		return late
	}
	return ioReason(err)
}

// beginWaiting sets until when a request is waited for. Drain may end it from here
// on.
func (c *Conn) beginWaiting(limit time.Duration) {
	c.readUntil(limit, limit/8)
	c.setWaiting(true)
	if c.draining.Load() {
		_ = c.nc.SetReadDeadline(c.lastCall())
	}
}

// endWaiting notes what has come.
func (c *Conn) endWaiting(n int, err error) {
	c.setWaiting(false)
	if c.draining.Load() || err != nil {
		c.readBy = time.Time{} // what is set may be of the past
	}
	c.w = n
}

func (c *Conn) setWaiting(w bool) {
	c.mu.Lock()
	c.waiting = w
	c.mu.Unlock()
}

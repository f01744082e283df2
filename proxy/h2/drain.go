package h2

import (
	"time"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/proxy/frame"
)

// drainPing measures the round trip between the two GOAWAY frames.
const drainPing = "ingress4"

// drainWait is how long the second GOAWAY waits for a client that does not
// answer drainPing, and the first for one that has only just connected.
const drainWait = time.Second

// Drain ends the connection without losing a request: it says GOAWAY with the
// highest possible stream, waits a round trip for requests that are on their
// way, says GOAWAY with the last stream (RFC 9113 section 6.8), and closes when
// all streams are finished. It does not block and may be called repeatedly. It
// sets no deadline: Close does.
func (c *Conn) Drain() {
	c.mu.Lock()
	ok := c.startDrain(c.clock())
	c.mu.Unlock()
	if ok {
		go c.out.FlushAll(0)
	}
}

// startDrain makes the connection drain. Callers hold mu, and flush if it
// returns true.
func (c *Conn) startDrain(now int64) bool {
	c.mu.Check()
	if c.draining || c.dead {
		return false
	}
	c.draining = true
	if c.timer == nil { // Serve has not begun
		return false
	}
	c.timer.Reset(c.limits.tick())
	return c.continueDrain(now)
}

// continueDrain sends the GOAWAY whose time has come. Callers hold mu, and
// flush if it returns true.
func (c *Conn) continueDrain(now int64) bool {
	c.mu.Check()
	switch {
	case !c.draining || c.lastSent || c.dead:
		return false
	case c.drainSince == 0:
		// Clients, Go's for one, take a new connection that ends before its
		// first request for a failure and do not try another.
		if c.opened == 0 && !over(now, 0, drainWait) {
			return false
		}
		c.drainSince = now
		c.out.goAway(frame.MaxWindow, http2.ErrCodeNo, "")
		c.out.ping(false, drainPing)
	case over(now, c.drainSince, drainWait):
		c.sendLast()
	default:
		return false
	}
	return true
}

// pingAcked reports whether the client's answer to drainPing was awaited.
func (c *Conn) pingAcked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drainSince == 0 || c.lastSent {
		return false
	}
	c.sendLast()
	return true
}

// sendLast sends the second GOAWAY. Callers hold mu.
func (c *Conn) sendLast() {
	c.mu.Check()
	c.lastSent, c.lastID = true, c.maxID
	c.out.goAway(c.lastID, http2.ErrCodeNo, "")
	if len(c.streams) == 0 {
		c.halt(ClosedDrained)
	}
}

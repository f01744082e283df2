package h2

import (
	"time"

	"golang.org/x/net/http2"
)

// drainPing measures the round trip between the two GOAWAY frames.
const drainPing = "ingress4"

// drainWait is how long the second GOAWAY waits for a client that does not
// answer drainPing.
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
		go c.flush(nil)
	}
}

// startDrain sends the first GOAWAY. Callers hold mu, and flush if it returns
// true.
func (c *Conn) startDrain(now int64) bool {
	if c.draining || c.dead || c.timer == nil {
		c.draining = true
		return false
	}
	c.draining = true
	c.drainSince = now
	c.appendGoAway(maxWindow, http2.ErrCodeNo, "")
	c.appendFrame(8, http2.FramePing, 0, 0)
	c.wbuf = append(c.wbuf, drainPing...)
	c.timer.Reset(c.lim.tick())
	return true
}

// continueDrain sends the second GOAWAY if its time has come. Callers hold mu.
func (c *Conn) continueDrain(now int64) {
	if c.draining && !c.lastSent && now-c.drainSince >= int64(drainWait) {
		c.sendLast()
	}
}

// pingAcked reports whether the client's answer to drainPing was awaited.
func (c *Conn) pingAcked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.draining || c.lastSent {
		return false
	}
	c.sendLast()
	return true
}

// sendLast sends the second GOAWAY. Callers hold mu.
func (c *Conn) sendLast() {
	c.lastSent, c.lastID = true, c.maxID
	c.appendGoAway(c.lastID, http2.ErrCodeNo, "")
	if len(c.streams) == 0 {
		c.halt(ClosedDrained)
	}
}

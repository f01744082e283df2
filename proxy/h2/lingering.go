package h2

import (
	"time"

	"golang.org/x/net/http2"
)

// lingerStream is for how long a client may go on with a request after the whole
// answer to it. On a connection that drains it is drainWait.
const lingerStream = 10 * time.Second

// awaitEnd lets s linger, whose answer is whole and whose owner has left, until the
// client has ended its side. What comes is thrown away, within the window that
// the client has already. Callers hold mu.
//
// RFC 9113 section 8.1 allows RST_STREAM with NO_ERROR right behind an early
// answer, and forbids clients to discard the answer because of it. Some, curl
// 7.88 for one, report an error all the same if it finds them writing.
func (c *Conn) awaitEnd(s *Stream) {
	c.mu.Check()
	if !s.listed {
		c.list(s)
	}
	s.detached, s.lingering = true, true
	s.lingerSince = c.clock()
	s.forget()
	c.lingering.Push(&s.out)
}

// takeLingering throws DATA away. The window of s is not given back. Callers hold mu
// and do not use s afterwards.
func (c *Conn) takeLingering(s *Stream, end bool) {
	c.mu.Check()
	switch {
	case end:
		c.endOfRequest(s)
	case s.in.avail == 0:
		c.stopLingering(s)
	}
}

// stopLingering tells the client of s to stop. Callers hold mu, and do not use s
// afterwards.
func (c *Conn) stopLingering(s *Stream) {
	c.mu.Check()
	s.resetLocked(http2.ErrCodeNo)
	c.engine.recycle(s)
}

// longestLingering is the stream that lingers for the longest, nil if none does.
// Callers hold mu.
func (c *Conn) longestLingering() *Stream {
	c.mu.Check()
	first := c.lingering.First()
	if first == nil {
		return nil
	}
	return (*Stream)(first.Stream().(*sending)) //nolint:forcetypeassert // newStream has set it
}

// endLingering stops those whose time is over. Callers hold mu.
func (c *Conn) endLingering(now int64) {
	c.mu.Check()
	limit := min(lingerStream, c.limits.StallTimeout)
	if c.draining {
		limit = min(limit, drainWait)
	}
	for s := c.longestLingering(); s != nil && over(now, s.lingerSince, limit); s = c.longestLingering() {
		c.stopLingering(s)
	}
}

package h2

import (
	"time"

	"golang.org/x/net/http2"
)

// restTime is for how long a client may go on with a request after the whole
// answer to it. On a connection that drains it is drainWait.
const restTime = 10 * time.Second

// awaitRest keeps s, whose answer is whole and whose owner has left, until the
// client has ended its side. What comes is thrown away, within the window that
// the client has already. Callers hold mu.
//
// RFC 9113 section 8.1 allows RST_STREAM with NO_ERROR right behind an early
// answer, and forbids clients to discard the answer because of it. Some, curl
// 7.88 for one, report an error all the same if it finds them writing.
func (c *Conn) awaitRest(s *Stream) {
	if !s.listed {
		c.list(s)
	}
	s.detached, s.resting = true, true
	s.writeSince = c.clock()
	s.forget()
	c.rests.push(s)
}

// takeRest throws DATA away. The window of s is not given back. Callers hold mu
// and do not use s afterwards.
func (c *Conn) takeRest(s *Stream, end bool) {
	switch {
	case end:
		c.endOfRequest(s)
	case s.in.avail == 0:
		c.endRest(s)
	}
}

// endRest tells the client of s to stop. Callers hold mu.
func (c *Conn) endRest(s *Stream) {
	s.resetLocked(http2.ErrCodeNo)
	c.engine.recycle(s)
}

// endRests ends those whose time is over. Callers hold mu.
func (c *Conn) endRests(now int64) {
	limit := min(restTime, c.limits.StallTimeout)
	if c.draining {
		limit = min(limit, drainWait)
	}
	for s := c.rests.head; s != nil && over(now, s.writeSince, limit); s = c.rests.head {
		c.endRest(s)
	}
}

package h2

import (
	"time"

	"golang.org/x/net/http2"
)

// tick is the connection's only timer: it looks at every clock, often while
// the connection is busy, and once at the idle timeout while it is cold.
func (c *Conn) tick() {
	c.mu.Lock()
	if c.dead {
		c.mu.Unlock()
		return
	}
	now := c.clock()
	if c.out.Since() != 0 && over(now, c.out.Since(), c.limits.StallTimeout) {
		c.mu.Unlock()
		c.kill(ClosedStall)
		return
	}
	if c.stop != "" {
		// The read loop has been told. It may wait for room to write.
		c.timer.Reset(c.limits.tick())
		c.mu.Unlock()
		return
	}
	if late := c.late(now); late != "" {
		c.halt(late)
	}
	if c.expires != 0 && now >= c.expires {
		c.expires = 0
		c.draining = true
	}
	c.continueDrain(now)
	c.endLingering(now)
	c.watchIdle(now)
	c.timer.Reset(c.untilTick(now))
	ends := c.resetStalled(now)
	flush := c.out.Claim()
	c.mu.Unlock()
	for _, e := range ends {
		if e.cancel != nil {
			e.cancel.cancel()
		}
		c.cut(e.why)
	}
	if flush {
		c.out.Flush(nil, flushTurns)
	}
}

func over(now, since int64, limit time.Duration) bool { return now-since >= int64(limit) }

// late returns why the client has taken too long to say something, or
// nothing. Callers hold mu.
func (c *Conn) late(now int64) string {
	c.mu.Check()
	switch {
	case c.greetTime == 0:
		if over(now, 0, c.limits.PrefaceTimeout) {
			return ClosedPrefaceTimeout
		}
	case !c.acked && over(now, c.greetTime, c.limits.PrefaceTimeout):
		return ClosedSettingsTimeout
	case c.partialSince == 0:
	case c.partialData && over(now, c.partialSince, c.limits.StallTimeout):
		return ClosedStall
	case !c.partialData && over(now, c.partialSince, c.limits.HeaderTimeout):
		return ClosedHeaderTimeout
	}
	return ""
}

// watchIdle ends a connection that was idle for too long, and lets one that
// has just become idle give its buffers back. Callers hold mu.
func (c *Conn) watchIdle(now int64) {
	c.mu.Check()
	quiet := len(c.streams) == 0 && c.opened == c.seen
	c.seen = c.opened
	switch {
	case !quiet:
		c.idleSince = 0
	case c.idleSince == 0:
		c.idleSince = now
	case over(now, c.idleSince, c.limits.IdleTimeout):
		c.halt(ClosedIdle)
	case !c.cold && !c.cool && !c.draining && c.acked && c.partialSince == 0 && c.out.Len() == 0 && !c.out.Flushing():
		c.cool = true
		c.nc.SetReadDeadline(aLongTimeAgo)
	}
}

// untilTick is when the timer has to fire next. Callers hold mu.
func (c *Conn) untilTick(now int64) time.Duration {
	c.mu.Check()
	if !c.cold || c.draining || c.stop != "" {
		return c.limits.tick()
	}
	next := c.idleSince + int64(c.limits.IdleTimeout)
	if c.expires != 0 {
		next = min(next, c.expires)
	}
	return max(time.Duration(next-now), time.Millisecond)
}

// ended is a stream that was reset, and why.
type ended struct {
	why    string
	cancel *Stream // to be told; nil: nobody is
}

// resetStalled resets the streams whose bodies do not move, or too slowly. Callers
// hold mu.
func (c *Conn) resetStalled(now int64) (ends []ended) {
	c.mu.Check()
	if c.dead {
		return nil
	}
	c.weigh(now)
	for _, s := range c.streams {
		why := WhyStall
		switch {
		case s.slow:
			why = WhySlow
		case !c.stalled(s, now):
			continue
		}
		e := ended{why: why}
		if c.abort(s, http2.ErrCodeCancel) {
			e.cancel = s
		}
		ends = append(ends, e)
	}
	return ends
}

// stalled tells whether the body of s does not move: a request body that the owner
// waits for before it has answered, or a response body that the client gives no
// window for. Streams that only wait for their turn move when the connection
// does. A tunnel, a request that goes on beside its response, and one of Messages
// may be silent. Callers hold mu.
func (c *Conn) stalled(s *Stream, now int64) bool {
	c.mu.Check()
	if s.starved() && over(now, s.readSince, c.limits.StallTimeout) {
		return true
	}
	if !s.out.Waiting() {
		return false
	}
	since := s.out.Since()
	if s.out.Queued() {
		since = max(since, c.out.Moved())
	}
	return over(now, since, c.limits.StallTimeout)
}

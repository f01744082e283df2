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
	if c.flushSince != 0 && over(now, c.flushSince, c.limits.StallTimeout) {
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
	c.endRests(now)
	c.watchIdle(now)
	c.timer.Reset(c.untilTick(now))
	stalled, slow := c.resetStalled(now)
	flush := len(c.wbuf) > 0 && !c.flushing
	c.mu.Unlock()
	for range stalled {
		c.cut(WhyStall)
	}
	for range slow {
		c.cut(WhySlow)
	}
	if flush {
		c.flush(nil)
	}
}

func over(now, since int64, limit time.Duration) bool { return now-since >= int64(limit) }

// late returns why the client has taken too long to say something, or
// nothing. Callers hold mu.
func (c *Conn) late(now int64) string {
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
	quiet := len(c.streams) == 0 && c.opened == c.seen
	c.seen = c.opened
	switch {
	case !quiet:
		c.idleSince = 0
	case c.idleSince == 0:
		c.idleSince = now
	case over(now, c.idleSince, c.limits.IdleTimeout):
		c.halt(ClosedIdle)
	case !c.cold && !c.cool && !c.draining && c.acked && c.partialSince == 0 && len(c.wbuf) == 0 && !c.flushing:
		c.cool = true
		c.nc.SetReadDeadline(aLongTimeAgo)
	}
}

// untilTick is when the timer has to fire next. Callers hold mu.
func (c *Conn) untilTick(now int64) time.Duration {
	if !c.cold || c.draining || c.stop != "" {
		return c.limits.tick()
	}
	next := c.idleSince + int64(c.limits.IdleTimeout)
	if c.expires != 0 {
		next = min(next, c.expires)
	}
	return max(time.Duration(next-now), time.Millisecond)
}

// resetStalled resets the streams whose bodies do not move, or too slowly, and
// returns how many. Callers hold mu; it is given up meanwhile.
func (c *Conn) resetStalled(now int64) (stalled, slow int) {
	c.weigh(now)
	for {
		s := c.stalled(now)
		if s == nil {
			return stalled, slow
		}
		if s.slow {
			slow++
		} else {
			stalled++
		}
		c.appendReset(s.id, http2.ErrCodeCancel)
		s.reset = ResetError{Code: http2.ErrCodeCancel}
		c.abort(s)
		c.mu.Lock()
	}
}

// stalled finds a stream whose body does not move, or that weigh has found too
// slow: a request body that the owner waits for before it has answered, or a
// response body that the client gives no window for. Streams that only wait for
// their turn move when the connection does. A tunnel, a request that goes on
// beside its response, and one of Messages may be silent.
func (c *Conn) stalled(now int64) *Stream {
	if c.dead {
		return nil
	}
	for _, s := range c.streams {
		if s.slow || s.starved() && over(now, s.readSince, c.limits.StallTimeout) {
			return s
		}
		if !s.waiting {
			continue
		}
		since := s.writeSince
		if s.queued {
			since = max(since, c.moved)
		}
		if over(now, since, c.limits.StallTimeout) {
			return s
		}
	}
	return nil
}

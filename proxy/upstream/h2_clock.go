package upstream

import (
	"math"
	"time"
)

// turn is who must act for a request to go on.
type turn uint8

const (
	turnBackend turn = iota // the request is sent
	turnClient              // more of the request's body must come
	turnSend                // the backend must take what there is of it
)

// await notes that the caller waits for the response. Callers hold mu.
func (s *h2stream) await(now int64) {
	s.awaited = now
	s.c.arm(first(s.due()))
}

// due is when the backend will have taken too long, and for what. Callers hold mu.
func (s *h2stream) due() (at int64, reason string) {
	switch {
	case s.whose == turnSend && s.out.Waiting() && s.sendTimeout > 0:
		return s.out.Since() + int64(s.sendTimeout), ReasonSendTimeout
	case s.whose == turnBackend && s.awaited != 0 && s.readTimeout > 0:
		return max(s.awaited, s.turnSince) + int64(s.readTimeout), ReasonReadTimeout
	}
	return math.MaxInt64, ""
}

// patience is how much is left of the time for the response's head, which is one
// however often the request is sent.
func (s *h2stream) patience(read time.Duration) time.Duration {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.readTimeout <= 0 || s.whose != turnBackend {
		return read
	}
	return max(s.readTimeout-time.Duration(s.c.clock()-max(s.awaited, s.turnSince)), 1)
}

func first(at int64, _ string) int64 { return at }

// arm has the timer fire at the given time, or before. Callers hold mu.
func (c *h2conn) arm(at int64) {
	if at < c.fire {
		c.fire = at
		c.timer.Reset(time.Duration(max(at-c.clock(), 0)))
	}
}

// tick is the connection's only timer: it looks at every clock.
func (c *h2conn) tick() {
	c.mu.Lock()
	if c.dead != nil {
		c.mu.Unlock()
		return
	}
	now := c.clock()
	c.fire = math.MaxInt64
	if since := c.out.Since(); c.stall > 0 && since != 0 {
		if until := since + int64(c.stall); now < until {
			c.arm(until)
		} else {
			c.mu.Unlock()
			c.kill(&Error{Reason: ReasonSendTimeout, Err: errStalled, Sent: true})
			return
		}
	}
	if c.silent(now) {
		c.mu.Unlock()
		c.kill(&Error{Reason: ReasonReadTimeout, Err: errNoPing, Sent: true})
		return
	}
	for _, s := range c.open {
		c.watch(s, now)
	}
	if c.idleSince != 0 {
		c.out.Release()
	}
	if c.idleSince != 0 && c.reserved == 0 {
		if until := c.idleSince + int64(idleHTTP2); now < until {
			c.arm(until)
		} else {
			c.leave()
		}
	}
	c.flushSoon()
	c.mu.Unlock()
}

// watch ends s if it is late, or has the timer come back. Callers hold mu.
func (c *h2conn) watch(s *h2stream, now int64) {
	due, reason := s.due()
	switch {
	case due == math.MaxInt64:
	case now < due:
		c.arm(due)
	default:
		s.abort(&Error{Reason: reason, Err: errLate, Sent: true})
	}
}

// silent says that the backend has left a PING without an answer, and sends one
// when it is time to. Callers hold mu.
func (c *h2conn) silent(now int64) bool {
	if c.idleSince != 0 {
		c.asked = 0
		return false
	}
	last := max(c.rd.last.Load(), c.busySince)
	if c.asked != 0 && last >= c.asked {
		c.asked = 0
	}
	if c.asked != 0 {
		if now >= c.asked+int64(pingWait) {
			return true
		}
		c.arm(c.asked + int64(pingWait))
		return false
	}
	next := last + int64(pingEvery)
	if c.heard < c.lastAsked {
		next = max(next, c.lastAsked+int64(pingRest))
	}
	if now < next {
		c.arm(next)
		return false
	}
	c.asked, c.lastAsked = now, now
	c.appendPing(false, h2Ping)
	c.arm(now + int64(pingWait))
	return false
}

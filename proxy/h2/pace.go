package h2

import "time"

const (
	// LeastRate is what a body must move while it waits for its client, in
	// octets a second, taken over a StallTimeout of waiting. It is small, as a
	// telephone of a kibioctet a second (GPRS) may move sixteen bodies at once.
	LeastRate = 64
	// LeastConnRate is the same for all bodies of a connection together that
	// wait for their turn on it: a quarter of such a telephone's.
	LeastConnRate = 256
)

// Pace measures how fast a body moves while it waits for its client. Without it
// an octet a minute would keep a stream, with what is held for it here and at
// the backend, for ever. Time in which nothing waits does not count: events
// that do not happen are not slow.
type Pace struct {
	waited time.Duration // of the measure under way
	octets int64         // moved before it began
}

// TooSlow adds d of waiting, at whose end so many octets have moved in all. It
// reports, each time that limit is full, whether they were fewer than rate asks.
func (p *Pace) TooSlow(d time.Duration, octets int64, rate int, limit time.Duration) bool {
	if p.waited == 0 {
		p.octets = octets
	}
	if p.waited += d; p.waited < limit {
		return false
	}
	least := int64(p.waited.Seconds() * float64(rate))
	p.waited = 0
	return octets-p.octets < least
}

// weigh adds the time since it last looked to the paces of what waits now.
// Callers hold mu.
func (c *Conn) weigh(now int64) {
	c.mu.Check()
	// A cold connection is not looked at, and nothing of it waits.
	d := min(time.Duration(now-c.weighed), 2*c.limits.tick())
	c.weighed = now
	limit := c.limits.StallTimeout
	turns := c.out.Queued() && c.pace.TooSlow(d, c.out.Octets(), LeastConnRate, limit)
	for _, s := range c.streams {
		switch {
		case s.out.Queued():
			s.slow = turns
		case s.out.Waiting():
			s.slow = s.outPace.TooSlow(d, s.out.Octets(), LeastRate, limit)
		}
		s.chargeRead(now)
		if s.readDebt > 0 && s.inPace.TooSlow(time.Duration(s.readDebt), s.received, LeastRate, limit) {
			s.slow = true
		}
		s.readDebt = 0
	}
}

// chargeRead adds to readDebt the time up to now in which Read has waited, if it
// does. Between an octet and the next it may not, just when weigh looks. Callers
// hold mu.
func (s *Stream) chargeRead(now int64) {
	s.c.mu.Check()
	if s.starved() {
		s.readDebt += now - s.readMark
		s.readMark = now
	}
}

// starved reports whether the owner waits for a request body that has to move.
// Callers hold mu.
func (s *Stream) starved() bool { return s.readSince != 0 && !s.sentHead && !s.Messages }

package upstream

import (
	"github.com/ingress421/ingress421/proxy/frame"
)

// openStream sends the head of a request, with part behind it as far as there is
// room. length < 0: it is not told; names are those of the trailer fields.
func (s *h2stream) openStream(r *Request, part frame.Part, length int64, names []string) *Error {
	c := s.c
	c.mu.Lock()
	for c.out.Full() && c.dead == nil && s.err == nil {
		c.watchWrite()
		c.out.AwaitRoom()
	}
	c.reserved--
	if s.err == nil {
		s.err = c.closedTo(r)
	}
	if s.err != nil {
		err := s.err
		s.closed = true
		c.freed()
		claimed := c.claim()
		c.mu.Unlock()
		c.flush(claimed)
		return err
	}
	now := c.clock()
	s.enter(now)
	end := part.End && len(part.Data) == 0 && len(part.Trailer) == 0
	secure, b := c.set.dialer.tls != nil, c.out.BeginHead(s.id, end)
	if s.tunnel {
		b = r.appendH2Connect(b, secure)
	} else {
		b = r.appendH2Head(b, secure, c.set.grpc, length, names)
	}
	c.out.EndHead(b)
	s.turnSince = now
	switch {
	case end:
		s.sentEnd = true
	case part.End || len(part.Data) > 0:
		s.sendLocked(part)
	case !s.tunnel:
		s.whose = turnClient
	}
	s.await(now)
	claimed := c.claim()
	c.mu.Unlock()
	c.flush(claimed)
	return nil
}

// closedTo says why r cannot be written. Callers hold mu.
func (c *h2conn) closedTo(r *Request) *Error {
	switch {
	case c.dead != nil && c.dead.Reason != ReasonReset:
		return &Error{Reason: c.dead.Reason, Err: c.dead.Err}
	case c.dead != nil, c.leaving && !c.own:
		return &Error{Reason: ReasonRefused, Err: errGoneAway}
	case int64(r.h2HeadSize()) > int64(c.maxList):
		return &Error{Reason: ReasonBadRequest, Err: tooLarge("head is more than the backend takes")}
	}
	return nil
}

// enter makes s one of the connection's streams. Callers hold mu.
func (s *h2stream) enter(now int64) {
	c := s.c
	s.id = c.nextID
	if c.nextID += 2; c.nextID > h2LastID {
		c.leave()
	}
	if len(c.open) == 0 {
		c.busySince, c.heard, c.idleSince = now, now, 0
		c.arm(now + int64(pingEvery))
	}
	c.open[s.id] = s
	s.at = c.out.Position()
	s.out.Open(s.id, &c.out)
}

// sendLocked has part sent. Callers hold mu.
func (s *h2stream) sendLocked(part frame.Part) {
	s.whose = turnSend
	s.c.out.Send(&s.out, part)
	if s.out.Waiting() {
		s.c.arm(first(s.due()))
	}
}

// write sends part, and returns when all of it is on its way.
func (s *h2stream) write(part frame.Part) error {
	if err := s.drain(); err != nil { // of what openStream has left
		return err
	}
	s.c.mu.Lock()
	err := s.writable()
	if err == nil {
		s.sendLocked(part)
	}
	s.c.mu.Unlock()
	if err != nil {
		return err
	}
	return s.drain()
}

// drain flushes, and returns when nothing is left to be sent, or cannot be.
func (s *h2stream) drain() error {
	c := s.c
	for {
		c.mu.Lock()
		err, waiting := s.writable(), s.out.Waiting()
		claimed := c.claim()
		if !claimed && waiting && err == nil {
			s.wcond.Wait()
		}
		c.mu.Unlock()
		switch {
		case claimed:
			c.out.Flush(&s.out, h2FlushTurns)
		case err != nil || !waiting:
			return err
		}
	}
}

// giveUp ends the stream because the request's body cannot be read.
func (s *h2stream) giveUp(err error) {
	c := s.c
	c.mu.Lock()
	s.abort(&Error{Reason: ReasonBodyAborted, Err: err, Sent: true})
	claimed := c.claim()
	c.mu.Unlock()
	c.flush(claimed)
}

// writable says why no more can be sent. Callers hold mu.
func (s *h2stream) writable() error {
	switch {
	case s.err != nil:
		return s.err
	case s.recvEnd && !s.sentEnd && !s.opened:
		return errAnswered
	}
	return nil
}

// Sent is told that all that was to be sent is in the write buffer. Callers hold
// mu.
func (s *h2stream) Sent(end bool) {
	s.whose, s.turnSince = turnClient, s.c.clock()
	if end {
		s.whose, s.sentEnd = turnBackend, true
		if s.recvEnd {
			s.c.closeStream(s)
		} else {
			s.c.arm(first(s.due()))
		}
	}
	s.wcond.Broadcast()
}

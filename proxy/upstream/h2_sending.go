package upstream

import (
	"golang.org/x/net/http2/hpack"
)

// h2Part is a part of a request's body, and perhaps its end. data must stay as it
// is until the stream has sent it, or is closed.
type h2Part struct {
	data    []byte
	end     bool
	trailer []hpack.HeaderField // before the end
}

// openStream sends the head of a request, with part behind it as far as there is
// room. length < 0: it is not told; names are those of the trailer fields.
func (s *h2stream) openStream(r *Request, part h2Part, length int64, names []string) *Error {
	c := s.c
	c.mu.Lock()
	for len(c.wbuf) >= h2HardBuf && c.dead == nil && s.err == nil {
		c.flushSoon()
		c.room.Wait()
	}
	c.reserved--
	if s.err == nil {
		s.err = c.closedTo(r)
	}
	if s.err != nil {
		err := s.err
		s.closed = true
		c.freed()
		c.unlock()
		return err
	}
	now := c.clock()
	s.enter(now)
	end := part.end && len(part.data) == 0 && len(part.trailer) == 0
	c.appendHead(s.id, end, func(b []byte) []byte {
		return r.appendH2Head(b, c.set.dialer.tls != nil, c.set.grpc, length, names)
	})
	s.turnSince = now
	switch {
	case end:
		s.sentEnd = true
	case part.end || len(part.data) > 0:
		s.sendLocked(part)
	default:
		s.whose = turnClient
	}
	s.await(now)
	c.unlock()
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
	s.at = c.position()
	s.out.n = c.streamSend
}

// sendLocked has part sent. Callers hold mu.
func (s *h2stream) sendLocked(part h2Part) {
	c := s.c
	s.pend, s.sending = part, true
	s.whose, s.turnSince = turnSend, c.clock()
	c.enqueue(s)
	c.pump()
	if s.sending {
		c.arm(first(s.due()))
	}
}

// write sends part, and returns when all of it is on its way.
func (s *h2stream) write(part h2Part) error {
	c := s.c
	c.mu.Lock()
	s.drain() // of what openStream has left
	if err := s.writable(); err != nil {
		c.mu.Unlock()
		return err
	}
	s.sendLocked(part)
	s.drain()
	err := s.writable()
	c.unlock()
	return err
}

// drain waits until nothing is to be sent. Callers hold mu; it is given up
// meanwhile.
func (s *h2stream) drain() {
	c := s.c
	for s.sending && s.writable() == nil {
		if !c.flushing && len(c.wbuf) > 0 {
			c.unlock()
			c.mu.Lock()
			continue
		}
		s.wcond.Wait()
	}
}

// giveUp ends the stream because the request's body cannot be read.
func (s *h2stream) giveUp(err error) {
	c := s.c
	c.mu.Lock()
	s.abort(&Error{Reason: ReasonBodyAborted, Err: err, Sent: true})
	c.unlock()
}

// writable says why no more can be sent. Callers hold mu.
func (s *h2stream) writable() error {
	switch {
	case s.err != nil:
		return s.err
	case s.recvEnd && !s.sentEnd:
		return errAnswered
	}
	return nil
}

// sent notes that all that was to be sent is in the write buffer. Callers hold mu.
func (s *h2stream) sent(end bool) {
	s.sending, s.pend = false, h2Part{}
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

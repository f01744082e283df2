package upstream

import (
	"io"

	"golang.org/x/net/http2/hpack"
)

type interim struct {
	status int
	fields []hpack.HeaderField
}

// awaitHead returns when the response's head is there, and passes on what comes
// before it.
func (s *h2stream) awaitHead(pass func(status int, h []hpack.HeaderField)) *Error {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case s.err != nil && (!s.gotHead || s.err.Reason == ReasonCanceled):
			return s.err
		case len(s.interims) > 0:
			next := s.interims[0]
			s.interims = s.interims[1:]
			if pass != nil {
				s.awaited = 0
				c.mu.Unlock()
				pass(next.status, next.fields)
				c.mu.Lock()
				s.await(c.clock())
			}
			continue
		case s.gotHead:
			s.awaited = 0
			return nil
		}
		s.cond.Wait()
	}
}

// readBody is Exchange.Read.
func (s *h2stream) readBody(p []byte) (int, error) {
	c := s.c
	c.mu.Lock()
	claimed := s.ask() && c.claim()
	if claimed { // nothing is there to be read, and the backend may wait for this
		c.mu.Unlock()
		c.flush(claimed)
		c.mu.Lock()
	}
	for s.body.n == 0 || s.err != nil && s.err.Reason == ReasonCanceled {
		switch {
		case s.recvEnd && s.body.n == 0:
			c.mu.Unlock()
			return 0, io.EOF
		case s.err != nil:
			err := s.err
			c.mu.Unlock()
			return 0, err
		}
		s.into = p
		s.await(c.clock())
		s.cond.Wait()
		s.into, s.awaited = nil, 0
		if s.got > 0 {
			break
		}
	}
	n := s.got
	s.got = 0
	if n < len(p) {
		n += s.body.read(c.buffers, p[n:])
	}
	s.in.taken += n
	var err error
	if s.recvEnd && s.body.n == 0 {
		err = io.EOF
	}
	claimed = c.claim()
	c.mu.Unlock()
	c.flush(claimed)
	return n, err
}

// ask lets the backend send more, and reports whether that is told it in vain
// while nothing is flushed: there is nothing to be read. Callers hold mu.
func (s *h2stream) ask() bool {
	if s.recvEnd || s.err != nil {
		return false
	}
	want := int64(-1)
	if s.length >= 0 {
		want = s.length - s.received
	}
	inc := s.refund(want)
	if inc == 0 {
		return false
	}
	s.c.appendWindowUpdate(s.id, inc)
	return s.body.n == 0
}

// unheard says that nothing of a response has come.
func (s *h2stream) unheard() bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.nInterim == 0 && !s.gotHead
}

// whole returns the rest of the response, if all of it is here in one piece.
func (s *h2stream) whole() ([]byte, bool) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if !s.recvEnd {
		return nil, false
	}
	return s.body.whole()
}

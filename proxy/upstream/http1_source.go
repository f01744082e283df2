package upstream

import (
	"io"
	"time"
)

// http1Source is what comes in on a connection while an exchange has it.
type http1Source struct {
	buffers *buffers
	timeout time.Duration // for each wait; <= 0: none
	c       *http1Conn
	sender  *http1Sender // of the request's body; nil without one of its own
	in      *buffer      // what has come and was not used; nil before the first read
	excess  bool         // more came than the response
}

// arm gives the backend the time-out from now on.
func (s *http1Source) arm() { s.c.armRead(time.Now(), s.timeout) }

// fill reads once into s.in, under the deadline in force.
func (s *http1Source) fill() error {
	s.buffers.room(s.in)
	n, err := s.receive(s.in.b[s.in.w:])
	s.in.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// receive reads from the connection. While the request body is still on its
// way, and for the time-out after that, waiting is not the backend's fault.
func (s *http1Source) receive(p []byte) (int, error) {
	for {
		n, err := s.c.nc.Read(p)
		if n > 0 || err == nil || s.sender == nil || !isTimeout(err) {
			return n, err
		}
		now := time.Now()
		wait := s.sender.patience(now, s.timeout)
		if wait <= 0 {
			return 0, err
		}
		s.c.reads = now.Add(wait)
		_ = s.c.nc.SetReadDeadline(s.c.reads)
	}
}

// next returns what is in the buffer, or else reads from the connection.
func (s *http1Source) next(p []byte) (int, error) {
	if s.in.r < s.in.w {
		n := copy(p, s.in.b[s.in.r:s.in.w])
		s.in.r += n
		return n, nil
	}
	s.arm()
	return s.receive(p)
}

// cutAt says where the response ends. A backend that sent more than that cannot
// be followed: its next response might be anything.
func (s *http1Source) cutAt(end int) {
	if s.in.w > end {
		s.excess = true
	}
	s.in.w = end
}

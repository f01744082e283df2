package upstream

import (
	"golang.org/x/net/http2"
)

// readData takes a DATA frame.
func (c *h2conn) readData(fh http2.FrameHeader) error {
	total := int(fh.Length)
	p, err := c.rd.take(total)
	if err != nil {
		return err
	}
	if fh.Flags.Has(http2.FlagDataPadded) {
		if p, err = unpad(p); err != nil {
			return err
		}
	}
	end := fh.Flags.Has(http2.FlagDataEndStream)
	if len(p) == 0 && !end {
		if err := c.meter(); err != nil {
			return err
		}
	}
	c.mu.Lock()
	if err := c.takeConn(total); err != nil {
		c.mu.Unlock()
		return err
	}
	s := c.open[fh.StreamID]
	if s == nil {
		err := c.gone(fh.StreamID)
		c.mu.Unlock()
		if err == nil {
			err = c.meter()
		}
		return err
	}
	if err := s.takeData(p, total, end); err != nil {
		c.condemn(s, err)
	}
	c.mu.Unlock()
	return nil
}

// takeData keeps p, which came in a DATA frame of total octets with padding. Its
// error ends the stream. c.mu is held.
func (s *h2stream) takeData(p []byte, total int, end bool) error {
	c := s.c
	switch {
	case s.recvEnd:
		return h2Closed("DATA after the end of the response")
	case !s.gotHead:
		return h2Protocol("DATA before the response's head")
	case total > s.in.avail:
		return h2Flow("more DATA than the stream's window allows")
	}
	c.heard = c.rd.last.Load()
	s.in.avail -= total
	s.received += int64(len(p))
	switch {
	case s.bodiless:
		if len(p) > 0 {
			return h2Protocol("DATA where there is no body")
		}
	case s.length >= 0 && (s.received > s.length || end && s.received < s.length):
		return h2Protocol("content-length and DATA differ") // RFC 9113 section 8.1.1
	}
	if s.into != nil && s.body.n == 0 {
		n := copy(s.into[s.got:], p)
		s.got += n
		p = p[n:]
	}
	if len(p) > 0 {
		s.body.write(c.buffers, p, s.in.size > h2FirstWindow)
	}
	if end {
		s.endOfResponse()
	}
	c.wake(s)
	return nil
}

// endOfResponse notes END_STREAM of the backend's. c.mu is held.
func (s *h2stream) endOfResponse() {
	s.recvEnd = true
	if s.sentEnd {
		s.c.closeStream(s)
	} else {
		s.wcond.Broadcast()
	}
}

// unpad removes the padding of DATA and HEADERS (RFC 9113 section 6.1).
func unpad(p []byte) ([]byte, error) {
	if len(p) == 0 || int(p[0]) >= len(p) {
		return nil, h2Protocol("padding longer than the frame")
	}
	return p[1 : len(p)-int(p[0])], nil
}

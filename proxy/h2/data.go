package h2

import (
	"errors"

	"golang.org/x/net/http2"
)

// tinyData is the payload under which a DATA frame is charged. The smallest
// message of gRPC has 5 octets, of WebSocket 6: those may come at any rate.
const tinyData = 5

func (c *Conn) readData(fh http2.FrameHeader) error {
	if fh.StreamID == 0 {
		return protocolError("DATA on the connection")
	}
	total := int(fh.Length)
	p, err := c.rd.Next(total)
	if err != nil {
		return err
	}
	if fh.Flags.Has(http2.FlagDataPadded) {
		if total == 0 {
			return frameSizeError("padded DATA without pad length")
		}
		if p, err = unpad(p); err != nil {
			return err
		}
	}
	end := fh.Flags.Has(http2.FlagDataEndStream)
	c.mu.Lock()
	charged := len(p) < tinyData && !end
	if charged {
		if credits := c.out.settle(); credits.tiny > 0 {
			credits.tiny--
			charged = false
		}
	}
	err = c.takeData(fh.StreamID, p, total, end)
	c.mu.Unlock()
	switch {
	case err == errGone:
		// A reset takes a round trip to come to the client, and the octets that
		// may be on their way are few frames.
		if !c.tiny.Take(c.now) {
			return calm(ClosedDataFlood, "too much DATA on closed streams")
		}
		return nil
	case err != nil || !charged:
		return err
	case len(p) == 0:
		return c.meterControl()
	case !c.tiny.Take(c.now):
		return calm(ClosedDataFlood, "too many small DATA frames")
	}
	return nil
}

// errGone is returned for DATA on a stream of which the client may not know yet
// that it is gone.
var errGone = errors.New("h2: DATA on a stream that was reset lately")

// takeData accounts for a DATA frame of total octets with padding, and keeps p.
// Callers hold mu.
//
// The connection's window is given back for whatever comes: what is held is
// bounded by the windows of the streams, and streams that nobody reads do not
// stop the others.
func (c *Conn) takeData(id uint32, p []byte, total int, end bool) error {
	c.mu.Check()
	s := c.streams[id]
	if s == nil && c.isIdle(id) {
		return protocolError("DATA on an idle stream")
	}
	late := c.lastSent && id > c.lastID
	if !c.recv.take(total) {
		return &connError{http2.ErrCodeFlowControl, ClosedFlowControl, "connection window overrun"}
	}
	if inc := c.recv.giveBack(total); inc > 0 && !c.dead {
		c.out.windowUpdate(0, inc)
	}
	if s == nil || s.recvEnd {
		if s == nil && (late || c.resetLately(id)) {
			return errGone
		}
		return &streamError{id, http2.ErrCodeStreamClosed, WhyState, "DATA on a closed stream"}
	}
	if !s.in.take(total) {
		return &streamError{id, http2.ErrCodeFlowControl, WhyFlowControl, "stream window overrun"}
	}
	s.received += int64(len(p))
	if s.ContentLength >= 0 && (s.received > s.ContentLength || end && s.received < s.ContentLength) {
		return &streamError{id, http2.ErrCodeProtocol, WhyMalformed, "content-length and DATA differ"}
	}
	if s.lingering {
		c.takeLingering(s, end)
		return nil
	}
	pad := total - len(p)
	if s.stopped || s.detached {
		p, pad = nil, 0 // nobody will read it
	}
	if s.readInto != nil && s.readGot == 0 && s.body.n == 0 {
		s.readGot = copy(s.readInto, p)
		p = p[s.readGot:]
	}
	s.body.write(c.engine, p)
	if end {
		c.endOfRequest(s)
	}
	if pad > 0 {
		c.giveBack(s, pad)
	}
	if s.readSince != 0 || end {
		s.rcond.Signal()
	}
	return nil
}

// endOfRequest notes END_STREAM of the client's. Callers hold mu, and do not
// use s afterwards if it was lingering.
func (c *Conn) endOfRequest(s *Stream) {
	c.mu.Check()
	s.recvEnd = true
	s.rcond.Signal()
	if s.sentEnd {
		lingering := s.lingering
		c.closeStream(s)
		if lingering {
			c.engine.recycle(s)
		}
	}
}

// unpad removes the padding of DATA and HEADERS (RFC 9113 section 6.1).
func unpad(p []byte) ([]byte, error) {
	n := int(p[0])
	if n >= len(p) {
		return nil, protocolError("padding longer than the frame")
	}
	return p[1 : len(p)-n], nil
}

package upstream

import (
	"encoding/binary"
	"errors"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/proxy/frame"
)

// readGoAway is RFC 9113 section 6.8: what is above the last stream was not
// processed, and is not going to be.
func (c *h2conn) readGoAway(fh http2.FrameHeader) error {
	if fh.StreamID != 0 {
		return h2Protocol("GOAWAY on a stream")
	}
	if fh.Length < 8 {
		return &h2Error{http2.ErrCodeFrameSize, malformed("GOAWAY too short")}
	}
	p, err := c.rd.take(8)
	if err != nil {
		return err
	}
	last := binary.BigEndian.Uint32(p) & frame.MaxWindow
	c.mu.Lock()
	for id, s := range c.open {
		if id > last {
			s.unprocessed(errGoneAway)
		}
	}
	c.leave()
	c.mu.Unlock()
	return c.rd.skip(int(fh.Length) - 8)
}

func (c *h2conn) readReset(fh http2.FrameHeader) error {
	if fh.StreamID == 0 {
		return h2Protocol("RST_STREAM on the connection")
	}
	if fh.Length != 4 {
		return &h2Error{http2.ErrCodeFrameSize, malformed("RST_STREAM of other than 4 octets")}
	}
	p, err := c.rd.take(4)
	if err != nil {
		return err
	}
	code := http2.ErrCode(binary.BigEndian.Uint32(p))
	c.mu.Lock()
	s := c.open[fh.StreamID]
	if s == nil {
		err := c.gone(fh.StreamID)
		c.mu.Unlock()
		if err == nil {
			err = c.meter()
		}
		return err
	}
	defer c.mu.Unlock()
	switch {
	case s.recvEnd:
		// RFC 9113 section 8.1: the response is whole, the rest of the request
		// is not wanted.
		c.closeStream(s)
		s.wcond.Broadcast()
	case code == http2.ErrCodeRefusedStream && !s.gotHead:
		s.unprocessed(errRefused)
	default:
		s.fail(&Error{Reason: ReasonReset, Err: http2.StreamError{StreamID: s.id, Code: code}, Sent: true})
	}
	return nil
}

// unprocessed ends a stream that the backend says it has not processed. An interim
// response tells otherwise. Callers hold mu.
func (s *h2stream) unprocessed(err error) {
	s.fail(&Error{Reason: ReasonRefused, Err: err, Sent: s.nInterim > 0 || s.gotHead})
}

// condemn ends a stream of which the backend has said something that it must not.
// Callers hold mu.
func (c *h2conn) condemn(s *h2stream, err error) {
	code := http2.ErrCodeCancel // of what is only more than we take
	if he, ok := errors.AsType[*h2Error](err); ok {
		code, err = he.code, he.err
	}
	s.reset(&Error{Reason: parseReason(err), Err: err, Sent: true}, code)
}

package upstream

import (
	"encoding/binary"
	"errors"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/proxy/frame"
)

const (
	// h2ControlBurst and h2ControlRate, per second, bound the frames of a backend
	// that serve no request: PING, SETTINGS, empty DATA, frames of streams that
	// are gone. What our own frames may have caused comes on top.
	h2ControlBurst = 4000
	h2ControlRate  = 400
	// h2SmallFrame bounds the frames that are read through the Framer's own
	// buffer, which it keeps.
	h2SmallFrame = 1 << 10
)

// readFrame reads one frame and acts on it. The errors it returns end the
// connection.
func (c *h2conn) readFrame() error {
	c.rd.mid = false
	fh, err := c.fr.ReadFrameHeader()
	if err != nil {
		return c.fromFramer(err)
	}
	c.rd.mid = true
	switch {
	case fh.Length > frame.MaxPayload:
		return &h2Error{http2.ErrCodeFrameSize, malformed("frame larger than allowed")}
	case !c.greeted && (fh.Type != http2.FrameSettings || fh.Flags.Has(http2.FlagSettingsAck)):
		return h2Protocol("the first frame is not SETTINGS")
	case c.head.active && (fh.Type != http2.FrameContinuation || fh.StreamID != c.head.id):
		return h2Protocol("header block is interrupted")
	}
	switch fh.Type {
	case http2.FrameData:
		return c.readData(fh)
	case http2.FrameHeaders:
		return c.readHeaders(fh)
	case http2.FrameContinuation:
		return c.readContinuation(fh)
	case http2.FrameWindowUpdate:
		return c.readWindowUpdate(fh)
	case http2.FrameRSTStream:
		return c.readReset(fh)
	case http2.FramePing:
		return c.readPing(fh)
	case http2.FrameSettings, http2.FrameGoAway:
		return c.readRare(fh)
	case http2.FramePushPromise:
		return h2Protocol("PUSH_PROMISE that was ruled out")
	}
	// RFC 9113 section 5.5: unknown types are ignored.
	if err := c.meter(); err != nil {
		return err
	}
	return c.rd.skip(int(fh.Length))
}

// fromFramer is the error of a frame that the Framer has refused.
func (c *h2conn) fromFramer(err error) error {
	var ce http2.ConnectionError
	switch {
	case errors.As(err, &ce):
		return &h2Error{http2.ErrCode(ce), malformed(err.Error())}
	case errors.Is(err, http2.ErrFrameTooLarge):
		return &h2Error{http2.ErrCodeFrameSize, malformed("frame larger than allowed")}
	}
	return err
}

// meter charges a frame that serves no request.
func (c *h2conn) meter() error {
	if c.control.Take(c.rd.last.Load()) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if heads, datas := c.out.Frames(); c.paid < 8*heads+4*datas {
		c.earned = min(c.earned+8*heads+4*datas-c.paid, h2ControlBurst)
		c.paid = 8*heads + 4*datas
	}
	if c.earned > 0 {
		c.earned--
		return nil
	}
	return h2Calm("too many frames that serve no request")
}

func (c *h2conn) readPing(fh http2.FrameHeader) error {
	if fh.StreamID != 0 {
		return h2Protocol("PING on a stream")
	}
	if fh.Length != 8 {
		return &h2Error{http2.ErrCodeFrameSize, malformed("PING of other than 8 octets")}
	}
	p, err := c.rd.take(8)
	if err != nil {
		return err
	}
	if !fh.Flags.Has(http2.FlagPingAck) {
		c.mu.Lock()
		c.appendPing(true, string(p))
		c.mu.Unlock()
	}
	return c.meter()
}

func (c *h2conn) readWindowUpdate(fh http2.FrameHeader) error {
	if fh.Length != 4 {
		return &h2Error{http2.ErrCodeFrameSize, malformed("WINDOW_UPDATE of other than 4 octets")}
	}
	p, err := c.rd.take(4)
	if err != nil {
		return err
	}
	inc := int32(binary.BigEndian.Uint32(p) & frame.MaxWindow)
	if err := c.meter(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if fh.StreamID == 0 {
		if inc == 0 {
			return h2Protocol("WINDOW_UPDATE of 0")
		}
		if !c.out.Widen(inc) {
			return h2Flow("window over 2^31-1")
		}
		c.out.Pump()
		return nil
	}
	s := c.open[fh.StreamID]
	switch {
	case s == nil:
		return c.gone(fh.StreamID)
	case inc == 0:
		c.condemn(s, h2Protocol("WINDOW_UPDATE of 0"))
	case !c.out.WidenStream(&s.out, inc):
		c.condemn(s, h2Flow("window over 2^31-1"))
	default:
		c.out.Pump()
	}
	return nil
}

// gone is for frames of a stream that is not open: one that was never opened is
// an error of the connection (RFC 9113 section 5.1). Callers hold mu.
func (c *h2conn) gone(id uint32) error {
	if id%2 == 0 || id >= c.nextID {
		return h2Protocol("frame on an idle stream")
	}
	return nil
}

// unpad removes the padding of DATA and HEADERS (RFC 9113 section 6.1).
func unpad(p []byte) ([]byte, error) {
	if len(p) == 0 || int(p[0]) >= len(p) {
		return nil, h2Protocol("padding longer than the frame")
	}
	return p[1 : len(p)-int(p[0])], nil
}

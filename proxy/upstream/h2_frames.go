package upstream

import (
	"encoding/binary"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/proxy/frame"
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

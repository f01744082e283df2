package upstream

import (
	"encoding/binary"
	"errors"
	"io"

	"golang.org/x/net/http2"
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

// h2reader buffers what the backend sends. It is owned by the read loop.
type h2reader struct {
	c    *h2conn
	buf  *buffer
	full bool // the last read has filled buf: there may be more at once
	mid  bool // a frame's header was read, the frame is not whole
}

// Read fills p. It is for the Framer, which never reads past what it asks for.
func (b *h2reader) Read(p []byte) (int, error) {
	src, err := b.take(len(p))
	return copy(p, src), err
}

// take returns the next n octets, n <= 16 KiB, valid until the call after.
func (b *h2reader) take(n int) ([]byte, error) {
	for b.buf == nil || b.buf.w-b.buf.r < n {
		if err := b.fill(n); err != nil {
			return nil, err
		}
	}
	p := b.buf.b[b.buf.r : b.buf.r+n]
	b.buf.r += n
	return p, nil
}

// skip drops n octets.
func (b *h2reader) skip(n int) error {
	for n > 0 {
		m := min(n, h2MaxFrame)
		if _, err := b.take(m); err != nil {
			return err
		}
		n -= m
	}
	return nil
}

// fill reads once, after those were told for whom something has come.
func (b *h2reader) fill(need int) error {
	c := b.c
	c.tell()
	b.makeRoom(need)
	n, err := c.nc.Read(b.buf.b[b.buf.w:])
	c.lastRead.Store(c.clock())
	if n > 0 {
		b.buf.w += n
		b.full = b.buf.w == len(b.buf.b)
		return nil
	}
	switch {
	case err == io.EOF && (b.mid || b.buf.w > b.buf.r):
		return io.ErrUnexpectedEOF
	case err == nil:
		return io.ErrNoProgress
	}
	return err
}

// makeRoom makes it possible to hold need octets, in a larger buffer while the
// backend fills that, and in a small one otherwise.
func (b *h2reader) makeRoom(need int) {
	pools := b.c.buffers
	if b.buf == nil {
		b.buf = pools.get(smallBuffer)
	}
	held := b.buf.w - b.buf.r
	if need > len(b.buf.b) || b.full && len(b.buf.b) < largeBuffer {
		b.swap(largeBuffer)
	} else if held == 0 && len(b.buf.b) > smallBuffer && need < smallBuffer && !b.full {
		b.swap(smallBuffer)
	}
	if held == 0 {
		b.buf.r, b.buf.w = 0, 0
	} else if len(b.buf.b)-b.buf.r < need || b.buf.w == len(b.buf.b) {
		b.buf.w = copy(b.buf.b, b.buf.b[b.buf.r:b.buf.w])
		b.buf.r = 0
	}
}

func (b *h2reader) swap(size int) {
	next := b.c.buffers.get(size)
	next.w = copy(next.b, b.buf.b[b.buf.r:b.buf.w])
	b.c.buffers.put(b.buf)
	b.buf = next
}

// tell wakes those for whom something has come, all at once before the next read:
// by then a small response is whole. What must be written meanwhile another
// goroutine writes, since a backend that writes before it reads must be heard.
func (c *h2conn) tell() {
	c.mu.Lock()
	c.tellAll()
	for len(c.wbuf) >= h2HardBuf && !c.broken && c.dead == nil {
		c.flushSoon()
		c.room.Wait()
	}
	c.flushSoon()
	c.mu.Unlock()
}

// tellAll wakes those for whom something has come. Callers hold mu.
func (c *h2conn) tellAll() {
	for i, s := range c.woken {
		s.inWoken = false
		s.cond.Broadcast()
		c.woken[i] = nil
	}
	c.woken = c.woken[:0]
}

// wake has the stream's owner told that something has come. Callers hold mu.
func (c *h2conn) wake(s *h2stream) {
	if !s.inWoken {
		s.inWoken = true
		c.woken = append(c.woken, s)
	}
}

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
	case fh.Length > h2MaxFrame:
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
	if c.control.take(c.lastRead.Load()) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.earned > 0 {
		c.earned--
		return nil
	}
	return h2Calm("too many frames that serve no request")
}

func (c *h2conn) readRare(fh http2.FrameHeader) error {
	if fh.Length > h2SmallFrame && fh.Type == http2.FrameSettings {
		return h2Calm("SETTINGS too long")
	}
	if err := c.meter(); err != nil {
		return err
	}
	if fh.Type == http2.FrameGoAway {
		return c.readGoAway(fh)
	}
	f, err := c.fr.ReadFrameForHeader(fh)
	if err != nil {
		return c.fromFramer(err)
	}
	if f, ok := f.(*http2.SettingsFrame); ok && !f.IsAck() {
		return c.settings(f)
	}
	return nil
}

// settings applies the backend's SETTINGS (RFC 9113 section 6.5).
func (c *h2conn) settings(f *http2.SettingsFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := c.max
	if !c.greeted {
		limit = h2MaxStreams
	}
	err := f.ForeachSetting(func(v http2.Setting) error {
		if err := v.Valid(); err != nil {
			return c.fromFramer(err)
		}
		switch v.ID {
		case http2.SettingMaxConcurrentStreams:
			limit = int(min(v.Val, h2MaxStreams))
		case http2.SettingEnablePush:
			if v.Val != 0 {
				return h2Protocol("SETTINGS_ENABLE_PUSH from a server")
			}
		case http2.SettingMaxHeaderListSize:
			c.maxList = v.Val
		case http2.SettingHeaderTableSize:
			if v.Val < 4096 {
				c.shrink = true
			}
		case http2.SettingInitialWindowSize:
			delta := int32(v.Val) - c.streamSend
			c.streamSend = int32(v.Val)
			for _, s := range c.open {
				if !s.out.add(delta) {
					return &h2Error{http2.ErrCodeFlowControl, malformed("window over 2^31-1")}
				}
				c.enqueue(s)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.greeted, c.max = true, limit
	c.appendFrame(0, http2.FrameSettings, http2.FlagSettingsAck, 0)
	c.pump()
	c.set.wake(limit)
	return nil
}

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
	last := binary.BigEndian.Uint32(p) & h2MaxWindow
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

// unprocessed ends a stream that the backend says it has not processed. An interim
// response tells otherwise. Callers hold mu.
func (s *h2stream) unprocessed(err error) {
	s.fail(&Error{Reason: ReasonRefused, Err: err, Sent: s.nInterim > 0 || s.gotHead})
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
		c.appendPing(true, [8]byte(p))
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
	inc := int32(binary.BigEndian.Uint32(p) & h2MaxWindow)
	if err := c.meter(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if fh.StreamID == 0 {
		if inc == 0 {
			return h2Protocol("WINDOW_UPDATE of 0")
		}
		if !c.send.add(inc) {
			return &h2Error{http2.ErrCodeFlowControl, malformed("window over 2^31-1")}
		}
		c.pump()
		return nil
	}
	s := c.open[fh.StreamID]
	switch {
	case s == nil:
		return c.gone(fh.StreamID)
	case inc == 0:
		c.condemn(s, malformed("WINDOW_UPDATE of 0"))
	case !s.out.add(inc):
		c.condemn(s, malformed("window over 2^31-1"))
	default:
		c.enqueue(s)
		c.pump()
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

// condemn ends a stream of which the backend has said something that it must not.
// Callers hold mu.
func (c *h2conn) condemn(s *h2stream, err error) {
	s.abort(&Error{Reason: parseReason(err), Err: err, Sent: true})
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
		return malformed("DATA after the end of the response")
	case !s.gotHead:
		return malformed("DATA before the response's head")
	case total > s.in.avail:
		return malformed("more DATA than the stream's window allows")
	}
	c.heard = c.lastRead.Load()
	s.in.avail -= total
	s.received += int64(len(p))
	switch {
	case s.bodiless:
		if len(p) > 0 {
			return malformed("DATA where there is no body")
		}
	case s.length >= 0 && (s.received > s.length || end && s.received < s.length):
		return malformed("content-length and DATA differ") // RFC 9113 section 8.1.1
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

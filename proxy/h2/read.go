package h2

import (
	"encoding/binary"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// maxSmallFrame bounds the frames that are read through the Framer's own
// buffer, which it keeps.
const maxSmallFrame = 1 << 10

// readPreface reads the client's connection preface (RFC 9113 section 3.4).
func (c *Conn) readPreface() error {
	p, err := c.rd.next(len(http2.ClientPreface))
	if err != nil {
		return err
	}
	if string(p) != http2.ClientPreface {
		return &connError{http2.ErrCodeProtocol, ClosedPreface, "bad connection preface"}
	}
	return nil
}

// readFrame reads one frame and acts on it. The errors it returns end the
// connection.
func (c *Conn) readFrame() error {
	fh, err := c.fr.ReadFrameHeader()
	if err != nil {
		return fromFramer(fh, err)
	}
	c.inFrame, c.inData = true, fh.Type == http2.FrameData
	if c.greetTime == 0 && (fh.Type != http2.FrameSettings || fh.Flags.Has(http2.FlagSettingsAck)) {
		return protocolError("the first frame is not SETTINGS")
	}
	err = c.frame(fh)
	c.inFrame, c.inData = false, false
	if c.partial && !c.head.active {
		c.partial = false
		c.mu.Lock()
		c.partialSince = 0
		c.mu.Unlock()
	}
	if se, ok := err.(*streamError); ok {
		return c.resetStream(se)
	}
	return err
}

func (c *Conn) frame(fh http2.FrameHeader) error {
	switch fh.Type {
	case http2.FrameHeaders:
		return c.readHeaders(fh)
	case http2.FrameData:
		return c.readData(fh)
	case http2.FrameWindowUpdate:
		return c.readWindowUpdate(fh)
	case http2.FrameRSTStream:
		return c.readReset(fh)
	case http2.FrameContinuation:
		return c.readContinuation(fh)
	case http2.FramePing:
		return c.readPing(fh)
	case http2.FrameSettings, http2.FramePriority, http2.FrameGoAway, http2.FramePriorityUpdate:
		return c.readRare(fh)
	case http2.FramePushPromise:
		return protocolError("PUSH_PROMISE from a client")
	}
	// RFC 9113 section 5.5: unknown types are ignored.
	if err := c.meterControl(); err != nil {
		return err
	}
	return c.rd.discard(int(fh.Length))
}

// meterControl charges a frame that the client has not earned.
func (c *Conn) meterControl() error {
	if c.control.take(c.now) {
		return nil
	}
	return calm(ClosedControlFlood, "too many control frames")
}

// readRare handles the frames that need no speed, as the Framer parses them.
func (c *Conn) readRare(fh http2.FrameHeader) error {
	if fh.Length > maxSmallFrame {
		if fh.Type == http2.FrameSettings {
			return calm(ClosedControlFlood, "SETTINGS too long")
		}
		if err := c.meterControl(); err != nil {
			return err
		}
		return c.rd.discard(int(fh.Length))
	}
	f, err := c.fr.ReadFrameForHeader(fh)
	if err != nil {
		if merr := c.meterControl(); merr != nil {
			return merr
		}
		return fromFramer(fh, err)
	}
	if sf, ok := f.(*http2.SettingsFrame); ok && sf.IsAck() {
		c.mu.Lock()
		first := !c.acked
		c.acked = true
		c.mu.Unlock()
		if first {
			return nil
		}
	}
	if err := c.meterControl(); err != nil {
		return err
	}
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return c.settings(f)
		}
	case *http2.PriorityFrame:
		// RFC 9113 section 5.3.2: ignored, but for what RFC 7540 section
		// 5.3.1 calls an error.
		if f.StreamDep == f.StreamID {
			return &streamError{f.StreamID, http2.ErrCodeProtocol, RefusedMalformed, "stream depends on itself"}
		}
	case *http2.PriorityUpdateFrame:
		c.mu.Lock()
		if s := c.streams[f.PrioritizedStreamID]; s != nil {
			c.setUrgency(s, parseUrgency(f.Priority, defaultUrgency))
		}
		c.mu.Unlock()
	case *http2.GoAwayFrame:
		// The client will open no stream; those it has are finished.
	}
	return nil
}

// settings applies the client's SETTINGS (RFC 9113 section 6.5).
func (c *Conn) settings(f *http2.SettingsFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.greetTime == 0 {
		c.greetTime = c.now
	}
	err := f.ForeachSetting(func(v http2.Setting) error {
		if err := v.Valid(); err != nil {
			return fromFramer(f.FrameHeader, err)
		}
		switch v.ID {
		case http2.SettingInitialWindowSize:
			delta := int32(v.Val) - c.streamSend
			c.streamSend = int32(v.Val)
			for _, s := range c.streams {
				if !s.out.add(delta) {
					return &connError{http2.ErrCodeFlowControl, ClosedFlowControl, "window over 2^31-1"}
				}
				c.enqueue(s)
			}
		case http2.SettingHeaderTableSize:
			if v.Val < c.tableSize {
				c.tableSize, c.shrink = 0, true
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.appendFrame(0, http2.FrameSettings, http2.FlagSettingsAck, 0)
	c.pump()
	return nil
}

func (c *Conn) readPing(fh http2.FrameHeader) error {
	if fh.StreamID != 0 {
		return protocolError("PING on a stream")
	}
	if fh.Length != 8 {
		return frameSizeError("PING of other than 8 octets")
	}
	p, err := c.rd.next(8)
	if err != nil {
		return err
	}
	if fh.Flags.Has(http2.FlagPingAck) {
		if string(p) == drainPing && c.pingAcked() {
			return nil
		}
		return c.meterControl()
	}
	c.mu.Lock()
	earned := c.earned.pings > 0
	if earned {
		c.earned.pings--
	}
	c.appendFrame(8, http2.FramePing, http2.FlagPingAck, 0)
	c.wbuf = append(c.wbuf, p...)
	c.mu.Unlock()
	if earned {
		return nil
	}
	return c.meterControl()
}

func (c *Conn) readWindowUpdate(fh http2.FrameHeader) error {
	if fh.Length != 4 {
		return frameSizeError("WINDOW_UPDATE of other than 4 octets")
	}
	p, err := c.rd.next(4)
	if err != nil {
		return err
	}
	inc := int32(binary.BigEndian.Uint32(p) & maxWindow)
	c.mu.Lock()
	earned := c.earned.updates > 0
	if earned {
		c.earned.updates--
	}
	err = c.windowUpdate(fh.StreamID, inc)
	c.mu.Unlock()
	if err == nil && !earned {
		err = c.meterControl()
	}
	return err
}

func (c *Conn) windowUpdate(id uint32, inc int32) error {
	if id == 0 {
		if inc == 0 {
			return protocolError("WINDOW_UPDATE of 0")
		}
		if !c.send.add(inc) {
			return &connError{http2.ErrCodeFlowControl, ClosedFlowControl, "window over 2^31-1"}
		}
		c.pump()
		return nil
	}
	s := c.streams[id]
	if s == nil {
		if c.isIdle(id) {
			return protocolError("WINDOW_UPDATE on an idle stream")
		}
		return nil // RFC 9113 section 5.1: closed, it may still be on its way
	}
	if inc == 0 {
		return &streamError{id, http2.ErrCodeProtocol, RefusedFlowControl, "WINDOW_UPDATE of 0"}
	}
	if !s.out.add(inc) {
		return &streamError{id, http2.ErrCodeFlowControl, RefusedFlowControl, "window over 2^31-1"}
	}
	c.enqueue(s)
	c.pump()
	return nil
}

// isIdle reports whether stream id was never used. After the last GOAWAY that
// is not known of the streams which we ignore. Callers hold mu.
func (c *Conn) isIdle(id uint32) bool { return id%2 == 0 || id > c.maxID && !c.lastSent }

func (c *Conn) readReset(fh http2.FrameHeader) error {
	if fh.StreamID == 0 {
		return protocolError("RST_STREAM on the connection")
	}
	if fh.Length != 4 {
		return frameSizeError("RST_STREAM of other than 4 octets")
	}
	p, err := c.rd.next(4)
	if err != nil {
		return err
	}
	c.mu.Lock()
	s := c.streams[fh.StreamID]
	if s == nil {
		idle := c.isIdle(fh.StreamID)
		c.mu.Unlock()
		if idle {
			return protocolError("RST_STREAM on an idle stream")
		}
		return c.meterControl()
	}
	early := !s.sentHead
	s.reset = ResetError{Code: http2.ErrCode(binary.BigEndian.Uint32(p)), Peer: true}
	c.abort(s)
	if early {
		return c.meterReset()
	}
	return nil
}

// meterReset charges a stream that was reset before it had a response,
// whoever has reset it: rapid reset, and "made you reset".
func (c *Conn) meterReset() error {
	if c.resets.take(c.now) {
		return nil
	}
	return calm(ClosedRapidReset, "too many resets")
}

// abort fails s with s.reset and tells the owner. Callers hold mu; it is
// given up.
func (c *Conn) abort(s *Stream) {
	s.fail(&s.reset)
	c.closeStream(s)
	fired := s.lockCancel()
	detached := s.detached
	c.mu.Unlock()
	if fired {
		s.fire()
	}
	if detached {
		c.cfg.recycle(s)
	}
}

// resetStream sends RST_STREAM for what the client did wrong.
func (c *Conn) resetStream(se *streamError) error {
	c.mu.Lock()
	s := c.streams[se.id]
	c.appendReset(se.id, se.code)
	early := true
	if s == nil {
		c.mu.Unlock()
	} else {
		early = !s.sentHead
		s.reset = ResetError{Code: se.code}
		c.abort(s)
	}
	c.refused(se.reason)
	if early {
		return c.meterReset()
	}
	return nil
}

func (c *Conn) refused(reason string) {
	if c.cfg.Refused != nil {
		c.cfg.Refused(c, reason)
	}
}

// tinyData is the payload under which a DATA frame is charged.
const tinyData = 16

func (c *Conn) readData(fh http2.FrameHeader) error {
	if fh.StreamID == 0 {
		return protocolError("DATA on the connection")
	}
	total := int(fh.Length)
	p, err := c.rd.next(total)
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
	if charged && c.earned.tiny > 0 {
		c.earned.tiny--
		charged = false
	}
	err = c.takeData(fh.StreamID, p, total, end)
	c.mu.Unlock()
	if err == nil && charged {
		if len(p) == 0 {
			return c.meterControl()
		}
		if !c.tiny.take(c.now) {
			return calm(ClosedDataFlood, "too many small DATA frames")
		}
	}
	return err
}

// takeData accounts for a DATA frame of total octets with padding, and keeps p.
// Callers hold mu.
func (c *Conn) takeData(id uint32, p []byte, total int, end bool) error {
	s := c.streams[id]
	if s == nil && c.isIdle(id) {
		return protocolError("DATA on an idle stream")
	}
	late := c.lastSent && id > c.lastID
	if !c.recv.take(total) {
		return &connError{http2.ErrCodeFlowControl, ClosedFlowControl, "connection window overrun"}
	}
	if s == nil || s.recvEnd {
		c.giveBackConn(total)
		if s == nil && (late || c.resetLately(id)) {
			return nil
		}
		return &streamError{id, http2.ErrCodeStreamClosed, RefusedState, "DATA on a closed stream"}
	}
	if !s.in.take(total) {
		c.giveBackConn(total)
		return &streamError{id, http2.ErrCodeFlowControl, RefusedFlowControl, "stream window overrun"}
	}
	s.received += int64(len(p))
	if s.ContentLength >= 0 && (s.received > s.ContentLength || end && s.received < s.ContentLength) {
		c.giveBackConn(total)
		return &streamError{id, http2.ErrCodeProtocol, RefusedMalformed, "content-length and DATA differ"}
	}
	s.body.write(c.cfg, p)
	if end {
		c.endOfRequest(s)
	}
	if pad := total - len(p); pad > 0 {
		c.giveBack(s, pad)
	}
	if s.readSince != 0 || end {
		s.rcond.Signal()
	}
	return nil
}

// endOfRequest notes END_STREAM of the client's. Callers hold mu.
func (c *Conn) endOfRequest(s *Stream) {
	s.recvEnd = true
	if s.sentEnd {
		c.closeStream(s)
	}
	s.rcond.Signal()
}

// unpad removes the padding of DATA and HEADERS (RFC 9113 section 6.1).
func unpad(p []byte) ([]byte, error) {
	n := int(p[0])
	if n >= len(p) {
		return nil, protocolError("padding longer than the frame")
	}
	return p[1 : len(p)-n], nil
}

func (c *Conn) readHeaders(fh http2.FrameHeader) error {
	id := fh.StreamID
	if id == 0 {
		return protocolError("HEADERS on the connection")
	}
	p, err := c.rd.next(int(fh.Length))
	if err != nil {
		return err
	}
	if fh.Flags.Has(http2.FlagHeadersPadded) {
		if len(p) == 0 {
			return frameSizeError("padded HEADERS without pad length")
		}
		if p, err = unpad(p); err != nil {
			return err
		}
	}
	selfDep := false
	if fh.Flags.Has(http2.FlagHeadersPriority) {
		if len(p) < 5 {
			return frameSizeError("HEADERS too short for its priority")
		}
		selfDep = binary.BigEndian.Uint32(p)&maxWindow == id
		p = p[5:]
	}
	if err := c.beginBlock(id, fh.Flags.Has(http2.FlagHeadersEndStream)); err != nil {
		return err
	}
	if selfDep {
		c.head.bad = "stream depends on itself"
	}
	return c.fragment(p, fh.Flags.Has(http2.FlagHeadersEndHeaders))
}

// beginBlock decides what a header block on stream id is for.
func (c *Conn) beginBlock(id uint32, end bool) error {
	if id%2 == 0 {
		return protocolError("HEADERS on an even stream")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if id > c.maxID {
		if c.lastSent && id > c.lastID {
			// RFC 9113 section 6.8: not processed, the client knows.
			c.head.begin(blockIgnored, id, nil, end)
			return nil
		}
		c.maxID = id
		c.head.begin(blockRequest, id, c.newStream(id), end)
		return nil
	}
	s := c.streams[id]
	switch {
	case s != nil:
		c.head.begin(blockTrailer, id, nil, end)
		if s.recvEnd {
			c.head.kind = blockLate
		}
	case c.resetLately(id):
		c.head.begin(blockIgnored, id, nil, end)
	default:
		return &connError{http2.ErrCodeStreamClosed, ClosedProtocol, "HEADERS on a closed stream"}
	}
	return nil
}

func (c *Conn) readContinuation(fh http2.FrameHeader) error {
	// The Framer has checked that it continues the block.
	h := &c.head
	if h.frames++; h.frames > c.lim.MaxContinuations {
		return calm(ClosedContinuationFlood, "too many CONTINUATION frames")
	}
	p, err := c.rd.next(int(fh.Length))
	if err != nil {
		return err
	}
	return c.fragment(p, fh.Flags.Has(http2.FlagContinuationEndHeaders))
}

// fragment decodes a piece of a header block.
func (c *Conn) fragment(p []byte, last bool) error {
	h := &c.head
	if h.octets += len(p); h.octets > h.maxOctets() {
		return calm(ClosedContinuationFlood, "header block too long")
	}
	if _, err := c.dec.Write(p); err != nil {
		return &connError{http2.ErrCodeCompression, ClosedCompression, "HPACK: " + err.Error()}
	}
	if !last {
		return nil
	}
	h.active = false
	if err := c.dec.Close(); err != nil {
		return &connError{http2.ErrCodeCompression, ClosedCompression, "HPACK: " + err.Error()}
	}
	switch h.kind {
	case blockRequest:
		s := h.s
		h.s = nil
		return c.request(s)
	case blockTrailer:
		return c.trailers()
	case blockLate:
		return &streamError{h.id, http2.ErrCodeStreamClosed, RefusedState, "HEADERS on a half-closed stream"}
	}
	return nil
}

// trailers ends a request with trailer fields.
func (c *Conn) trailers() error {
	h := &c.head
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[h.id]
	if s == nil {
		return nil // reset meanwhile
	}
	msg := h.bad
	switch {
	case msg != "":
	case !h.end:
		msg = "HEADERS within a body"
	case s.ContentLength >= 0 && s.received != s.ContentLength:
		msg = "content-length and DATA differ"
	case h.over:
		return &streamError{h.id, http2.ErrCodeEnhanceYourCalm, RefusedHeaderList, "trailers too large"}
	}
	if msg != "" {
		return &streamError{h.id, http2.ErrCodeProtocol, RefusedMalformed, msg}
	}
	s.trailer = append(s.trailer[:0], h.fields...)
	clear(h.fields)
	c.endOfRequest(s)
	return nil
}

// request judges a new request whose head is whole and gives it to the owner.
func (c *Conn) request(s *Stream) error {
	h := &c.head
	msg := h.bad
	if !h.over {
		h.s = s
		msg = h.check()
		h.s = nil
	}
	if msg != "" {
		c.cfg.recycle(s)
		return &streamError{h.id, http2.ErrCodeProtocol, RefusedMalformed, msg}
	}
	s.hasBody = !h.end
	c.mu.Lock()
	c.awaitRoom()
	s.recvEnd = h.end
	s.out.n = c.streamSend
	s.in.init(c.lim.StreamWindow)
	c.opened++
	full := len(c.streams) >= int(c.lim.MaxStreams) || c.running >= 2*c.lim.MaxStreams
	c.mu.Unlock()
	if full {
		// Streams that are reset count until their owner has noticed, twice
		// the limit at most: else resets would hide them.
		c.cfg.recycle(s)
		return &streamError{h.id, http2.ErrCodeRefusedStream, RefusedConcurrency, "too many streams"}
	}
	if h.over {
		s.inline = true
		s.Respond(431, tooLarge, nil)
		c.answered(s)
		c.refused(RefusedHeaderList)
		return nil
	}
	if c.cfg.Admit != nil {
		s.inline = true
		if c.cfg.Admit(s) {
			c.answered(s)
			return nil
		}
		s.inline = false
	}
	c.mu.Lock()
	if c.dead || s.closed {
		c.mu.Unlock()
		c.cfg.recycle(s)
		return nil
	}
	c.list(s)
	s.handling = true
	c.running++
	c.mu.Unlock()
	c.cfg.workers.run(s)
	return nil
}

// tooLarge is the header of the answer to an oversized one (RFC 6585).
var tooLarge = []hpack.HeaderField{{Name: "content-length", Value: "0"}}

// list makes s known by its number. Callers hold mu.
func (c *Conn) list(s *Stream) {
	if c.streams == nil {
		c.streams = make(map[uint32]*Stream)
	}
	c.streams[s.id] = s
	s.listed = true
}

// answered ends a stream whose answer was written on the read loop.
func (c *Conn) answered(s *Stream) {
	c.mu.Lock()
	if s.waiting && !c.dead {
		// The windows did not let all of it through.
		s.inline = false
		s.detached = true
		c.list(s)
		c.mu.Unlock()
		return
	}
	c.finish(s)
	c.mu.Unlock()
	c.cfg.recycle(s)
}

package h2

import (
	"encoding/binary"
	"slices"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/proxy/frame"
)

// maxSmallFrame bounds the frames that are read through the Framer's own
// buffer, which it keeps.
const maxSmallFrame = 1 << 10

// readPreface reads the client's connection preface (RFC 9113 section 3.4).
func (c *Conn) readPreface() error {
	p, err := c.rd.Next(len(http2.ClientPreface))
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
	c.loop.Check()
	fh, err := c.fr.ReadFrameHeader()
	if err != nil {
		return fromFramer(fh, err)
	}
	c.rd.Mid, c.inData = true, fh.Type == http2.FrameData
	if c.greetTime == 0 && (fh.Type != http2.FrameSettings || fh.Flags.Has(http2.FlagSettingsAck)) {
		return protocolError("the first frame is not SETTINGS")
	}
	err = c.frame(fh)
	c.rd.Mid, c.inData = false, false
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
	return c.rd.Discard(int(fh.Length))
}

// meterControl charges a frame that the client has not earned.
func (c *Conn) meterControl() error {
	if c.control.Take(c.now) {
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
		return c.rd.Discard(int(fh.Length))
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
		if f.StreamDep == f.StreamID {
			return c.selfDependent(f.StreamID)
		}
	case *http2.PriorityUpdateFrame:
		return c.priorityUpdate(f.PrioritizedStreamID, f.Priority)
	case *http2.GoAwayFrame:
		// The client will open no stream; those it has are finished.
	}
	return nil
}

// selfDependent judges a PRIORITY frame that makes a stream depend on itself. RFC
// 9113 section 5.3.2 has such frames ignored, and RFC 7540 section 5.3.1 calls
// this one a stream error: of a stream that is there. RST_STREAM must not be sent
// on an idle stream (RFC 9113 section 6.4), nor anything on a closed one.
func (c *Conn) selfDependent(id uint32) error {
	c.mu.Lock()
	open, idle := c.streams[id] != nil, c.isIdle(id)
	c.mu.Unlock()
	switch {
	case open:
		return &streamError{id, http2.ErrCodeProtocol, WhyMalformed, "stream depends on itself"}
	case idle:
		return protocolError("idle stream depends on itself")
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
			delta := c.out.SetInitial(v.Val)
			for _, s := range c.streams {
				if !c.out.WidenStream(&s.out, delta) {
					return &connError{http2.ErrCodeFlowControl, ClosedFlowControl, "window over 2^31-1"}
				}
			}
		case settingNoPriorities:
			if v.Val > 1 {
				return protocolError("SETTINGS_NO_RFC7540_PRIORITIES over 1")
			}
		case http2.SettingHeaderTableSize:
			c.out.setTableSize(v.Val)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.out.settingsAck()
	c.out.Pump()
	return nil
}

func (c *Conn) readPing(fh http2.FrameHeader) error {
	if fh.StreamID != 0 {
		return protocolError("PING on a stream")
	}
	if fh.Length != 8 {
		return frameSizeError("PING of other than 8 octets")
	}
	p, err := c.rd.Next(8)
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
	credits := c.out.settle()
	earned := credits.pings > 0
	if earned {
		credits.pings--
	}
	c.out.ping(true, string(p))
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
	p, err := c.rd.Next(4)
	if err != nil {
		return err
	}
	inc := int32(binary.BigEndian.Uint32(p) & frame.MaxWindow)
	c.mu.Lock()
	credits := c.out.settle()
	earned := credits.updates > 0
	if earned {
		credits.updates--
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
		if !c.out.Widen(inc) {
			return &connError{http2.ErrCodeFlowControl, ClosedFlowControl, "window over 2^31-1"}
		}
		c.out.Pump()
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
		return &streamError{id, http2.ErrCodeProtocol, WhyFlowControl, "WINDOW_UPDATE of 0"}
	}
	if !c.out.WidenStream(&s.out, inc) {
		return &streamError{id, http2.ErrCodeFlowControl, WhyFlowControl, "window over 2^31-1"}
	}
	c.out.Pump()
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
	p, err := c.rd.Next(4)
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
	early := !s.sentEnd
	s.reset = ResetError{Code: http2.ErrCode(binary.BigEndian.Uint32(p)), Peer: true}
	s.fail(&s.reset)
	cancel := c.drop(s)
	c.mu.Unlock()
	if cancel {
		s.cancel()
	}
	if early {
		return c.meterReset()
	}
	return nil
}

// meterReset charges a stream that was reset before the end of its response,
// whoever has reset it: rapid reset, and "made you reset". Behind the response's
// head a reset costs even more than before it, as the connection to the backend
// goes with it. Page, player or map that give up what they have asked for are
// within ResetBurst with all the streams that a connection may have, and that
// again every few seconds. Requests that are refused as a whole count too.
func (c *Conn) meterReset() error {
	if c.resets.Take(c.now) {
		return nil
	}
	return calm(ClosedRapidReset, "too many resets")
}

// resetStream sends RST_STREAM for what the client did wrong.
func (c *Conn) resetStream(se *streamError) error {
	c.mu.Lock()
	s := c.streams[se.id]
	early, cancel := true, false
	if s == nil {
		c.sayReset(se.id, se.code)
	} else {
		early = !s.sentEnd
		cancel = c.abort(s, se.code)
	}
	c.mu.Unlock()
	if cancel {
		s.cancel()
	}
	c.cut(se.why)
	if early {
		return c.meterReset()
	}
	return nil
}

// abort resets s, and reports whether s.cancel has to follow, as drop does. Callers
// hold mu, and do not use s afterwards otherwise.
func (c *Conn) abort(s *Stream, code http2.ErrCode) (cancel bool) {
	c.mu.Check()
	c.sayReset(s.id, code)
	s.reset = ResetError{Code: code}
	s.fail(&s.reset)
	return c.drop(s)
}

// sayReset appends RST_STREAM. Callers hold mu.
func (c *Conn) sayReset(id uint32, code http2.ErrCode) {
	c.mu.Check()
	c.out.Append(frame.AppendReset(c.out.Buffer(), id, code))
	if c.resetIDs == nil {
		c.resetNext = 0
		c.resetIDs = make([]uint32, min(c.limits.MaxStreams, 128))
	}
	c.resetIDs[c.resetNext] = id
	c.resetNext = (c.resetNext + 1) % len(c.resetIDs)
}

// resetLately reports whether we have reset stream id not long ago, so that
// the client may not know yet.
func (c *Conn) resetLately(id uint32) bool { return slices.Contains(c.resetIDs, id) }

// cut tells the owner of a stream that was ended here.
func (c *Conn) cut(why string) {
	if c.engine.Cut != nil {
		c.engine.Cut(c, why)
	}
}

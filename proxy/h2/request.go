package h2

import (
	"encoding/binary"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/proxy/frame"
)

func (c *Conn) readHeaders(fh http2.FrameHeader) error {
	id := fh.StreamID
	if id == 0 {
		return protocolError("HEADERS on the connection")
	}
	p, err := c.rd.Next(int(fh.Length))
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
		selfDep = binary.BigEndian.Uint32(p)&frame.MaxWindow == id
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
		// The stream is used once its block is whole: a GOAWAY meanwhile must
		// not name a request that nobody has seen.
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
	if h.frames++; h.frames > c.limits.MaxContinuations {
		return calm(ClosedContinuationFlood, "too many CONTINUATION frames")
	}
	p, err := c.rd.Next(int(fh.Length))
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
		h.settle(s)
		return c.request(s)
	case blockTrailer:
		return c.trailers()
	case blockLate:
		return &streamError{h.id, http2.ErrCodeStreamClosed, WhyState, "HEADERS on a half-closed stream"}
	case blockIgnored:
		return c.meterControl()
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
	case s.Method == "CONNECT": // RFC 9113 section 8.5
		msg = "HEADERS in a tunnel"
	case !h.end:
		msg = "HEADERS within a body"
	case s.ContentLength >= 0 && s.received != s.ContentLength:
		msg = "content-length and DATA differ"
	case h.over:
		return &streamError{h.id, http2.ErrCodeEnhanceYourCalm, WhyHeaderList, "trailers too large"}
	}
	if msg != "" {
		return &streamError{h.id, http2.ErrCodeProtocol, WhyMalformed, msg}
	}
	s.trailer = append(s.trailer[:0], h.fields...)
	clear(h.fields)
	c.endOfRequest(s)
	return nil
}

// request judges a new request whose head is whole and gives it to the owner.
func (c *Conn) request(s *Stream) error {
	h, g := &c.head, c.engine
	msg := h.bad
	if !h.over {
		h.s = s
		msg = h.check()
		h.s = nil
	}
	over := h.over && msg == ""
	refuse := (over || h.telling) && g.Refuse != nil
	c.mu.Lock()
	if c.lastSent { // while the block came
		c.mu.Unlock()
		g.recycle(s)
		return c.meterControl()
	}
	c.maxID = h.id
	if msg != "" && !refuse {
		c.mu.Unlock()
		g.recycle(s)
		return &streamError{h.id, http2.ErrCodeProtocol, WhyMalformed, msg}
	}
	if over && !refuse {
		c.mu.Unlock()
		g.recycle(s)
		return &streamError{h.id, http2.ErrCodeEnhanceYourCalm, WhyHeaderList, "header list too large"}
	}
	s.hasBody = !h.end
	c.partialSince = 0 // the block is whole, however long room has to be awaited
	s.awaitRoom()
	s.recvEnd = h.end
	s.out.Open(s.id, &c.out.Out)
	c.out.SetUrgency(&s.out, h.urgency)
	s.in.init(c.limits.StreamWindow)
	c.applyEarly(s)
	c.opened++
	if c.draining {
		c.continueDrain(c.now)
	}
	if len(c.streams) >= int(c.limits.MaxStreams) {
		if late := c.longestLingering(); late != nil {
			c.stopLingering(late) // answered already, and in the way of one that is not
		}
	}
	full := len(c.streams) >= int(c.limits.MaxStreams) || c.running >= 2*c.limits.MaxStreams
	c.mu.Unlock()
	if full {
		// Streams that are reset count until their owner has noticed, twice
		// the limit at most: else resets would hide them.
		g.recycle(s)
		return &streamError{h.id, http2.ErrCodeRefusedStream, WhyConcurrency, "too many streams"}
	}
	if refuse {
		return c.refuse(s)
	}
	if g.Admit != nil {
		s.inline = true
		if g.Admit(s) {
			c.answered(s)
			return nil
		}
		s.inline = false
	}
	c.mu.Lock()
	if c.dead || s.closed {
		c.mu.Unlock()
		g.recycle(s)
		return nil
	}
	c.list(s)
	s.handling = true
	c.running++
	c.mu.Unlock()
	g.workers.run(g, s)
	return nil
}

// refuse has the owner answer a request whose head cannot be judged. To read and
// to answer it costs what it costs with others, and so it counts as they do that
// are reset for what they are.
func (c *Conn) refuse(s *Stream) error {
	status, why := 400, WhyMalformed
	if c.head.over {
		status, why = 431, WhyHeaderList
	}
	s.inline = true
	c.engine.Refuse(s, status, why)
	c.answered(s)
	return c.meterReset()
}

// list makes s known by its number. Callers hold mu.
func (c *Conn) list(s *Stream) {
	c.mu.Check()
	if c.streams == nil {
		c.streams = make(map[uint32]*Stream)
	}
	c.streams[s.id] = s
	s.listed = true
}

// answered ends a stream whose answer was written on the read loop.
func (c *Conn) answered(s *Stream) {
	c.mu.Lock()
	if s.out.Waiting() && !c.dead {
		// The windows did not let all of it through.
		s.inline = false
		s.detached = true
		c.list(s)
		c.mu.Unlock()
		return
	}
	done := c.finish(s)
	c.mu.Unlock()
	if done {
		c.engine.recycle(s)
	}
}

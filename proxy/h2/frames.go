package h2

import (
	"encoding/binary"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	frameHeader = 9
	// maxFrame is the payload we take and the most that we send: what every
	// client allows (RFC 9113 section 4.2).
	maxFrame = 16 << 10
	// maxData makes a DATA frame fill one TLS record with its header.
	maxData = maxFrame - frameHeader
)

// The append functions add frames to wbuf. Callers hold mu.

func (c *Conn) appendFrame(length int, t http2.FrameType, flags http2.Flags, id uint32) {
	if c.wbuf == nil {
		c.wbuf = c.engine.buffers.get(0)[:0]
	}
	c.wbuf = append(c.wbuf, byte(length>>16), byte(length>>8), byte(length), byte(t), byte(flags),
		byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
}

func (c *Conn) appendUint32(v uint32) { c.wbuf = binary.BigEndian.AppendUint32(c.wbuf, v) }

func (c *Conn) appendSetting(id http2.SettingID, v uint32) {
	c.wbuf = binary.BigEndian.AppendUint16(c.wbuf, uint16(id))
	c.appendUint32(v)
}

func (c *Conn) appendWindowUpdate(id, inc uint32) {
	c.appendFrame(4, http2.FrameWindowUpdate, 0, id)
	c.appendUint32(inc)
}

func (c *Conn) appendReset(id uint32, code http2.ErrCode) {
	c.appendFrame(4, http2.FrameRSTStream, 0, id)
	c.appendUint32(uint32(code))
	if c.resetIDs == nil {
		c.resetNext = 0
		c.resetIDs = make([]uint32, min(c.limits.MaxStreams, 128))
	}
	c.resetIDs[c.resetNext] = id
	c.resetNext = (c.resetNext + 1) % len(c.resetIDs)
}

// resetLately reports whether we have reset stream id not long ago, so that
// the client may not know yet.
func (c *Conn) resetLately(id uint32) bool {
	for _, r := range c.resetIDs {
		if r == id {
			return true
		}
	}
	return false
}

func (c *Conn) appendGoAway(last uint32, code http2.ErrCode, msg string) {
	c.appendFrame(8+len(msg), http2.FrameGoAway, 0, 0)
	c.appendUint32(last)
	c.appendUint32(uint32(code))
	c.wbuf = append(c.wbuf, msg...)
}

const (
	settingNoPriorities = http2.SettingID(0x9) // RFC 9218 section 2.1
	frameOrigin         = http2.FrameType(0xc) // RFC 8336 section 2
)

// appendPreface adds what we say first: SETTINGS, the connection's window,
// and ORIGIN if ok.
func (c *Conn) appendPreface(origins []string, ok bool) {
	const n = 5
	c.appendFrame(n*6, http2.FrameSettings, 0, 0)
	c.appendSetting(http2.SettingMaxConcurrentStreams, c.limits.MaxStreams)
	c.appendSetting(http2.SettingInitialWindowSize, c.limits.StreamWindow)
	c.appendSetting(http2.SettingMaxHeaderListSize, c.limits.MaxHeaderBytes)
	c.appendSetting(http2.SettingEnableConnectProtocol, 1)
	c.appendSetting(settingNoPriorities, 1)
	if inc := c.limits.ConnWindow - initialWindow; inc > 0 {
		c.appendWindowUpdate(0, inc)
	}
	if ok {
		c.appendOrigin(origins)
	}
}

// appendOrigin adds the ORIGIN frame; what would not fit into one frame is
// said with an empty one, which names the SNI host alone (RFC 8336 section
// 2.3).
func (c *Conn) appendOrigin(origins []string) {
	size := 0
	for _, o := range origins {
		size += 2 + len(o)
	}
	if size > maxFrame {
		origins, size = nil, 0
	}
	c.appendFrame(size, frameOrigin, 0, 0)
	for _, o := range origins {
		c.wbuf = binary.BigEndian.AppendUint16(c.wbuf, uint16(len(o)))
		c.wbuf = append(c.wbuf, o...)
	}
}

// appendHead adds a header block: of an interim or final response, or with
// status 0 of trailers. A Block, if not nil, stands in front of h, and for
// status.
func (c *Conn) appendHead(id uint32, block *Block, status int, h []hpack.HeaderField, end bool) {
	start := len(c.wbuf)
	flags := http2.FlagHeadersEndHeaders
	if end {
		flags |= http2.FlagHeadersEndStream
	}
	c.appendFrame(0, http2.FrameHeaders, flags, id)
	b := c.wbuf
	if c.shrink {
		c.shrink = false
		b = append(b, 0x20) // dynamic table size update to 0
	}
	if block != nil {
		b = c.appendBlock(b, block)
	} else if status != 0 {
		b = appendStatus(b, status)
	}
	for i := range h {
		b = appendField(b, &h[i])
	}
	c.wbuf = b
	n := len(b) - start - frameHeader
	if n > maxFrame {
		c.splitHead(start)
	} else {
		b = b[start:]
		b[0], b[1], b[2] = byte(n>>16), byte(n>>8), byte(n)
	}
	c.earn()
}

// splitHead makes HEADERS and CONTINUATION frames out of a header block that
// is too large for one frame and stands at the end of wbuf from start on.
func (c *Conn) splitHead(start int) {
	flags := http2.Flags(c.wbuf[start+4])
	id := binary.BigEndian.Uint32(c.wbuf[start+5:])
	block := append([]byte(nil), c.wbuf[start+frameHeader:]...)
	c.wbuf = c.wbuf[:start]
	t := http2.FrameHeaders
	for first := true; len(block) > 0; first = false {
		n := min(len(block), maxFrame)
		f := flags &^ http2.FlagHeadersEndHeaders
		if !first {
			t, f = http2.FrameContinuation, 0
		}
		if n == len(block) {
			f |= http2.FlagHeadersEndHeaders
		}
		c.appendFrame(n, t, f, id)
		c.wbuf = append(c.wbuf, block[:n]...)
		block = block[n:]
	}
}

func (c *Conn) appendData(id uint32, p []byte, end bool) {
	var flags http2.Flags
	if end {
		flags = http2.FlagDataEndStream
	}
	if n := len(c.wbuf) + frameHeader + len(p); n > cap(c.wbuf) && n <= largeBuf && n > smallBuf {
		larger := append(c.engine.buffers.get(n)[:0], c.wbuf...)
		c.engine.buffers.put(c.wbuf)
		c.wbuf = larger
	}
	c.appendFrame(len(p), http2.FrameData, flags, id)
	c.wbuf = append(c.wbuf, p...)
	c.earn()
}

// earn credits the client for a HEADERS or DATA frame of ours: one PING, ten
// WINDOW_UPDATE, ten small DATA frames.
func (c *Conn) earn() {
	e := &c.earned
	e.pings = min(e.pings+1, 1000)
	e.updates = min(e.updates+10, 10000)
	e.tiny = min(e.tiny+10, 10000)
}

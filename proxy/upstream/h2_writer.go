package upstream

import (
	"encoding/binary"
	"runtime"
	"time"

	"golang.org/x/net/http2"
)

const (
	h2FrameHeader = 9
	// h2MaxFrame is the payload that every peer takes (RFC 9113 section 4.2).
	h2MaxFrame = 16 << 10
	// h2MaxData makes a DATA frame fill one TLS record with its header.
	h2MaxData = h2MaxFrame - h2FrameHeader
	// h2WriteBuf is the room for DATA in the write buffer, h2HardBuf where
	// everything waits.
	h2WriteBuf = 64 << 10
	h2HardBuf  = 4 * h2WriteBuf
	// h2FlushTurns is how often an exchange writes for others before it leaves
	// the rest to a goroutine.
	h2FlushTurns = 2
	// h2SlowWrite is the time after which a write is known to have blocked.
	h2SlowWrite = int64(1e6)
)

var h2Ping = [8]byte{'i', '4', '2', '1', 'l', 'i', 'v', 'e'}

// The append functions add frames to wbuf. Callers hold mu.

func (c *h2conn) appendFrame(length int, t http2.FrameType, flags http2.Flags, id uint32) {
	c.wbuf = append(c.wbuf, byte(length>>16), byte(length>>8), byte(length), byte(t), byte(flags),
		byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
}

func (c *h2conn) appendUint32(v uint32) { c.wbuf = binary.BigEndian.AppendUint32(c.wbuf, v) }

func (c *h2conn) appendSetting(id http2.SettingID, v uint32) {
	c.wbuf = binary.BigEndian.AppendUint16(c.wbuf, uint16(id))
	c.appendUint32(v)
}

func (c *h2conn) appendPreface() {
	c.wbuf = append(c.wbuf, h2Preface...)
	c.appendFrame(3*6, http2.FrameSettings, 0, 0)
	c.appendSetting(http2.SettingEnablePush, 0)
	c.appendSetting(http2.SettingInitialWindowSize, h2FirstWindow)
	// It counts 32 octets for each field, MaxHeadBytes counts 4.
	c.appendSetting(http2.SettingMaxHeaderListSize, MaxHeadBytes+28*MaxHeadFields)
	c.appendWindowUpdate(0, h2ConnWindow-h2DefaultWindow)
}

func (c *h2conn) appendWindowUpdate(id, inc uint32) {
	c.appendFrame(4, http2.FrameWindowUpdate, 0, id)
	c.appendUint32(inc)
}

func (c *h2conn) appendReset(id uint32, code http2.ErrCode) {
	c.appendFrame(4, http2.FrameRSTStream, 0, id)
	c.appendUint32(uint32(code))
}

func (c *h2conn) appendPing(ack bool, data [8]byte) {
	var flags http2.Flags
	if ack {
		flags = http2.FlagPingAck
	}
	c.appendFrame(8, http2.FramePing, flags, 0)
	c.wbuf = append(c.wbuf, data[:]...)
}

func (c *h2conn) appendGoAway(code http2.ErrCode) {
	c.appendFrame(8, http2.FrameGoAway, 0, 0)
	c.appendUint32(0)
	c.appendUint32(uint32(code))
}

// appendHead adds a header block, which write appends to the buffer it is given.
func (c *h2conn) appendHead(id uint32, end bool, write func(b []byte) []byte) {
	start := len(c.wbuf)
	flags := http2.FlagHeadersEndHeaders
	if end {
		flags |= http2.FlagHeadersEndStream
	}
	c.appendFrame(0, http2.FrameHeaders, flags, id)
	if c.shrink {
		c.shrink = false
		c.wbuf = append(c.wbuf, 0x20)
	}
	c.wbuf = write(c.wbuf)
	n := len(c.wbuf) - start - h2FrameHeader
	if n > h2MaxFrame {
		c.splitHead(start, id)
	} else {
		b := c.wbuf[start:]
		b[0], b[1], b[2] = byte(n>>16), byte(n>>8), byte(n)
	}
	c.earned = min(c.earned+8, h2ControlBurst)
}

// splitHead makes HEADERS and CONTINUATION frames of a header block that is too
// large for one frame and stands at the end of wbuf from start on.
func (c *h2conn) splitHead(start int, id uint32) {
	flags := http2.Flags(c.wbuf[start+4])
	block := append([]byte(nil), c.wbuf[start+h2FrameHeader:]...)
	c.wbuf = c.wbuf[:start]
	c.appendFrame(h2MaxFrame, http2.FrameHeaders, flags&^http2.FlagHeadersEndHeaders, id)
	c.wbuf = append(c.wbuf, block[:h2MaxFrame]...)
	for block = block[h2MaxFrame:]; len(block) > 0; {
		n := min(len(block), h2MaxFrame)
		flags = 0
		if n == len(block) {
			flags = http2.FlagContinuationEndHeaders
		}
		c.appendFrame(n, http2.FrameContinuation, flags, id)
		c.wbuf = append(c.wbuf, block[:n]...)
		block = block[n:]
	}
}

func (c *h2conn) appendData(id uint32, p []byte, end bool) {
	var flags http2.Flags
	if end {
		flags = http2.FlagDataEndStream
	}
	c.appendFrame(len(p), http2.FrameData, flags, id)
	c.wbuf = append(c.wbuf, p...)
	c.earned = min(c.earned+4, h2ControlBurst)
}

// position is how many octets went into the write buffer, ever. Callers hold mu.
func (c *h2conn) position() int64 { return c.given + int64(len(c.wbuf)) }

// unlock gives up mu, and flushes what was appended unless somebody does so
// already. The caller must not wait for the backend for long: what is much, or
// comes after a write that has blocked, is written by another goroutine.
func (c *h2conn) unlock() {
	switch {
	case c.flushing || len(c.wbuf) == 0:
		c.mu.Unlock()
	case c.slow || len(c.wbuf) > h2MaxFrame:
		c.flushSoon()
		c.mu.Unlock()
	default:
		c.flushing = true
		c.mu.Unlock()
		// Others that are about to append get the chance to, so that their
		// frames go out with the same system call.
		runtime.Gosched()
		c.writeOut(h2FlushTurns)
	}
}

// flushSoon has another goroutine flush, unless somebody does so already.
// Callers hold mu.
func (c *h2conn) flushSoon() {
	if !c.flushing && len(c.wbuf) > 0 {
		c.flushing = true
		go c.writeOut(-1)
	}
}

// writeOut is the flusher. turns < 0: until the buffer is empty.
func (c *h2conn) writeOut(turns int) {
	c.mu.Lock()
	for len(c.wbuf) > 0 && !c.broken {
		if turns == 0 {
			c.mu.Unlock()
			go c.writeOut(-1)
			return
		}
		turns--
		buf := c.wbuf
		c.given += int64(len(buf))
		c.wbuf, c.spare = c.spare, nil
		c.pump()
		c.room.Broadcast()
		since := c.clock()
		c.flushSince = since
		if c.stall > 0 && c.dead == nil {
			c.arm(since + int64(c.stall))
		}
		c.mu.Unlock()
		_, err := c.nc.Write(buf)
		c.mu.Lock()
		if cap(buf) <= h2HardBuf {
			c.spare = buf[:0]
		}
		c.flushSince = 0
		c.slow = c.clock()-since > h2SlowWrite
		if err != nil {
			c.cutOff()
		}
	}
	if c.broken {
		c.wbuf = nil
	}
	c.flushing = false
	if len(c.open) == 0 {
		c.thin()
	}
	closing := c.closing
	c.room.Broadcast()
	c.mu.Unlock()
	if closing {
		hangUp(c.nc)
	}
}

// cutOff is called when nothing can be written any more. What the backend has
// said before is still worth reading: a GOAWAY, or a response. Callers hold mu.
func (c *h2conn) cutOff() {
	c.broken = true
	c.leave()
	_ = c.nc.SetReadDeadline(time.Now().Add(time.Second))
}

// thin gives up what an idle connection does not need. Callers hold mu.
func (c *h2conn) thin() {
	if cap(c.wbuf) > smallBuffer && len(c.wbuf) == 0 {
		c.wbuf = nil
	}
	if cap(c.spare) > smallBuffer {
		c.spare = nil
	}
}

var h2Preface = []byte(http2.ClientPreface)

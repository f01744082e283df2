package upstream

import (
	"runtime"
	"time"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/proxy/frame"
)

const (
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

const h2Ping = "i421live"

// The append functions add frames to wbuf. Callers hold mu.

func (c *h2conn) appendPreface() {
	c.wbuf = frame.AppendSettings(append(c.wbuf, http2.ClientPreface...),
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: h2FirstWindow},
		// It counts 32 octets for each field, MaxHeadBytes counts 4.
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: MaxHeadBytes + 28*MaxHeadFields},
	)
	c.appendWindowUpdate(0, h2ConnWindow-h2DefaultWindow)
}

func (c *h2conn) appendWindowUpdate(id, inc uint32) {
	c.wbuf = frame.AppendWindowUpdate(c.wbuf, id, inc)
}

func (c *h2conn) appendReset(id uint32, code http2.ErrCode) {
	c.wbuf = frame.AppendReset(c.wbuf, id, code)
}

func (c *h2conn) appendPing(ack bool, data string) { c.wbuf = frame.AppendPing(c.wbuf, ack, data) }

func (c *h2conn) appendSettingsAck() { c.wbuf = frame.AppendSettingsAck(c.wbuf) }

func (c *h2conn) appendGoAway(code http2.ErrCode) { c.wbuf = frame.AppendGoAway(c.wbuf, 0, code, "") }

// appendHead adds a header block, which write appends to the buffer it is given.
func (c *h2conn) appendHead(id uint32, end bool, write func(b []byte) []byte) {
	start := len(c.wbuf)
	b := frame.BeginHead(c.wbuf, id, end)
	if c.shrink {
		c.shrink = false
		b = frame.AppendEmptyTable(b)
	}
	c.wbuf = frame.EndHead(write(b), start)
	c.earned = min(c.earned+8, h2ControlBurst)
}

func (c *h2conn) appendData(id uint32, p []byte, end bool) {
	c.wbuf = frame.AppendData(c.wbuf, id, p, end)
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
	case c.slow || len(c.wbuf) > frame.MaxPayload:
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

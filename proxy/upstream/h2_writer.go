package upstream

import (
	"time"

	"golang.org/x/net/http2"

	"github.com/ingress421/ingress421/proxy/frame"
)

const (
	// h2WriteBuf is the room for DATA in the write buffer.
	h2WriteBuf = 64 << 10
	// h2FlushTurns is how often an exchange writes for others before it leaves
	// the rest to a goroutine.
	h2FlushTurns = 2
	// h2SlowWrite is the time after which a write is known to have blocked.
	h2SlowWrite = int64(1e6)
)

const h2Ping = "i421live"

// The append functions add frames to what goes out. Callers hold mu.

func (c *h2conn) appendPreface() {
	c.out.Append(frame.AppendSettings(append(c.out.Buffer(), http2.ClientPreface...),
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: h2FirstWindow},
		// It counts 32 octets for each field, MaxHeadBytes counts 4.
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: MaxHeadBytes + 28*MaxHeadFields},
	))
	c.appendWindowUpdate(0, h2ConnWindow-frame.InitialWindow)
}

func (c *h2conn) appendWindowUpdate(id, inc uint32) {
	c.out.Append(frame.AppendWindowUpdate(c.out.Buffer(), id, inc))
}

func (c *h2conn) appendReset(id uint32, code http2.ErrCode) {
	c.out.Append(frame.AppendReset(c.out.Buffer(), id, code))
}

func (c *h2conn) appendPing(ack bool, data string) {
	c.out.Append(frame.AppendPing(c.out.Buffer(), ack, data))
}

func (c *h2conn) appendSettingsAck() { c.out.Append(frame.AppendSettingsAck(c.out.Buffer())) }

func (c *h2conn) appendGoAway(code http2.ErrCode) {
	c.out.Append(frame.AppendGoAway(c.out.Buffer(), 0, code, ""))
}

// claim reports whether the caller has to flush, when it has given up mu: it
// hands that to flush. A caller must not wait for the backend for long: what is
// much, or comes after a write that has blocked, is written by another goroutine.
// Callers hold mu.
func (c *h2conn) claim() bool {
	switch {
	case c.broken:
		return false
	case c.slow.Load() || c.out.Len() > frame.MaxPayload:
		c.flushSoon()
		return false
	case !c.out.Claim():
		return false
	}
	c.watchWrite()
	return true
}

// flush writes what was appended, if it was claimed.
func (c *h2conn) flush(claimed bool) {
	if claimed {
		c.out.Flush(nil, h2FlushTurns)
	}
}

// flushSoon has another goroutine flush, unless somebody does so already.
// Callers hold mu.
func (c *h2conn) flushSoon() {
	if !c.broken {
		c.out.FlushSoon()
		c.watchWrite()
	}
}

// watchWrite has the timer fire when a write that begins now takes too long.
// Callers hold mu.
func (c *h2conn) watchWrite() {
	if c.stall > 0 && c.dead == nil {
		c.arm(c.clock() + int64(c.stall))
	}
}

// h2wire is an h2conn as what it says leaves it.
type h2wire h2conn

// Clock is the connection's.
func (w *h2wire) Clock() int64 { return (*h2conn)(w).clock() }

// WriteFrames writes, and notes whether that has blocked.
func (w *h2wire) WriteFrames(b []byte) error {
	_, err := w.nc.Write(b)
	slow := w.Clock()-w.out.Since() > h2SlowWrite // nobody else changes what Since returns
	if slow != w.slow.Load() {
		w.slow.Store(slow)
	}
	return err
}

// Failed is told that nothing can be written any more. What the backend has said
// before is still worth reading: a GOAWAY, or a response.
func (w *h2wire) Failed(error) {
	c := (*h2conn)(w)
	c.mu.Lock()
	c.broken = true
	c.leave()
	c.mu.Unlock()
	_ = c.nc.SetReadDeadline(time.Now().Add(time.Second))
}

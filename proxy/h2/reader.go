package h2

import (
	"errors"
	"io"
	"os"
	"time"
)

// coldSize is the buffer of a connection that waits for its next request:
// enough for a frame header, so that idle connections hold no real buffer.
const coldSize = 64

// reader buffers what the client sends. All of it is owned by the read loop.
type reader struct {
	c    *Conn
	buf  []byte // nil while the connection is cold
	r, w int    // buf[r:w] is unread
	full bool   // the last read has filled buf: there may be more at once
	cold [coldSize]byte
}

// Read fills p. It is for the Framer, which never reads past what it asks for.
func (b *reader) Read(p []byte) (int, error) {
	src, err := b.next(len(p))
	return copy(p, src), err
}

// next returns the next n octets, n <= 16 KiB, valid until the call after.
func (b *reader) next(n int) ([]byte, error) {
	for b.w-b.r < n {
		if err := b.fill(n); err != nil {
			return nil, err
		}
	}
	p := b.buf[b.r : b.r+n]
	b.r += n
	return p, nil
}

// discard drops n octets.
func (b *reader) discard(n int) error {
	for n > 0 {
		if b.r == b.w {
			if err := b.fill(1); err != nil {
				return err
			}
		}
		m := min(n, b.w-b.r)
		b.r += m
		n -= m
	}
	return nil
}

// fill reads once, after everything that waits to be written was written.
// need is how many octets the caller wants to see together.
func (b *reader) fill(need int) error {
	c := b.c
	c.beforeRead(b.w > b.r)
	b.makeRoom(need)
	for {
		into := b.buf
		if b.buf == nil {
			into = b.cold[:]
		}
		n, err := c.nc.Read(into[b.w:])
		c.now = c.clock()
		if n > 0 {
			if b.buf == nil {
				b.buf = c.engine.buffers.get(need)
				copy(b.buf, b.cold[:n])
				c.warm()
			}
			b.w += n
			b.full = b.w == len(b.buf)
			return nil
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			// The timer wants the read loop's attention.
			if err := c.attend(); err != nil {
				return err
			}
		case err == io.EOF && (b.w > b.r || c.inFrame):
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
	}
}

// makeRoom makes it possible to hold need octets, in a larger buffer if that
// helps.
func (b *reader) makeRoom(need int) {
	if b.buf == nil {
		return
	}
	if need > len(b.buf) || b.full && len(b.buf) < largeBuf {
		larger := b.c.engine.buffers.get(largeBuf)
		n := copy(larger, b.buf[b.r:b.w])
		b.c.engine.buffers.put(b.buf)
		b.buf, b.r, b.w = larger, 0, n
		return
	}
	if b.r == b.w {
		b.r, b.w = 0, 0
	} else if len(b.buf)-b.r < need || b.w == len(b.buf) {
		b.w = copy(b.buf, b.buf[b.r:b.w])
		b.r = 0
	}
}

// release gives the buffer back, if it is empty.
func (b *reader) release() {
	if b.buf != nil && b.r == b.w {
		b.c.engine.buffers.put(b.buf)
		b.buf, b.r, b.w = nil, 0, 0
		b.c.forgetBlock()
	}
}

// forgetBlock makes the HPACK decoder let go of the last header block: it
// keeps a slice of it, and with it the whole read buffer, until the next.
func (c *Conn) forgetBlock() {
	c.dec.SetEmitEnabled(false)
	_, _ = c.dec.Write(indexedMethod) // cannot fail
	c.dec.Close()
	c.dec.SetEmitEnabled(true)
}

// indexedMethod is a header block that changes nothing in a decoder.
var indexedMethod = []byte{0x82}

// clock is the connection's time: nanoseconds since it was made, never 0.
func (c *Conn) clock() int64 { return int64(time.Since(c.born)) + 1 }

// beforeRead runs before every read, which may block: it starts the clock of
// a frame that is not whole, and writes what waits. mid: part of a frame header
// is here.
//
// A client that reads nothing of what it is told is not heard any more: each of
// its frames may be answered with one of ours.
func (c *Conn) beforeRead(mid bool) {
	mid = mid || c.inFrame || c.head.active
	c.mu.Lock()
	for c.full() && !c.dead && c.stop == "" {
		c.partialSince = 0 // it is not the client that is late
		c.flushSoon()
		c.room.Wait()
	}
	if mid {
		if c.partialSince == 0 {
			c.partialSince = c.clock()
		}
		c.partialData = c.inData
	} else {
		c.partialSince = 0
	}
	c.partial = mid
	n := len(c.wbuf)
	if n == 0 || c.flushing {
		c.mu.Unlock()
		return
	}
	if n <= maxFrame {
		c.mu.Unlock()
		c.flush(nil)
		return
	}
	// That much may block, and a client that writes before it reads would
	// never be heard.
	c.flushing = true
	c.mu.Unlock()
	go c.writeOut(nil, -1)
}

package http1

import (
	"bytes"
	"errors"
	"io"
	"sync/atomic"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/field"
)

// body is the content of a request as it is read off the connection. It is
// owned by the reader, but for ended.
type body struct {
	chunked bool
	rest    int64 // of the content, or of the chunk
	inChunk bool  // the CRLF behind the chunk's data is still to come
	excess  int   // octets of chunk lines beyond what their data earns
	adorned bool  // a chunk line has more than its size: readers differ on where it ends
	err     error // what ended it before its end: nothing behind it has a meaning
	trailer []hpack.HeaderField
	ended   atomic.Bool // nothing of it is left on the connection
}

// begin is for a request of so much content, -1 for chunks.
func (b *body) begin(length int64) {
	b.chunked, b.rest, b.inChunk, b.excess, b.adorned, b.err, b.trailer = length < 0, max(length, 0), false, 0, false, nil, nil
	b.ended.Store(length == 0)
}

// left tells whether some of it is still on the connection, or to come.
func (b *body) left() bool { return !b.ended.Load() }

// Bounds of what chunks may cost beside their data.
const (
	// maxChunkLine bounds a chunk's size with its extensions.
	maxChunkLine = 1 << 10
	// maxExcess is how much longer all chunk lines may be than what is usual
	// for their data (CVE-2023-39326).
	maxExcess = 16 << 10
)

// read is Read without a watch on the time.
func (c *Conn) read(p []byte) (int, error) {
	b := &c.x.body
	if !b.left() {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if b.err != nil {
		return 0, b.err
	}
	if b.chunked && b.rest == 0 {
		if err := c.nextChunk(); err != nil {
			b.err = unexpected(err)
			return 0, b.err
		}
		if !b.left() {
			return 0, io.EOF
		}
	}
	p = p[:min(int64(len(p)), b.rest)]
	var n int
	var err error
	if c.r < c.w {
		n = copy(p, c.buf[c.r:c.w])
		c.r += n
	} else if n, err = c.nc.Read(p); n > 0 {
		err = nil
	}
	b.rest -= int64(n)
	if b.rest == 0 && !b.chunked {
		b.ended.Store(true)
		return n, io.EOF
	}
	return n, unexpected(err)
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// nextChunk reads up to the data of the next chunk, or to the end of the
// trailer section (RFC 9112 section 7.1).
func (c *Conn) nextChunk() error {
	b := &c.x.body
	if b.inChunk {
		line, err := c.bodyLine(maxChunkLine)
		if err != nil {
			return err
		}
		if len(line) != 0 {
			return malformed("no CRLF behind a chunk")
		}
		b.inChunk = false
	}
	line, err := c.bodyLine(maxChunkLine)
	if err != nil {
		return err
	}
	size, plain, ok := chunkSize(line)
	if !ok {
		return malformed("bad chunk size")
	}
	b.adorned = b.adorned || !plain
	if b.excess = max(b.excess+len(line)-16-2*int(min(size, 1<<20)), 0); b.excess > maxExcess {
		return malformed("chunk lines longer than their data")
	}
	if size > 0 {
		b.rest, b.inChunk = size, true
		return nil
	}
	return c.readTrailer()
}

// chunkSize parses a chunk line. Extensions are passed over (RFC 9112 section
// 7.1.1), but for control characters in them. Space without one is none. plain: the
// line is the size alone, without zeros before it.
func chunkSize(line []byte) (size int64, plain, ok bool) {
	i := 0
	for ; i < len(line); i++ {
		var d byte
		switch c := line[i]; {
		case c >= '0' && c <= '9':
			d = c - '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			d = c | 0x20 - 'a' + 10
		default:
			d = 0xff
		}
		if d == 0xff {
			break
		}
		if i == 15 { // a length that no int64 need fear
			return 0, false, false
		}
		size = size<<4 | int64(d)
	}
	if i == 0 {
		return 0, false, false
	}
	if i == len(line) {
		return size, i == 1 || line[0] != '0', true
	}
	if rest := bytes.TrimLeft(line[i:], " \t"); len(rest) == 0 || rest[0] != ';' {
		return 0, false, false
	}
	return size, false, field.ValueEnd(line, i) == len(line)
}

// bodyLine reads a line within a body, of at most limit octets. It is valid until
// the next read.
func (c *Conn) bodyLine(limit int) ([]byte, error) {
	for scan := 0; ; {
		if i := bytes.IndexByte(c.buf[c.r+scan:c.w], '\n'); i >= 0 {
			line := c.buf[c.r : c.r+scan+i]
			if len(line) > limit {
				return nil, errTooLarge
			}
			c.r += scan + i + 1
			if len(line) == 0 || line[len(line)-1] != '\r' {
				return nil, malformed("a line of a chunked body does not end with CRLF")
			}
			return line[:len(line)-1], nil
		}
		if scan = c.w - c.r; scan > limit {
			return nil, errTooLarge
		}
		if err := c.fill(max(limit+1, smallBuffer)); err != nil {
			return nil, err
		}
	}
}

// readTrailer reads the trailer section, within the limits of a head.
func (c *Conn) readTrailer() error {
	var section []byte
	for {
		line, err := c.bodyLine(c.limits.MaxHeaderBytes)
		if err != nil {
			return err
		}
		section = append(append(section, line...), "\r\n"...)
		if len(section) > c.limits.MaxHeaderBytes {
			return errTooLarge
		}
		if len(line) == 0 {
			break
		}
	}
	lowerNames(section)
	fields, over, ok := parseFields(nil, string(section), c.limits.MaxHeaderFields)
	switch {
	case over:
		return errTooLarge
	case !ok:
		return malformed("bad trailer field")
	}
	c.x.body.trailer = fields
	c.x.body.ended.Store(true)
	return nil
}

// Read reads the request's content. Another goroutine than the connection's
// may call it. After io.EOF Trailer is complete.
func (x *Exchange) Read(p []byte) (int, error) {
	x.readMu.Lock()
	switch {
	case x.stopped:
		x.readMu.Unlock()
		return 0, ErrReadStopped
	case x.raw:
		x.readMu.Unlock()
		n, err := x.c.readRaw(p)
		return n, x.unlessStopped(err)
	case !x.body.left():
		// The deadline is not the reader's any more.
		x.readMu.Unlock()
		return 0, io.EOF
	}
	x.reading = true
	x.c.readUntil(x.c.limits.StallTimeout, x.c.limits.StallTimeout/8)
	x.readMu.Unlock()
	n, err := x.c.read(p)
	return n, x.unlessStopped(err)
}

// unlessStopped is err, or ErrReadStopped where StopRead is its cause.
func (x *Exchange) unlessStopped(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	x.readMu.Lock()
	defer x.readMu.Unlock()
	if x.stopped {
		return ErrReadStopped
	}
	return err
}

// readRaw reads what comes behind a 101.
func (c *Conn) readRaw(p []byte) (int, error) {
	if c.r < c.w {
		n := copy(p, c.buf[c.r:c.w])
		c.r += n
		return n, nil
	}
	return c.nc.Read(p)
}

// StopRead ends a Read that waits, and every one after it. Another goroutine
// than the reader's may call it.
func (x *Exchange) StopRead() {
	x.readMu.Lock()
	defer x.readMu.Unlock()
	if !x.stopped && (x.raw || x.body.left()) {
		x.stopped = true
		_ = x.c.nc.SetReadDeadline(aLongTimeAgo)
	}
}

// Whole tells whether all of the content is here, so that reading it will not
// block. It is asked before the first Read.
func (x *Exchange) Whole() bool {
	b := &x.body
	// Once it has ended, the buffer may be the watch's.
	return !b.left() || !b.chunked && int64(x.c.w-x.c.r) >= b.rest
}

// Trailer returns the request's trailer section, complete after Read has
// returned io.EOF.
func (x *Exchange) Trailer() []hpack.HeaderField { return x.body.trailer }

// skip passes over content that nobody has read, where all of it is here: it
// costs nothing, and the connection can go on.
func (x *Exchange) skip() {
	x.readMu.Lock()
	defer x.readMu.Unlock()
	if x.reading || !x.body.left() || !x.Whole() {
		return
	}
	x.stopped = true
	x.c.r += int(x.body.rest)
	x.body.ended.Store(true)
}

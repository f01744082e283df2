package upstream

import (
	"io"
	"net"
	"sync/atomic"

	"github.com/ingress421/ingress421/proxy/frame"
)

// h2reader buffers what the backend sends. It is owned by the read loop.
type h2reader struct {
	nc      net.Conn     // immutable
	buffers *buffers     // immutable
	clock   func() int64 // immutable; the connection's
	before  func()       // immutable; called before each read that may wait
	last    atomic.Int64 // clock when the backend last said something; for any goroutine

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
		m := min(n, frame.MaxPayload)
		if _, err := b.take(m); err != nil {
			return err
		}
		n -= m
	}
	return nil
}

// fill reads once, after those were told for whom something has come.
func (b *h2reader) fill(need int) error {
	b.before()
	b.makeRoom(need)
	n, err := b.nc.Read(b.buf.b[b.buf.w:])
	b.last.Store(b.clock())
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
	if b.buf == nil {
		b.buf = b.buffers.get(smallBuffer)
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
	next := b.buffers.get(size)
	next.w = copy(next.b, b.buf.b[b.buf.r:b.buf.w])
	b.buffers.put(b.buf)
	b.buf = next
}

// drop gives up the buffer.
func (b *h2reader) drop() {
	b.buffers.put(b.buf)
	b.buf = nil
}

package frame

import (
	"errors"
	"io"
)

// coldSize is the buffer of a connection that waits for what comes next: enough
// for a frame header, so that idle connections hold no real buffer.
const coldSize = 64

// Source is where a Reader reads.
type Source interface {
	// Before is called before octets are read, which may block. mid: part of what
	// the caller of the Reader has asked for is here.
	Before(mid bool)
	// Read reads once. Of nothing, without an error, it is asked again: it may
	// have released the Reader meanwhile.
	Read(p []byte) (int, error)
	// Warm is called when a Reader without a buffer has read something.
	Warm()
}

// Reader buffers what the peer sends. It belongs to one goroutine.
type Reader struct {
	// Mid is for the owner to set while the header of a frame was read, and the
	// frame is not whole: the end of what is read is then io.ErrUnexpectedEOF.
	Mid bool

	src     Source
	buffers *Buffers
	buf     []byte // nil while the connection is cold
	r, w    int    // buf[r:w] is unread
	full    bool   // the last read has filled buf: there may be more at once
	cold    [coldSize]byte
}

// Init must be called before anything else.
func (b *Reader) Init(src Source, buffers *Buffers) { b.src, b.buffers = src, buffers }

// Read fills p. It is for the Framer, which never reads past what it asks for.
func (b *Reader) Read(p []byte) (int, error) {
	src, err := b.Next(len(p))
	return copy(p, src), err
}

// Next returns the next n octets, n <= 16 KiB, valid until the call after.
func (b *Reader) Next(n int) ([]byte, error) {
	for b.w-b.r < n {
		if err := b.fill(n); err != nil {
			return nil, err
		}
	}
	p := b.buf[b.r : b.r+n]
	b.r += n
	return p, nil
}

// Discard drops n octets.
func (b *Reader) Discard(n int) error {
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

// fill reads once. need is how many octets the caller wants to see together.
func (b *Reader) fill(need int) error {
	b.src.Before(b.w > b.r)
	b.makeRoom(need)
	for {
		into := b.buf
		if b.buf == nil {
			into = b.cold[:]
		}
		n, err := b.src.Read(into[b.w:])
		if n > 0 {
			if b.buf == nil {
				b.buf = b.buffers.Get(need)
				copy(b.buf, b.cold[:n])
				b.src.Warm()
			}
			b.w += n
			b.full = b.w == len(b.buf)
			return nil
		}
		switch {
		case errors.Is(err, io.EOF) && (b.w > b.r || b.Mid):
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
	}
}

// makeRoom makes it possible to hold need octets, in a larger buffer if that
// helps.
func (b *Reader) makeRoom(need int) {
	if b.buf == nil {
		return
	}
	if need > len(b.buf) || b.full && len(b.buf) < LargeBuffer {
		larger := b.buffers.Get(LargeBuffer)
		n := copy(larger, b.buf[b.r:b.w])
		b.buffers.Put(b.buf)
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

// Empty tells whether all that has come was read.
func (b *Reader) Empty() bool { return b.r == b.w }

// Buffered is what has come and was not read, nil while no buffer is held.
func (b *Reader) Buffered() []byte { return b.buf[b.r:b.w] }

// Release gives the buffer back, if it is empty, and reports whether it did.
func (b *Reader) Release() bool {
	if b.buf == nil || b.r != b.w {
		return false
	}
	b.buffers.Put(b.buf)
	b.buf, b.r, b.w = nil, 0, 0
	return true
}

// Close forgets what was not read, and gives the buffer back.
func (b *Reader) Close() {
	b.r, b.w = 0, 0
	b.Release()
}

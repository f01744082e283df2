package frame

import "sync"

const (
	// SmallBuffer is enough for the requests or answers of a moment; every
	// connection that is not idle holds up to three of them.
	SmallBuffer = 4 << 10
	// LargeBuffer is what bodies are moved with: a whole frame of 16 KiB behind
	// the rest of the one before it, or two full TLS records.
	LargeBuffer = 32 << 10
	// RecordBuffer holds LargeBuffer octets as TLS records.
	RecordBuffer = LargeBuffer + 1<<10
)

// Buffers lends buffers to connections that are not idle.
type Buffers struct {
	small  sync.Pool // *[SmallBuffer]byte
	large  sync.Pool // *[LargeBuffer]byte
	record sync.Pool // *[RecordBuffer]byte
}

// Get returns a buffer of one of the three sizes, the least into which n octets
// fit.
func (p *Buffers) Get(n int) []byte {
	if n <= SmallBuffer {
		if b, ok := p.small.Get().(*[SmallBuffer]byte); ok {
			return b[:]
		}
		return make([]byte, SmallBuffer)
	}
	if n > LargeBuffer {
		if b, ok := p.record.Get().(*[RecordBuffer]byte); ok {
			return b[:]
		}
		return make([]byte, RecordBuffer)
	}
	if b, ok := p.large.Get().(*[LargeBuffer]byte); ok {
		return b[:]
	}
	return make([]byte, LargeBuffer)
}

// Put takes a buffer back; one that append has made is left to the collector.
func (p *Buffers) Put(b []byte) {
	switch cap(b) {
	case SmallBuffer:
		p.small.Put((*[SmallBuffer]byte)(b[:SmallBuffer]))
	case LargeBuffer:
		p.large.Put((*[LargeBuffer]byte)(b[:LargeBuffer]))
	case RecordBuffer:
		p.record.Put((*[RecordBuffer]byte)(b[:RecordBuffer]))
	}
}

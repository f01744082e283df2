package upstream

import "sync"

const (
	smallBuffer  = 8 << 10  // head and small body
	streamBuffer = 32 << 10 // a request body on its way
	largeBuffer  = 96 << 10 // the largest head, or a head and a whole body
	wholeBody    = 64 << 10 // request bodies that may travel with the head
)

// buffer is memory for one direction of one exchange. b[r:w] is what was read
// and not yet used.
type buffer struct {
	b    []byte
	r, w int
}

// buffers holds those not in use. An idle connection has none.
type buffers struct{ small, stream, large sync.Pool }

func (p *buffers) class(size int) (*sync.Pool, int) {
	switch {
	case size <= smallBuffer:
		return &p.small, smallBuffer
	case size <= streamBuffer:
		return &p.stream, streamBuffer
	}
	return &p.large, largeBuffer
}

// get returns a buffer of size bytes or more, up to largeBuffer.
func (p *buffers) get(size int) *buffer {
	pool, size := p.class(size)
	if b, ok := pool.Get().(*buffer); ok {
		return b
	}
	return &buffer{b: make([]byte, size)}
}

// put takes a buffer back. Those that grew to a size of their own are dropped.
func (p *buffers) put(b *buffer) {
	if b == nil {
		return
	}
	b.r, b.w = 0, 0
	b.b = b.b[:cap(b.b)]
	if pool, size := p.class(len(b.b)); size == len(b.b) {
		pool.Put(b)
	}
}

// room makes space behind w, by moving what is there to the front, or by taking
// a large buffer. It returns false when even that is full.
func (p *buffers) room(b *buffer) bool {
	if b.r == b.w {
		b.r, b.w = 0, 0
	}
	if b.w < len(b.b) {
		return true
	}
	if b.r > 0 {
		b.w = copy(b.b, b.b[b.r:b.w])
		b.r = 0
		return true
	}
	if len(b.b) >= largeBuffer {
		return false
	}
	large := p.get(largeBuffer)
	copy(large.b, b.b)
	// Exchange the memory, so that the caller's pointer stays.
	b.b, large.b = large.b, b.b
	p.put(large)
	return true
}

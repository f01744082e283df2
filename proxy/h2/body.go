package h2

const (
	smallChunk = 2 << 10
	largeChunk = 16 << 10
)

// chunk is a piece of a request body.
type chunk struct {
	next *chunk
	r, w int
	buf  []byte
}

// body holds what of a request body has come in and was not read yet. Its
// size is bounded by the stream's window; its memory by little more than
// that, because frames are joined: one-octet DATA frames cost one octet.
type body struct {
	head, tail *chunk
	n          int // octets held
}

func (b *body) write(g *Engine, p []byte) {
	b.n += len(p)
	for len(p) > 0 {
		t := b.tail
		if t == nil || t.w == len(t.buf) {
			t = g.getChunk(b.tail == nil && len(p) <= smallChunk)
			if b.tail == nil {
				b.head = t
			} else {
				b.tail.next = t
			}
			b.tail = t
		}
		n := copy(t.buf[t.w:], p)
		t.w += n
		p = p[n:]
	}
}

func (b *body) read(g *Engine, p []byte) int {
	total := 0
	for len(p) > 0 && b.head != nil {
		h := b.head
		n := copy(p, h.buf[h.r:h.w])
		h.r += n
		p = p[n:]
		total += n
		if h.r == h.w {
			b.pop(g)
		}
	}
	b.n -= total
	return total
}

// drop forgets everything.
func (b *body) drop(g *Engine) {
	for b.head != nil {
		b.pop(g)
	}
	b.n = 0
}

func (b *body) pop(g *Engine) {
	h := b.head
	b.head = h.next
	if b.head == nil {
		b.tail = nil
	}
	h.next, h.r, h.w = nil, 0, 0
	if len(h.buf) == smallChunk {
		g.small.Put(h)
	} else {
		g.large.Put(h)
	}
}

func (g *Engine) getChunk(small bool) *chunk {
	pool, size := &g.large, largeChunk
	if small {
		pool, size = &g.small, smallChunk
	}
	if c, ok := pool.Get().(*chunk); ok {
		return c
	}
	return &chunk{buf: make([]byte, size)}
}

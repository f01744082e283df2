package upstream

// spool holds what of a response has come and was not read yet, in order. Small
// frames are joined, so that it takes little more memory than it has octets.
type spool struct {
	parts []*buffer // the first is being read, the last being filled
	n     int       // octets held
}

// write appends p. Parts are small while the window is.
func (b *spool) write(pools *buffers, p []byte, large bool) {
	b.n += len(p)
	for len(p) > 0 {
		var last *buffer
		if len(b.parts) > 0 {
			last = b.parts[len(b.parts)-1]
		}
		if last == nil || last.w == len(last.b) {
			size := smallBuffer
			if large {
				size = streamBuffer
			}
			last = pools.get(size)
			b.parts = append(b.parts, last)
		}
		n := copy(last.b[last.w:], p)
		last.w += n
		p = p[n:]
	}
}

func (b *spool) read(pools *buffers, p []byte) (n int) {
	for n < len(p) && len(b.parts) > 0 {
		first := b.parts[0]
		m := copy(p[n:], first.b[first.r:first.w])
		first.r += m
		n += m
		if first.r == first.w {
			b.pop(pools)
		}
	}
	b.n -= n
	return n
}

func (b *spool) pop(pools *buffers) {
	pools.put(b.parts[0])
	n := copy(b.parts, b.parts[1:])
	b.parts[n] = nil
	b.parts = b.parts[:n]
}

// whole returns all that is held, if that is in one piece.
func (b *spool) whole() ([]byte, bool) {
	switch len(b.parts) {
	case 0:
		return nil, true
	case 1:
		return b.parts[0].b[b.parts[0].r:b.parts[0].w], true
	}
	return nil, false
}

func (b *spool) drop(pools *buffers) {
	for len(b.parts) > 0 {
		b.pop(pools)
	}
	b.n = 0
}

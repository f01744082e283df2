package forward

import (
	"io"
	"sync"
)

// copyBuffers are for bodies under way.
type copyBuffers struct{ pool sync.Pool }

const copyBuffer = 32 << 10

func (b *copyBuffers) get() *[]byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, copyBuffer)
	return &p
}

func (b *copyBuffers) put(p *[]byte) { b.pool.Put(p) }

// carry writes to w what it reads from r until either fails, and returns how:
// io.EOF where r has ended. progress is told of what was read.
func (b *copyBuffers) carry(w io.Writer, r io.Reader, progress func(n int)) error {
	buf := b.get()
	defer b.put(buf)
	for {
		n, err := r.Read(*buf)
		if n > 0 {
			progress(n)
			if _, werr := w.Write((*buf)[:n]); werr != nil {
				return werr
			}
		}
		if err != nil {
			return err
		}
	}
}

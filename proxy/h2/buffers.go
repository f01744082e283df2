package h2

import "sync"

const (
	// smallBuf is enough for the requests or answers of a moment; every
	// connection that is not idle holds up to three of them.
	smallBuf = 4 << 10
	// largeBuf is what bodies are moved with: a whole frame of 16 KiB behind
	// the rest of the one before it, or two full TLS records.
	largeBuf = 32 << 10
	// corkBuf holds largeBuf octets as TLS records.
	corkBuf = largeBuf + 1<<10
)

// buffers lends read and write buffers to connections that are not idle.
type buffers struct {
	small sync.Pool // *[smallBuf]byte
	large sync.Pool // *[largeBuf]byte
	cork  sync.Pool // *[corkBuf]byte
}

// get returns a buffer of smallBuf octets, or of largeBuf if n does not fit.
func (bs *buffers) get(n int) []byte {
	if n <= smallBuf {
		if p, ok := bs.small.Get().(*[smallBuf]byte); ok {
			return p[:]
		}
		return make([]byte, smallBuf)
	}
	if n > largeBuf {
		if p, ok := bs.cork.Get().(*[corkBuf]byte); ok {
			return p[:]
		}
		return make([]byte, corkBuf)
	}
	if p, ok := bs.large.Get().(*[largeBuf]byte); ok {
		return p[:]
	}
	return make([]byte, largeBuf)
}

// put takes a buffer back; one that append has made is left to the collector.
func (bs *buffers) put(b []byte) {
	switch cap(b) {
	case smallBuf:
		bs.small.Put((*[smallBuf]byte)(b[:smallBuf]))
	case largeBuf:
		bs.large.Put((*[largeBuf]byte)(b[:largeBuf]))
	case corkBuf:
		bs.cork.Put((*[corkBuf]byte)(b[:corkBuf]))
	}
}

package upstream

import (
	"bytes"
	"io"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/field"
)

// chunkState is what comes next in a chunked body (RFC 9112 section 7.1).
type chunkState uint8

const (
	chunkSize    chunkState = iota // a line with the size
	chunkData                      // left octets
	chunkEnd                       // the line end after them
	chunkTrailer                   // the trailer section, after the last chunk
)

// maxChunkLine bounds a size with its extensions, which nobody needs.
const maxChunkLine = 1 << 10

// errMore says that the buffer does not hold what is to be parsed.
const errMore = tooLarge("more bytes are needed")

// chunkLine reads a size line at the start of b.
func chunkLine(b []byte) (size int64, n int, err error) {
	nl := bytes.IndexByte(b, '\n')
	if nl < 0 && len(b) < maxChunkLine {
		return 0, 0, errMore
	}
	if nl < 1 || nl > maxChunkLine || b[nl-1] != '\r' {
		return 0, 0, malformed("bad end of a chunk size")
	}
	line, i := b[:nl-1], 0
	for ; i < len(line); i++ {
		digit := hexDigit(line[i])
		if digit < 0 {
			break
		}
		if i == 15 {
			return 0, 0, malformed("chunk size overflows")
		}
		size = size<<4 | int64(digit)
	}
	if i == 0 {
		return 0, 0, malformed("chunk without size")
	}
	rest := bytes.TrimLeft(line[i:], " \t")
	if len(rest) > 0 && rest[0] != ';' {
		return 0, 0, malformed("bad chunk size")
	}
	for _, c := range rest {
		if field.ClassOf(c)&field.Value == 0 {
			return 0, 0, malformed("control character in a chunk extension")
		}
	}
	return size, nl + 1, nil
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// chunkCRLF reads the line end after a chunk's data.
func chunkCRLF(b []byte) error {
	switch {
	case len(b) > 0 && b[0] != '\r', len(b) > 1 && b[1] != '\n':
		return malformed("chunk data longer than its size")
	case len(b) < 2:
		return errMore
	}
	return nil
}

// chunkTrailers reads the trailer section at the start of b, and returns its
// length; from is how far it was looked through before.
func chunkTrailers(b []byte, from int) (fields []hpack.HeaderField, n, next int, err error) {
	if len(b) < 2 {
		return nil, 0, 0, errMore
	}
	if b[0] == '\r' && b[1] == '\n' {
		return nil, 2, 0, nil
	}
	found, next := headEnd(b, from)
	switch {
	case !found && len(b) >= MaxHeadBytes:
		return nil, 0, 0, tooLarge("trailers over 64 KiB")
	case !found:
		return nil, 0, next, errMore
	}
	fields, n, err = parseTrailer(b)
	switch {
	case err != nil:
	case n > MaxHeadBytes:
		err = tooLarge("trailers over 64 KiB")
	case n < 4 || string(b[n-4:n]) != "\r\n\r\n":
		// A bare LF is nothing to end a chunked body with: others disagree on it.
		err = malformed("bad end of the trailer section")
	}
	return fields, n, 0, err
}

// chunks is how far a chunked body was read.
type chunks struct {
	state   chunkState
	left    int64 // of the data of a chunk
	scanned int   // of the trailer section, looked through for its end
	trailer []hpack.HeaderField
}

// decodeHeld looks whether the whole chunked body is in the buffer already, as
// small ones are, and then makes it one piece where it lies. What is wrong with
// it, read will say.
func (c *chunks) decodeHeld(src *http1Source) bool {
	b := src.in.b[src.in.r:src.in.w]
	var data [8]struct{ from, to int }
	n, at := 0, 0
	for {
		size, line, err := chunkLine(b[at:])
		if err != nil {
			return false
		}
		at += line
		if size == 0 {
			break
		}
		if n == len(data) || size > int64(len(b)-at) || chunkCRLF(b[at+int(size):]) != nil {
			return false
		}
		data[n].from, data[n].to = at, at+int(size)
		at += int(size) + 2
		n++
	}
	trailer, end, _, err := chunkTrailers(b[at:], 0)
	if err != nil {
		return false
	}
	c.trailer = trailer
	src.cutAt(src.in.r + at + end)
	src.in.w = src.in.r
	for _, d := range data[:n] {
		src.in.w += copy(src.in.b[src.in.w:], b[d.from:d.to])
	}
	return true
}

// read fills p from as many chunks as are at hand, and waits only while
// it has nothing. io.EOF comes with the last bytes if the end is at hand too.
func (c *chunks) read(src *http1Source, p []byte) (n int, err error) {
	for {
		if c.state == chunkData {
			if n == len(p) {
				return n, nil
			}
			m, err := c.readData(src, p[n:], n == 0)
			if n += m; err != nil || c.left > 0 {
				return n, err
			}
			c.state = chunkEnd
		}
		done, err := c.step(src)
		switch {
		case done:
			return n, io.EOF
		case err == errMore && n > 0:
			return n, nil
		case err == errMore:
			src.arm()
			err = src.fill()
		}
		if err == io.EOF {
			err = errTruncated
		}
		if err != nil {
			return n, err
		}
	}
}

// readData reads data of the present chunk; it touches the connection only if
// it may wait and the buffer is empty.
func (c *chunks) readData(src *http1Source, p []byte, wait bool) (int, error) {
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	if src.in.r == src.in.w {
		if !wait {
			return 0, nil
		}
		src.arm()
		if len(p) >= smallBuffer {
			// Large chunks bypass the buffer.
			n, err := src.receive(p)
			c.left -= int64(n)
			if n > 0 {
				return n, nil
			}
			return 0, truncated(err)
		}
		if err := src.fill(); err != nil {
			return 0, truncated(err)
		}
	}
	n := copy(p, src.in.b[src.in.r:src.in.w])
	src.in.r += n
	c.left -= int64(n)
	return n, nil
}

func truncated(err error) error {
	if err == io.EOF {
		return errTruncated
	}
	return err
}

// step parses what is between two chunks' data, as far as it is in the
// buffer, and moves to the next state.
func (c *chunks) step(src *http1Source) (done bool, err error) {
	b := src.in.b[src.in.r:src.in.w]
	switch c.state {
	case chunkEnd:
		if err := chunkCRLF(b); err != nil {
			return false, err
		}
		src.in.r += 2
		c.state = chunkSize
	case chunkSize:
		size, n, err := chunkLine(b)
		if err != nil {
			return false, err
		}
		src.in.r += n
		c.left, c.state = size, chunkData
		if size == 0 {
			c.state, c.scanned = chunkTrailer, 0
		}
	case chunkTrailer:
		trailer, n, next, err := chunkTrailers(b, c.scanned)
		if c.scanned = next; err != nil {
			return false, err
		}
		c.trailer = trailer
		src.in.r += n
		if src.in.r < src.in.w {
			src.cutAt(src.in.r)
		}
		return true, nil
	}
	return false, nil
}

package upstream

import (
	"io"
	"strings"
	"time"

	"github.com/ingress421/ingress421/proxy/field"
)

// http1Response reads a response from a connection: heads, then the body, as far
// as anybody asks for it. It never reads past the response on purpose.
type http1Response struct {
	http1Source
	head   http1Head
	mode   bodyMode
	left   int64 // of a body with a length
	chunks chunks
	done   bool // the rest of the body is in[r:w]
}

// bodyMode is how the end of a response body is known (RFC 9112 section 6.3).
type bodyMode uint8

const (
	bodyNone bodyMode = iota
	bodyLength
	bodyChunked
	bodyClose
	bodyUpgraded // no body: the connection is the caller's
)

// readHead reads heads until a final one (or 101), and has the others passed
// on. first says that an error came before any octet did.
func (s *http1Response) readHead(r *Request) (first bool, err error) {
	if s.in == nil {
		s.in = s.buffers.get(smallBuffer)
	}
	for interim, size := 0, 0; ; interim++ {
		if err := s.awaitHead(); err != nil {
			return interim == 0 && s.in.w == 0, err
		}
		n, err := s.head.parse(s.in.b[s.in.r:s.in.w])
		if err != nil {
			return false, err
		}
		if n > MaxHeadBytes {
			return false, tooLarge("head over 64 KiB")
		}
		s.in.r += n
		if s.head.status >= 200 {
			return false, nil
		}
		if s.head.status == 101 {
			return false, s.switched(r)
		}
		size += n
		switch {
		case interim == maxInterim:
			return false, malformed("too many interim responses")
		case size > MaxHeadBytes:
			return false, tooLarge("interim responses over 64 KiB")
		}
		if r.Interim != nil {
			r.Interim(s.head.status, s.head.fields)
		}
		s.arm()
	}
}

// switched says what is wrong with a 101.
func (s *http1Response) switched(r *Request) error {
	switch {
	case r.Upgrade == "" || !field.EqualFold(s.head.upgrade, strings.ToLower(r.Upgrade)):
		return malformed("switched to a protocol that was not asked for")
	case s.sender != nil && !s.sender.settle():
		return malformed("switched protocols before it had the whole request")
	}
	return nil
}

// awaitHead reads until a whole head is in s.in.
func (s *http1Response) awaitHead() error {
	for scanned := 0; ; {
		held := s.in.b[s.in.r:s.in.w]
		found, next := headEnd(held, scanned)
		switch {
		case found:
			return nil
		case len(held) >= MaxHeadBytes:
			return tooLarge("head over 64 KiB")
		}
		scanned = next
		if err := s.fill(); err != nil {
			return err
		}
	}
}

// beginBody sets up reading of the body that follows the head just parsed, of a
// response to the method (RFC 9112 section 6.3).
func (s *http1Response) beginBody(method string) {
	h := &s.head
	switch {
	case h.status == 101:
		s.mode = bodyUpgraded
		_ = s.c.nc.SetDeadline(time.Time{}) // the tunnel has none
		return
	case h.status == 204:
		h.contentLength = -1
		fallthrough
	case h.status == 304, method == "HEAD":
		s.mode, s.left = bodyNone, 0
	case h.chunked:
		s.mode = bodyChunked
		s.done = s.chunks.decodeHeld(&s.http1Source)
		return
	case h.contentLength >= 0:
		s.mode, s.left = bodyLength, h.contentLength
	default:
		s.mode = bodyClose
		return
	}
	if held := int64(s.in.w - s.in.r); held >= s.left {
		s.cutAt(s.in.r + int(s.left))
		s.done = true
	}
}

// whole is Exchange.Whole.
func (s *http1Response) whole() (body []byte, ok bool) {
	switch {
	case !s.done:
		return nil, false
	case s.in == nil:
		return nil, true
	}
	body = s.in.b[s.in.r:s.in.w]
	s.in.r = s.in.w
	return body, true
}

// read reads the body. io.EOF comes with its last octets, when done is set, or
// with none.
func (s *http1Response) read(p []byte) (int, error) {
	switch {
	case s.done:
		n := copy(p, s.in.b[s.in.r:s.in.w])
		if s.in.r += n; s.in.r == s.in.w {
			return n, io.EOF
		}
		return n, nil
	case len(p) == 0:
		return 0, nil
	case s.mode == bodyUpgraded:
		return 0, io.EOF
	case s.mode == bodyChunked:
		n, err := s.chunks.read(&s.http1Source, p)
		s.done = err == io.EOF
		return n, err
	}
	if s.mode == bodyLength && int64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.next(p)
	s.left -= int64(n)
	switch {
	case s.mode == bodyLength && s.left == 0:
		s.done = true
		return n, io.EOF
	case n > 0:
		return n, nil
	case err == io.EOF && s.mode == bodyClose:
		s.done = true
	case err == io.EOF:
		err = errTruncated
	}
	return 0, err
}

// reset makes s ready for another response.
func (s *http1Response) reset() {
	s.http1Source = http1Source{}
	s.mode, s.left, s.chunks, s.done = bodyNone, 0, chunks{}, false
}

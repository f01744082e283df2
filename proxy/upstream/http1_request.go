package upstream

import (
	"io"
	"strconv"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/field"
)

// bodyFraming is how the end of a request body is told.
type bodyFraming uint8

const (
	framingNone    bodyFraming = iota // no body, no field
	framingLength                     // Content-Length
	framingChunked                    // Transfer-Encoding: chunked
)

// http1Request is a request as it is written.
type http1Request struct {
	out     *buffer   // all that can be sent in one write; nil before compose
	stream  io.Reader // the body, or the rest of it, that must be sent on its own
	touched bool      // the Request's Body was read, or is about to be
}

// compose makes of r what is to be written. Its error is that of reading the body.
func (q *http1Request) compose(r *Request, buffers *buffers) error {
	switch {
	case r.Body == nil:
		q.out = buffers.get(r.headSize())
		q.out.b = r.appendHead(q.out.b[:0], framingNone, 0)
	case r.ContentLength == 0:
		q.out = buffers.get(r.headSize())
		q.out.b = r.appendHead(q.out.b[:0], framingLength, 0)
	case r.BodyWhole && r.ContentLength < 0:
		return q.composeUnsized(r, buffers)
	case r.BodyWhole && r.ContentLength <= wholeBody:
		q.out = buffers.get(smallBuffer/2 + int(r.ContentLength))
		b := r.appendHead(q.out.b[:0], framingLength, r.ContentLength)
		q.touched = true
		var err error
		q.out.b, err = appendBody(b, r.Body, int(r.ContentLength))
		return err
	default:
		framing := framingLength
		if r.ContentLength < 0 {
			framing = framingChunked
		}
		q.out = buffers.get(r.headSize())
		q.out.b = r.appendHead(q.out.b[:0], framing, r.ContentLength)
		q.stream = r.Body
	}
	return nil
}

// appendBody appends exactly n bytes of body, which must then be at its end.
func appendBody(b []byte, body io.Reader, n int) ([]byte, error) {
	at := len(b)
	if cap(b)-at < n+1 {
		b = append(b, make([]byte, n+1)...)
	}
	// One byte more, to see that there is none.
	got, err := io.ReadFull(body, b[at:at+n+1])
	switch {
	case err == nil:
		return b[:at], errBodyLong
	case err != io.ErrUnexpectedEOF && err != io.EOF:
		return b[:at], err
	case got < n:
		return b[:at], errBodyShort
	}
	return b[:at+n], nil
}

// composeUnsized sends a whole body of unknown length with the length it turns
// out to have, which more backends can read than can read chunks.
func (q *http1Request) composeUnsized(r *Request, buffers *buffers) error {
	body := buffers.get(smallBuffer)
	q.touched = true
	for {
		n, err := r.Body.Read(body.b[body.w:])
		body.w += n
		if err == io.EOF {
			break
		}
		if err != nil {
			buffers.put(body)
			return err
		}
		if !buffers.room(body) {
			// Too much to hold: what was read goes first.
			q.out = buffers.get(r.headSize())
			q.out.b = r.appendHead(q.out.b[:0], framingChunked, 0)
			q.stream = &resumed{held: body, from: r.Body, buffers: buffers}
			return nil
		}
	}
	defer buffers.put(body)
	q.out = buffers.get(smallBuffer/2 + body.w)
	held := body.b[:body.w]
	if r.Trailer != nil {
		if trailer := r.Trailer(); len(trailer) > 0 {
			b := r.appendHead(q.out.b[:0], framingChunked, 0)
			if len(held) > 0 {
				b = strconv.AppendInt(b, int64(len(held)), 16)
				b = append(append(append(b, "\r\n"...), held...), "\r\n"...)
			}
			q.out.b = appendLastChunk(b, trailer)
			return nil
		}
	}
	b := r.appendHead(q.out.b[:0], framingLength, int64(len(held)))
	q.out.b = append(b, held...)
	return nil
}

// resumed is a body of which a part was read already.
type resumed struct {
	held    *buffer // nil when it was used
	from    io.Reader
	buffers *buffers
}

func (r *resumed) Read(p []byte) (int, error) {
	if r.held == nil {
		return r.from.Read(p)
	}
	n := copy(p, r.held.b[r.held.r:r.held.w])
	if r.held.r += n; r.held.r == r.held.w {
		r.buffers.put(r.held)
		r.held = nil
	}
	return n, nil
}

// appendHead appends the request head for HTTP/1.1 (RFC 9112 section 3), with
// the empty line at its end. The request must have passed check.
func (r *Request) appendHead(b []byte, framing bodyFraming, length int64) []byte {
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, r.Path...)
	b = append(b, " HTTP/1.1\r\nhost: "...)
	b = append(b, r.Host...)
	b = append(b, "\r\n"...)
	cookies := false
	for i := range r.Header {
		f := &r.Header[i]
		if f.Name == "cookie" {
			if !cookies {
				cookies = true
				b = appendCookies(b, r.Header[i:])
			}
			continue
		}
		b = appendField(b, f)
	}
	switch {
	case framing == framingChunked:
		b = append(b, "transfer-encoding: chunked\r\n"...)
		b = r.appendTrailerNames(b)
	case framing == framingLength:
		b = append(b, "content-length: "...)
		b = strconv.AppendInt(b, length, 10)
		b = append(b, "\r\n"...)
	case r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH":
		// RFC 9110 section 8.6: a method that gives content a meaning says so
		// when there is none.
		b = append(b, "content-length: 0\r\n"...)
	}
	if r.Upgrade != "" {
		b = append(b, "connection: upgrade\r\nupgrade: "...)
		b = append(b, r.Upgrade...)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// headSize is about how many octets appendHead appends, so that a large head
// does not grow into its buffer and leave all sizes before behind.
func (r *Request) headSize() int {
	n := len(r.Method) + len(r.Path) + len(r.Host) + 256
	for i := range r.Header {
		n += len(r.Header[i].Name) + len(r.Header[i].Value) + 4
	}
	return n
}

// appendTrailerNames appends the Trailer field, if there is something to name.
func (r *Request) appendTrailerNames(b []byte) []byte {
	start := len(b)
	for _, name := range r.TrailerNames {
		if !field.IsName(name) || notInTrailer(name) {
			continue
		}
		if len(b) == start {
			b = append(b, "trailer: "...)
		} else {
			b = append(b, ", "...)
		}
		b = append(b, name...)
	}
	if len(b) > start {
		b = append(b, "\r\n"...)
	}
	return b
}

func appendField(b []byte, f *hpack.HeaderField) []byte {
	b = append(b, f.Name...)
	b = append(b, ": "...)
	b = append(b, f.Value...)
	return append(b, "\r\n"...)
}

// appendCookies joins what HTTP/2 may split (RFC 9113 section 8.2.3).
func appendCookies(b []byte, fields []hpack.HeaderField) []byte {
	b = append(b, "cookie: "...)
	first := true
	for i := range fields {
		if fields[i].Name != "cookie" {
			continue
		}
		if !first {
			b = append(b, "; "...)
		}
		first = false
		b = append(b, fields[i].Value...)
	}
	return append(b, "\r\n"...)
}

// appendLastChunk ends a chunked body (RFC 9112 section 7.1). Trailer fields
// that cannot be written are left out: the body is as good without them.
func appendLastChunk(b []byte, trailer []hpack.HeaderField) []byte {
	b = append(b, "0\r\n"...)
	for i := range trailer {
		f := &trailer[i]
		if field.IsName(f.Name) && field.IsValue(f.Value) && !notInTrailer(f.Name) {
			b = appendField(b, f)
		}
	}
	return append(b, "\r\n"...)
}

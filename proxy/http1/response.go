package http1

import (
	"net/http"
	"strconv"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/field"
)

type responseState uint8

const (
	responseNone responseState = iota
	responseBegun
	responseEnded
)

// Begun tells whether the head of the final response has been written.
func (x *Exchange) Begun() bool {
	x.writeMu.Lock()
	defer x.writeMu.Unlock()
	return x.state != responseNone
}

// WriteInterim sends a 1xx response. Any goroutine may call it; behind the head
// of the final response it does nothing.
func (x *Exchange) WriteInterim(status int, h []hpack.HeaderField) error {
	if x.minor < 1 {
		return nil // RFC 9110 section 15.2: HTTP/1.0 knows none
	}
	x.writeMu.Lock()
	defer x.writeMu.Unlock()
	if x.state != responseNone {
		return nil
	}
	b := x.c.engine.borrow(smallBuffer)[:0]
	b = x.appendStatus(b, status)
	for i := range h {
		b = appendField(b, h[i].Name, h[i].Value)
	}
	return x.send(append(b, "\r\n"...))
}

// WriteHeader begins the response, and ends it where end is set. h holds clean
// fields, and none that frame the message but content-length. Behind a 101, for
// which h has the upgrade field, Read and Write carry the tunnel.
func (x *Exchange) WriteHeader(status int, h []hpack.HeaderField, end bool) error {
	if status == http.StatusSwitchingProtocols {
		return x.switchProtocols(h)
	}
	x.skip()
	x.writeMu.Lock()
	defer x.writeMu.Unlock()
	if x.state != responseNone {
		return ErrResponse
	}
	b := x.appendHead(x.c.engine.borrow(smallBuffer)[:0], status, h, end, 0)
	if end && x.bodied && x.length > 0 {
		x.c.engine.giveBack(b)
		return ErrLength
	}
	x.state = responseBegun
	if end {
		x.state = responseEnded
	}
	return x.send(b)
}

// Respond sends a whole response; body may be empty.
func (x *Exchange) Respond(status int, h []hpack.HeaderField, body []byte) error {
	x.skip()
	x.writeMu.Lock()
	defer x.writeMu.Unlock()
	if x.state != responseNone {
		return ErrResponse
	}
	room := len(body) + 1<<10
	if room > largeBuffer {
		room = smallBuffer
	}
	return x.sendWhole(x.appendHead(x.c.engine.borrow(room)[:0], status, h, true, len(body)), body)
}

// sendWhole sends a head, which is borrowed, and all of the content. Callers hold
// writeMu.
func (x *Exchange) sendWhole(b, body []byte) error {
	x.writeMu.Check()
	if x.bodied && x.length >= 0 && x.length != int64(len(body)) {
		// The client would take what is too much for its next response.
		x.c.engine.giveBack(b)
		return ErrLength
	}
	x.state = responseEnded
	if !x.bodied {
		body = nil
	}
	if len(b)+len(body) <= max(cap(b), smallBuffer) {
		return x.send(append(b, body...))
	}
	if err := x.send(b); err != nil {
		return err
	}
	return x.sendAsIs(body)
}

// Write sends response content. It returns when p may be used again.
func (x *Exchange) Write(p []byte) (int, error) {
	x.writeMu.Lock()
	defer x.writeMu.Unlock()
	if x.state != responseBegun {
		return 0, ErrResponse
	}
	if err := x.content(p, false); err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteEnd sends the last of the content, which may be empty. Behind a 101 it
// ends our direction of the tunnel.
func (x *Exchange) WriteEnd(p []byte) error {
	x.writeMu.Lock()
	defer x.writeMu.Unlock()
	if x.state != responseBegun {
		return ErrResponse
	}
	x.state = responseEnded
	if x.raw {
		err := x.content(p, true)
		_ = x.c.closeWrite()
		return err
	}
	err := x.content(p, true)
	if err == nil && x.length > 0 && x.bodied {
		x.keep, x.failed = false, ClosedEnded
		return ErrLength
	}
	return err
}

// WriteTrailer ends the response with trailer fields. A message of known length
// has no trailer section, and RFC 9110 section 6.5.1 lets a recipient discard
// one: they go no further then.
func (x *Exchange) WriteTrailer(h []hpack.HeaderField) error {
	x.writeMu.Lock()
	chunked := x.state == responseBegun && x.chunked && x.bodied
	if chunked {
		defer x.writeMu.Unlock()
		x.state = responseEnded
		b := append(x.c.engine.borrow(smallBuffer)[:0], "0\r\n"...)
		for i := range h {
			b = appendField(b, h[i].Name, h[i].Value)
		}
		return x.send(append(b, "\r\n"...))
	}
	x.writeMu.Unlock()
	return x.WriteEnd(nil)
}

// content writes some of the content. Callers hold writeMu.
func (x *Exchange) content(p []byte, last bool) error {
	x.writeMu.Check()
	if !x.bodied {
		return nil
	}
	if !x.chunked {
		if x.length >= 0 {
			if int64(len(p)) > x.length {
				x.keep, x.failed = false, ClosedEnded
				return ErrLength
			}
			x.length -= int64(len(p))
		}
		if len(p) == 0 {
			return nil
		}
		return x.sendAsIs(p)
	}
	const frame = len("ffffffff\r\n") + len("\r\n") + len("0\r\n\r\n")
	b := x.c.engine.borrow(len(p) + frame)[:0]
	if len(p) > 0 {
		b = strconv.AppendUint(b, uint64(len(p)), 16)
		b = append(b, "\r\n"...)
		b = append(b, p...)
		b = append(b, "\r\n"...)
	}
	if last {
		b = append(b, "0\r\n\r\n"...)
	}
	return x.send(b)
}

// send writes a borrowed buffer and gives it back. Callers hold writeMu.
func (x *Exchange) send(b []byte) error {
	err := x.sendAsIs(b)
	x.c.engine.giveBack(b)
	return err
}

// sendAsIs writes b. Callers hold writeMu.
func (x *Exchange) sendAsIs(b []byte) error {
	x.writeMu.Check()
	if x.failed != "" {
		// A part of the write that failed may be on its way, and what came
		// behind it would be taken for the rest.
		return errFailed
	}
	x.c.writeUntil(x.c.limits.StallTimeout)
	_, err := x.c.nc.Write(b)
	if err == nil {
		return nil
	}
	x.keep = false
	if x.failed == "" {
		x.failed = ioReason(err)
		if isTimeout(err) {
			x.failed = ClosedStall
		}
	}
	return err
}

// switchProtocols answers 101. What follows is no HTTP.
func (x *Exchange) switchProtocols(h []hpack.HeaderField) error {
	x.writeMu.Lock()
	none := x.state == responseNone
	x.writeMu.Unlock()
	if !none || x.body.left() {
		// What is left of the content would be the tunnel's first octets.
		return ErrResponse
	}
	// Nobody else may read from here on.
	x.c.watch.stop(x.c)
	x.readMu.Lock()
	x.raw = true
	x.c.readBy = time.Time{}
	_ = x.c.nc.SetReadDeadline(x.c.readBy)
	x.readMu.Unlock()
	x.writeMu.Lock()
	defer x.writeMu.Unlock()
	x.state, x.keep, x.bodied, x.length = responseBegun, false, true, -1
	b := x.appendStatus(x.c.engine.borrow(smallBuffer)[:0], http.StatusSwitchingProtocols)
	b = append(b, "Connection: Upgrade\r\n"...)
	for i := range h {
		b = appendField(b, h[i].Name, h[i].Value)
	}
	return x.send(append(b, "\r\n"...))
}

// appendHead appends the head of the final response and settles how its end is
// told (RFC 9112 section 6.3). whole: all of the content is known, and is n
// octets. Callers hold writeMu.
func (x *Exchange) appendHead(b []byte, status int, h []hpack.HeaderField, whole bool, n int) []byte {
	x.writeMu.Check()
	b = x.appendStatus(b, status)
	noContent := status == http.StatusNoContent || status == http.StatusNotModified
	x.bodied = x.Method != http.MethodHead && !noContent
	told := false
	x.length = -1
	for i := range h {
		f := &h[i]
		if f.Name == "content-length" {
			length, ok := field.Length(f.Value)
			if !ok || told || status == http.StatusNoContent {
				continue
			}
			told, x.length = true, length
		}
		b = appendField(b, f.Name, f.Value)
	}
	return x.appendEnd(b, told, whole, n)
}

// appendEnd appends to a head how the end of its content is told, unless it is
// told already, what becomes of the connection, and the empty line. Callers hold
// writeMu.
func (x *Exchange) appendEnd(b []byte, told, whole bool, n int) []byte {
	x.writeMu.Check()
	switch {
	case told:
	case !x.bodied:
	case whole:
		b = appendField(b, "content-length", strconv.Itoa(n))
	case x.minor >= 1:
		x.chunked = true
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	default:
		x.keep = false
	}
	if x.body.left() || x.body.adorned || x.c.draining.Load() {
		x.keep = false
	}
	switch {
	case !x.keep:
		b = append(b, "Connection: close\r\n"...)
	case x.minor == 0:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	return append(b, "\r\n"...)
}

// appendStatus appends a status line (RFC 9112 section 4). A client of HTTP/1.0
// is answered in it.
func (x *Exchange) appendStatus(b []byte, status int) []byte {
	return appendStatus(b, max(x.minor, 0), status)
}

func appendStatus(b []byte, minor, status int) []byte {
	b = append(b, "HTTP/1."...)
	b = append(b, '0'+byte(minor), ' ')
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(status)...)
	return append(b, "\r\n"...)
}

// appendField appends a field line. Names get the capitals that people, and
// programs that should not, look for.
func appendField(b []byte, name, value string) []byte {
	up := true
	for i := 0; i < len(name); i++ {
		c := name[i]
		if up && c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		up = c == '-'
		b = append(b, c)
	}
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

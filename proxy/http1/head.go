package http1

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/field"
)

// readHead reads and parses the head of a request. Where it is none, status and
// why say how it is to be refused.
func (c *Conn) readHead() error {
	x := &c.x
	// A server should pass over an empty line before a request (RFC 9112
	// section 2.2): one that a client has put behind the body before it.
	scan, blank := 0, false
	for {
		for scan < c.w-c.r {
			i := bytes.IndexByte(c.buf[c.r+scan:c.w], '\n')
			if i < 0 {
				scan = c.w - c.r
				break
			}
			line := c.buf[c.r+x.lineStart : c.r+scan+i]
			if len(line) == 0 || line[len(line)-1] != '\r' {
				return x.refuse(400, WhyMalformed, "a line does not end with CRLF")
			}
			scan += i + 1
			if len(line) > 1 {
				x.lineStart = scan
				continue
			}
			if x.lineStart > 0 {
				return c.parseHead(scan)
			}
			if blank {
				return x.refuse(400, WhyMalformed, "empty lines before a request")
			}
			blank = true
			c.r += scan
			scan = 0
		}
		if c.w-c.r > c.limits.MaxHeaderBytes {
			return x.refuse(431, WhyHeaderList, "head over its limit")
		}
		if err := c.moreHead(); err != nil {
			return err
		}
	}
}

// moreHead reads on in a head, within HeaderTimeout of its first octet.
func (c *Conn) moreHead() error {
	x := &c.x
	if x.headBy.IsZero() {
		x.headBy = time.Now().Add(c.limits.HeaderTimeout)
		c.readBy = x.headBy
		_ = c.nc.SetReadDeadline(x.headBy)
	}
	// One octet more than a head may have tells that it has too many.
	err := c.fill(c.limits.MaxHeaderBytes + 1)
	if errors.Is(err, errTooLarge) {
		return x.refuse(431, WhyHeaderList, "head over its limit")
	}
	return err
}

// parseHead parses the head of n octets that begins at c.r.
func (c *Conn) parseHead(n int) error {
	x := &c.x
	b := c.buf[c.r : c.r+n]
	c.r += n
	if n > c.limits.MaxHeaderBytes {
		return x.refuse(431, WhyHeaderList, "head over its limit")
	}
	lowerNames(b[bytes.IndexByte(b, '\n')+1:])
	s := string(b)
	line, rest, _ := cutLine(s)
	if !x.parseLine(line) {
		return x.refuse(400, WhyMalformed, "bad request line")
	}
	if x.minor < 0 {
		x.minor = 1
		return x.refuse(505, WhyVersion, "not HTTP/1.0 or 1.1")
	}
	if x.Header == nil {
		x.Header = make([]hpack.HeaderField, 0, usualFields)
	}
	var over, ok bool
	if x.Header, over, ok = parseFields(x.Header, rest, c.limits.MaxHeaderFields); over {
		return x.refuse(431, WhyHeaderList, "too many fields")
	} else if !ok {
		return x.refuse(400, WhyMalformed, "bad field")
	}
	if msg := x.frame(); msg != "" {
		return x.refuse(400, WhyMalformed, msg)
	}
	return nil
}

// lowerNames lowers the field names of a section where they lie.
func lowerNames(b []byte) {
	for i := 0; i < len(b); {
		for ; i < len(b) && field.ClassOf(b[i])&field.Token != 0; i++ {
			if field.ClassOf(b[i])&field.Upper != 0 {
				b[i] += 'a' - 'A'
			}
		}
		next := bytes.IndexByte(b[i:], '\n')
		if next < 0 {
			return
		}
		i += next + 1
	}
}

// cutLine divides s behind its first line, whose CRLF is left out.
func cutLine(s string) (line, rest string, ok bool) {
	for i := 1; i < len(s); i++ {
		if s[i] == '\n' && s[i-1] == '\r' {
			return s[:i-1], s[i+1:], true
		}
	}
	return "", s, false
}

// parseLine parses a request line: three parts with a single space between
// them (RFC 9112 section 3). minor is -1 for another version than HTTP/1.x.
func (x *Exchange) parseLine(line string) bool {
	var sp [2]int
	n := 0
	for i := 0; i < len(line); i++ {
		if line[i] == ' ' {
			if n == len(sp) {
				return false
			}
			sp[n] = i
			n++
		}
	}
	if n != len(sp) {
		return false
	}
	x.Method, x.Target = line[:sp[0]], line[sp[0]+1:sp[1]]
	version := line[sp[1]+1:]
	// A target has no fragment (RFC 9112 section 3.2).
	if !field.IsToken(x.Method) || !field.IsTarget(x.Target) || strings.IndexByte(x.Target, '#') >= 0 {
		return false
	}
	if len(version) != len("HTTP/1.1") || version[:5] != "HTTP/" || version[6] != '.' ||
		version[5] < '0' || version[5] > '9' || version[7] < '0' || version[7] > '9' {
		return false
	}
	switch {
	case x.Method == "PRI" && version == "HTTP/2.0":
		// HTTP/2 without having agreed on it: for the owner to refuse, as all
		// that PRI is used for (RFC 9113 section 3.4).
	case version[5] != '1':
		x.minor = -1
	case version[7] == '0':
		x.minor = 0
	default:
		x.minor = 1 // as which a later one is to be read (RFC 9110 section 2.5)
	}
	return true
}

// parseFields parses a field section, with the empty line at its end, whose
// names are lowered. Each of its lines ends with CRLF. over: there are more
// fields than limit.
func parseFields(to []hpack.HeaderField, s string, limit int) (fields []hpack.HeaderField, over, ok bool) {
	for n := 0; ; n++ {
		colon := 0
		for colon < len(s) && field.ClassOf(s[colon])&field.Token != 0 {
			colon++
		}
		if colon == 0 {
			return to, false, s == "\r\n"
		}
		// Space before the colon, and obsolete line folding, end here too.
		if s[colon] != ':' {
			return to, false, false
		}
		end := colon + 1
		for s[end] != '\n' {
			end++
		}
		value := field.Trim(s[colon+1 : end-1])
		if !field.IsValue(value) {
			return to, false, false
		}
		if n == limit {
			return to, true, false
		}
		to = append(to, hpack.HeaderField{Name: s[:colon], Value: value})
		s = s[end+1:]
	}
}

// frame settles what the fields say of the message: its host, the end of its
// body, and whether the connection goes on behind it (RFC 9112 sections 3.2, 6
// and 9.3). It returns why the message is malformed, or nothing.
func (x *Exchange) frame() string {
	hosts, lengths, codings, expects := 0, 0, 0, 0
	asked, closes := x.minor == 1, false
	for i := range x.Header {
		f := &x.Header[i]
		switch f.Name {
		case "host":
			hosts++
		case "content-length":
			n, ok := field.Length(f.Value)
			if lengths++; !ok || lengths > 1 {
				return "bad or more than one content-length"
			}
			x.ContentLength = n
		case "transfer-encoding":
			if codings++; codings > 1 || !field.EqualFold(f.Value, "chunked") {
				return "transfer coding that is not a single chunked"
			}
			x.ContentLength = -1
		case "connection":
			closes = closes || field.InList(f.Value, "close")
			// RFC 9112 section 9.3: what HTTP/1.0 has to ask for.
			asked = asked || field.InList(f.Value, "keep-alive")
		case "expect":
			switch {
			case x.minor < 1:
			case expects > 0: // RFC 9110 section 5.3: they are one list
				x.Expect += ", " + f.Value
			default:
				x.Expect = f.Value
			}
			expects++
		}
	}
	switch {
	case codings > 0 && lengths > 0:
		return "content-length beside transfer-encoding"
	case codings > 0 && x.minor == 0:
		return "transfer-encoding in HTTP/1.0"
	case hosts > 1 || hosts == 0 && x.minor == 1:
		return "not one host field"
	}
	x.keep = asked && !closes
	x.last = !x.keep
	if (codings > 0 || x.minor == 0) && lookAlike(x.Header) {
		x.keep = false
	}
	x.body.begin(x.ContentLength)
	return ""
}

// lookAlike tells whether a field is one that frames the message but for an
// underscore: there are programs that take it for that, and may have read another
// end than we. Nothing is read behind such a message in chunks or of HTTP/1.0.
func lookAlike(h []hpack.HeaderField) bool {
	for i := range h {
		name := h[i].Name
		if strings.IndexByte(name, '_') < 0 {
			continue
		}
		switch strings.ReplaceAll(name, "_", "-") {
		case "transfer-encoding", "content-length":
			return true
		}
	}
	return false
}

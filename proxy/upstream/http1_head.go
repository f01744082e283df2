package upstream

import (
	"bytes"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/field"
)

// Limits on response heads and trailers. A backend is not trusted either.
const (
	// MaxHeadBytes bounds a response head, the trailers of a response, and all
	// interim responses before it together.
	MaxHeadBytes = 64 << 10
	// MaxHeadFields bounds the number of their fields.
	MaxHeadFields = 500
	// maxInterim bounds the 1xx responses before the final one.
	maxInterim = 32
)

// http1Head is a parsed response head. Its slices are used again for the next one.
type http1Head struct {
	status        int
	fields        []hpack.HeaderField // lower-case names; what is for this hop only is left out
	contentLength int64               // -1: not declared
	chunked       bool
	keepAlive     bool          // the connection persists (RFC 9112 section 9.3)
	keepFor       time.Duration // from "keep-alive: timeout=N"; 0: not told
	upgrade       string        // of 101
	speaks        bool          // NTLM or Negotiate: see Login

	spans []span
}

// span is where a field's name and value lie in the head.
type span struct{ name, nameEnd, value, valueEnd int32 }

var (
	emptyLine = []byte("\n\r\n")
	bareLine  = []byte("\n\n")
)

// headEnd reports that b holds a whole head: an empty line, which may end with a
// bare LF (RFC 9112 section 2.2). from is where to go on looking next time.
func headEnd(b []byte, from int) (found bool, next int) {
	rest := b[from:]
	if bytes.Contains(rest, emptyLine) || bytes.Contains(rest, bareLine) {
		return true, from
	}
	return false, max(len(b)-2, 0)
}

// parse reads the head at the start of b, which headEnd has found to hold one,
// and returns its length. Names in b are lower-cased where they lie.
func (h *http1Head) parse(b []byte) (n int, err error) {
	end := bytes.IndexByte(b, '\n')
	minor, err := h.parseStatus(trimCR(b[:end]))
	if err != nil {
		return 0, err
	}
	if n, err = h.scan(b, end+1); err != nil {
		return 0, err
	}
	return n, h.interpret(string(b[:n]), minor)
}

// parseStatus is the status line of RFC 9112 section 4. A missing reason phrase
// may lack its space as well.
func (h *http1Head) parseStatus(line []byte) (minor byte, err error) {
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[8] != ' ' {
		return 0, malformed("bad status line")
	}
	minor = line[7]
	if minor != '0' && minor != '1' {
		return 0, malformed("bad protocol version")
	}
	h.status = 0
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return 0, malformed("bad status code")
		}
		h.status = h.status*10 + int(c-'0')
	}
	if h.status < 100 || len(line) > 12 && line[12] != ' ' {
		return 0, malformed("bad status code")
	}
	if field.ValueEnd(line, 12) != len(line) {
		return 0, malformed("control character in reason phrase")
	}
	return minor, nil
}

// scan finds and checks the fields of b from i on, lower-cases their names, and
// returns where the section ends, after its empty line. Lines may end with a
// bare LF; what goes on to the client is written anew.
func (h *http1Head) scan(b []byte, i int) (end int, err error) {
	h.spans = h.spans[:0]
	for {
		if n := lineEnd(b, i); n > 0 {
			return i + n, nil
		}
		if len(h.spans) == MaxHeadFields {
			return 0, tooLarge("too many fields")
		}
		name := i
		for ; i < len(b); i++ {
			o := field.ClassOf(b[i])
			if o&field.Token == 0 {
				break
			}
			if o&field.Upper != 0 {
				b[i] += 'a' - 'A'
			}
		}
		// Obsolete line folding and space before the colon end here too.
		if i == name || i == len(b) || b[i] != ':' {
			return 0, malformed("bad field name")
		}
		nameEnd := i
		for i++; i < len(b) && (b[i] == ' ' || b[i] == '\t'); i++ {
		}
		value := i
		i = field.ValueEnd(b, i)
		n := lineEnd(b, i)
		if n == 0 {
			return 0, malformed("control character in a field value")
		}
		to := i
		for to > value && (b[to-1] == ' ' || b[to-1] == '\t') {
			to--
		}
		h.spans = append(h.spans, span{
			name: int32(name), nameEnd: int32(nameEnd), value: int32(value), valueEnd: int32(to),
		})
		i += n
	}
}

// lineEnd returns the length of the line end at b[i:], 0 if there is none.
func lineEnd(b []byte, i int) int {
	switch {
	case i < len(b) && b[i] == '\n':
		return 1
	case i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n':
		return 2
	}
	return 0
}

// interpret makes fields of the spans of s and takes out what concerns this
// connection alone.
func (h *http1Head) interpret(s string, minor byte) error {
	h.fields = h.fields[:0]
	h.contentLength = -1
	h.chunked = false
	h.keepAlive = minor == '1'
	h.keepFor = 0
	h.upgrade = ""
	h.speaks = false
	named := false // Connection names fields besides its own words
	lengths, codings := 0, 0
	for _, sp := range h.spans {
		name, value := s[sp.name:sp.nameEnd], s[sp.value:sp.valueEnd]
		switch name {
		case "content-length":
			n, ok := field.Length(value)
			if lengths++; !ok || lengths > 1 {
				return malformed("bad or more than one content-length")
			}
			h.contentLength = n
			continue
		case "transfer-encoding":
			if codings++; codings > 1 || !field.EqualFold(value, "chunked") {
				return malformed("transfer coding that is not chunked")
			}
			h.chunked = true
			continue
		case "connection":
			named = h.connection(value, minor) || named
			continue
		case "keep-alive":
			h.keepFor = keepAliveTimeout(value)
			continue
		case "upgrade":
			h.upgrade = value
			continue
		case "proxy-connection", "te":
			continue
		case "www-authenticate", "proxy-authenticate":
			h.speaks = h.speaks || speechOf(value) != speechNone
		}
		h.fields = append(h.fields, hpack.HeaderField{Name: name, Value: value})
	}
	switch {
	case codings > 0 && lengths > 0:
		return malformed("content-length beside transfer-encoding")
	case codings > 0 && minor == '0':
		return malformed("transfer-encoding on HTTP/1.0")
	}
	if named {
		h.dropNamed(s)
	}
	return nil
}

// connection notes one Connection field's options, and reports whether it names
// fields of its own.
func (h *http1Head) connection(value string, minor byte) (named bool) {
	for option := range strings.SplitSeq(value, ",") {
		switch option = strings.Trim(option, " \t"); {
		case field.EqualFold(option, "close"):
			h.keepAlive = false
		case field.EqualFold(option, "keep-alive"):
			if minor == '0' {
				h.keepAlive = true
			}
		case option == "", field.EqualFold(option, "upgrade"):
		default:
			named = true
		}
	}
	return named
}

// dropNamed removes the fields that Connection names (RFC 9110 section 7.6.1).
func (h *http1Head) dropNamed(s string) {
	kept := h.fields[:0]
	for _, f := range h.fields {
		if !h.names(s, f.Name) {
			kept = append(kept, f)
		}
	}
	h.fields = kept
}

func (h *http1Head) names(s, name string) bool {
	for _, sp := range h.spans {
		if s[sp.name:sp.nameEnd] != "connection" {
			continue
		}
		if field.InList(s[sp.value:sp.valueEnd], name) {
			return true
		}
	}
	return false
}

// parseTrailer reads the trailer section at the start of b, which headEnd has
// found to hold one, and returns its length.
func parseTrailer(b []byte) (fields []hpack.HeaderField, n int, err error) {
	var h http1Head
	if n, err = h.scan(b, 0); err != nil || len(h.spans) == 0 {
		return nil, n, err
	}
	s := string(b[:n])
	fields = make([]hpack.HeaderField, 0, len(h.spans))
	for _, sp := range h.spans {
		if name := s[sp.name:sp.nameEnd]; !notInTrailer(name) {
			fields = append(fields, hpack.HeaderField{Name: name, Value: s[sp.value:sp.valueEnd]})
		}
	}
	return fields, n, nil
}

// keepAliveTimeout reads "timeout=N" of a Keep-Alive field: the backend's own
// idle limit in seconds, as Node, Apache and others tell it. 0: not told.
func keepAliveTimeout(value string) time.Duration {
	for option := range strings.SplitSeq(value, ",") {
		name, arg, _ := strings.Cut(strings.Trim(option, " \t"), "=")
		if !field.EqualFold(name, "timeout") {
			continue
		}
		if n, ok := field.Length(arg); ok && n > 0 && n < 1e6 {
			return time.Duration(n) * time.Second
		}
	}
	return 0
}

func trimCR(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}

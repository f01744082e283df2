package h2

import (
	"strings"
	"sync"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/field"
	"github.com/ingress421/ingress421/proxy/frame"
)

// blockKind says what a header block is for.
type blockKind uint8

const (
	blockRequest blockKind = iota
	blockTrailer
	blockLate    // trailers after END_STREAM: decoded, then the stream is reset
	blockIgnored // decoded for the HPACK state alone
)

// headBlock is the header block being decoded. The read loop owns it.
type headBlock struct {
	maxBytes  uint32
	maxFields int
	scratch   *sync.Pool // of *[]hpack.HeaderField with room for many

	active bool // HEADERS has come, END_HEADERS has not
	kind   blockKind
	id     uint32
	s      *Stream              // of a request, not yet known to the connection
	fields []hpack.HeaderField  // of trailers
	long   *[]hpack.HeaderField // of scratch: what s.Header is while it grows past keptFields

	end     bool   // END_STREAM
	frames  int    // CONTINUATION
	octets  int    // encoded
	size    uint32 // decoded, as RFC 9113 section 6.5.2 counts
	count   int    // fields
	over    bool   // size or count over the limits: the rest is dropped
	bad     string // why the block is malformed; empty: it is not
	telling bool   // ... in what a field says and not in HTTP/2's own form: the request can be answered
	urgency uint8  // RFC 9218
	pseudo  uint8  // pseudo-header fields seen
	seen    bool   // a regular field was seen
}

const (
	seenMethod = 1 << iota
	seenScheme
	seenAuthority
	seenPath
	seenProtocol
)

func (h *headBlock) init(g *Engine, l *Limits) {
	h.maxBytes, h.maxFields, h.scratch = l.MaxHeaderBytes, l.MaxHeaderFields, &g.fields
}

func (h *headBlock) begin(kind blockKind, id uint32, s *Stream, end bool) {
	*h = headBlock{
		maxBytes: h.maxBytes, maxFields: h.maxFields, scratch: h.scratch,
		active: true, kind: kind, id: id, s: s, fields: h.fields[:0], end: end, urgency: frame.DefaultUrgency,
	}
}

// maxOctets is how long an encoded header block may be. A list within maxBytes
// is not longer when it is encoded; twice that leaves room to answer 431 to
// what is too large, with the HPACK state kept right.
func (h *headBlock) maxOctets() int { return max(2*int(h.maxBytes), frame.MaxPayload) }

// field is hpack's emit function.
func (h *headBlock) field(f hpack.HeaderField) {
	if h.kind >= blockLate || h.over {
		return
	}
	h.size += f.Size()
	h.count++
	if h.size > h.maxBytes || h.count > h.maxFields {
		h.over = true
		return
	}
	if h.bad != "" {
		return
	}
	if len(f.Name) > 0 && f.Name[0] == ':' {
		h.pseudoField(f)
		return
	}
	h.seen = true
	if h.bad, h.telling = checkField(f); h.bad != "" {
		return
	}
	if h.kind == blockTrailer {
		h.fields = append(h.fields, f)
		return
	}
	s := h.s
	switch f.Name {
	case "content-length":
		n, ok := field.Length(f.Value)
		if !ok || s.ContentLength >= 0 {
			// RFC 9110 section 8.6: more than one, even if they agree,
			// may be taken as invalid.
			h.bad, h.telling = "bad content-length", true
			return
		}
		s.ContentLength = n
	case "priority":
		h.urgency = parseUrgency(f.Value, h.urgency)
	}
	if len(s.Header) == cap(s.Header) {
		h.lengthen(s)
	}
	s.Header = append(s.Header, f)
}

// keptFields is how many header fields a free Stream keeps room for, and
// SpareFields is for how many there is always room behind those of a request.
const (
	keptFields  = 48
	SpareFields = 8
)

// lengthen makes room for another field. Lists of few fields are made once and
// kept; longer ones grow in scratch, as otherwise each of them would leave
// several times its length behind.
func (h *headBlock) lengthen(s *Stream) {
	if cap(s.Header) < keptFields {
		s.Header = append(make([]hpack.HeaderField, 0, keptFields), s.Header...)
		return
	}
	var ok bool
	if h.long, ok = h.scratch.Get().(*[]hpack.HeaderField); !ok || cap(*h.long) < h.maxFields {
		list := make([]hpack.HeaderField, 0, h.maxFields)
		h.long = &list
	}
	s.Header = append((*h.long)[:0], s.Header...)
}

// settle gives s a list of its own with SpareFields behind it.
func (h *headBlock) settle(s *Stream) {
	n := len(s.Header)
	if h.long == nil && n+SpareFields <= cap(s.Header) {
		return
	}
	list := s.Header
	s.Header = append(make([]hpack.HeaderField, 0, max(n+SpareFields, keptFields)), list...)
	if h.long != nil {
		clear(list)
		h.scratch.Put(h.long)
		h.long = nil
	}
}

// pseudoField checks and keeps a pseudo-header field (RFC 9113 section 8.3).
func (h *headBlock) pseudoField(f hpack.HeaderField) {
	if h.kind == blockTrailer {
		h.bad = "pseudo-header field in trailers"
		return
	}
	if h.seen {
		h.bad = "pseudo-header field after a regular one"
		return
	}
	var bit uint8
	var ok bool
	s := h.s
	switch f.Name {
	case ":method":
		bit, s.Method = seenMethod, f.Value
		ok = field.IsToken(f.Value)
	case ":scheme":
		bit, s.Scheme = seenScheme, f.Value
		ok = field.IsScheme(f.Value)
	case ":authority":
		bit, s.Authority, s.HasAuthority = seenAuthority, f.Value, true
		ok = isValue(f.Value)
	case ":path":
		bit, s.Path = seenPath, f.Value
		ok = field.IsTarget(f.Value)
	case ":protocol":
		bit, s.Protocol = seenProtocol, f.Value
		ok = field.IsToken(f.Value)
	default:
		h.bad = "unknown pseudo-header field"
		return
	}
	switch {
	case h.pseudo&bit != 0:
		h.bad = "repeated " + f.Name
	case !ok:
		h.bad, h.telling = "bad "+f.Name, f.Value != ""
	}
	h.pseudo |= bit
}

// check judges a request's block as a whole (RFC 9113 section 8.3.1, RFC 8441
// section 4) and returns why it is malformed, or nothing.
func (h *headBlock) check() string {
	s := h.s
	if h.bad != "" {
		return h.bad
	}
	const target = seenScheme | seenPath
	switch {
	case h.pseudo&seenMethod == 0:
		return "no :method"
	case s.Method == "CONNECT" && h.pseudo&seenProtocol == 0:
		if h.pseudo&target != 0 || h.pseudo&seenAuthority == 0 {
			return "CONNECT with :scheme or :path, or without :authority"
		}
	case h.pseudo&seenProtocol != 0 && s.Method != "CONNECT":
		return ":protocol without CONNECT"
	case h.pseudo&target != target:
		return "no :scheme or :path"
	case s.Protocol != "" && h.pseudo&seenAuthority == 0:
		return "extended CONNECT without :authority"
	case s.Path[0] != '/' && (s.Path != "*" || s.Method != "OPTIONS"):
		h.telling = true
		return "bad :path"
	}
	if h.end && s.ContentLength > 0 {
		return "content-length without a body"
	}
	return ""
}

// checkField judges a regular field (RFC 9113 section 8.2) and returns why it
// is malformed, or nothing. telling: it would be so in HTTP/1.1 too.
func checkField(f hpack.HeaderField) (bad string, telling bool) {
	if !field.IsName(f.Name) {
		return "bad field name", f.Name == strings.ToLower(f.Name)
	}
	if !isValue(f.Value) {
		return "bad field value", true
	}
	switch f.Name {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		return "connection-specific field", false
	case "te":
		if f.Value != "trailers" {
			return "te other than trailers", false
		}
	}
	return "", false
}

// isValue tells whether s can be a field value: no control characters, and no
// white space at its ends (RFC 9113 section 8.2.1).
func isValue(s string) bool { return field.IsTrimmed(s) && field.IsValue(s) }

// parseUrgency finds u=0..7 in a priority field value (RFC 9218 section 4.1);
// anything else leaves the urgency as it is.
func parseUrgency(v string, u uint8) uint8 {
	for i := 0; i+2 < len(v); i++ {
		if v[i] != 'u' || v[i+1] != '=' || i > 0 && v[i-1] != ' ' && v[i-1] != ',' {
			continue
		}
		whole := i+3 == len(v) || v[i+3] == ',' || v[i+3] == ' ' || v[i+3] == ';'
		if d := v[i+2] - '0'; d <= 7 && whole {
			u = d // the last one holds (RFC 9651 section 3.2)
		}
	}
	return u
}

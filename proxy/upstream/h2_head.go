package upstream

import (
	"encoding/binary"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/field"
	"github.com/ingress421/ingress421/proxy/frame"
)

const (
	// h2MaxBlock bounds a header block as it is encoded: what is over
	// MaxHeadBytes costs its own stream alone up to there.
	h2MaxBlock = 4 * MaxHeadBytes
	// h2MaxContinuations bounds the frames of one header block.
	h2MaxContinuations = 64
)

// h2head is the header block being decoded. It is owned by the read loop.
type h2head struct {
	active bool // HEADERS has come, END_HEADERS has not
	id     uint32
	end    bool // END_STREAM
	frames int
	octets int // encoded

	fields []hpack.HeaderField // used again for the next one
	status string
	length int64    // -1: not declared
	names  []string // of the Trailer fields
	size   int      // of the fields as in a head of HTTP/1.1
	count  int
	over   bool   // the limits are passed: the rest is dropped
	bad    string // why the block is malformed; empty: it is not
}

func (h *h2head) begin(id uint32, end bool) {
	clear(h.fields)
	if cap(h.fields) > 64 {
		h.fields = nil
	}
	*h = h2head{active: true, id: id, end: end, fields: h.fields[:0], length: -1}
}

// field is hpack's emit function. Whoever reads trailers looks at status.
func (h *h2head) field(f hpack.HeaderField) {
	if h.over || h.bad != "" {
		return
	}
	if strings.HasPrefix(f.Name, ":") {
		switch {
		case f.Name != ":status":
			h.bad = "unknown pseudo-header field"
		case h.status != "" || h.count > 0:
			h.bad = "more than one :status, or one behind other fields"
		case len(f.Value) != 3:
			h.bad = "bad status code"
		}
		h.status = f.Value
		return
	}
	h.count++
	h.size += len(f.Name) + len(f.Value) + len(": \r\n")
	if h.size > MaxHeadBytes || h.count > MaxHeadFields {
		h.over = true
		return
	}
	if !field.IsName(f.Name) {
		h.bad = "bad field name"
		return
	}
	if !field.IsValue(f.Value) {
		h.bad = "control character in a field value"
		return
	}
	// A value may not begin or end with these (RFC 9113 section 8.2.1). They are
	// taken off, as on HTTP/1.1: clients may refuse the response.
	f.Value = strings.Trim(f.Value, " \t")
	switch f.Name {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		h.bad = "connection-specific field" // RFC 9113 section 8.2.2
		return
	case "content-length":
		n, ok := field.Length(f.Value)
		if !ok || h.length >= 0 {
			h.bad = "bad or more than one content-length"
		}
		h.length = n
		return
	case "trailer":
		h.announce(f.Value)
		return
	}
	if framing(f.Name) {
		return
	}
	f.Sensitive = false
	h.fields = append(h.fields, f)
}

// announce keeps the names of a Trailer field that may be in a trailer section.
func (h *h2head) announce(value string) {
	for name := range strings.SplitSeq(value, ",") {
		name = strings.ToLower(strings.Trim(name, " \t"))
		if field.IsName(name) && !notInTrailer(name) {
			h.names = append(h.names, name)
		}
	}
}

// code is the status, 0 if it is none.
func (h *h2head) code() (n int) {
	for i := 0; i < len(h.status); i++ {
		if h.status[i] < '0' || h.status[i] > '9' {
			return 0
		}
		n = n*10 + int(h.status[i]-'0')
	}
	return n
}

func (c *h2conn) readHeaders(fh http2.FrameHeader) error {
	if fh.StreamID == 0 {
		return h2Protocol("HEADERS on the connection")
	}
	p, err := c.rd.take(int(fh.Length))
	if err != nil {
		return err
	}
	if fh.Flags.Has(http2.FlagHeadersPadded) {
		if p, err = unpad(p); err != nil {
			return err
		}
	}
	if fh.Flags.Has(http2.FlagHeadersPriority) {
		if len(p) < 5 {
			return &h2Error{http2.ErrCodeFrameSize, malformed("HEADERS too short")}
		}
		if binary.BigEndian.Uint32(p)&frame.MaxWindow == fh.StreamID {
			return h2Protocol("stream depends on itself")
		}
		p = p[5:]
	}
	c.head.begin(fh.StreamID, fh.Flags.Has(http2.FlagHeadersEndStream))
	return c.block(p, fh.Flags.Has(http2.FlagHeadersEndHeaders))
}

func (c *h2conn) readContinuation(fh http2.FrameHeader) error {
	if !c.head.active {
		return h2Protocol("CONTINUATION without HEADERS")
	}
	p, err := c.rd.take(int(fh.Length))
	if err != nil {
		return err
	}
	if c.head.frames++; c.head.frames > h2MaxContinuations {
		return h2Calm("too many CONTINUATION frames")
	}
	return c.block(p, fh.Flags.Has(http2.FlagContinuationEndHeaders))
}

// block decodes a part of a header block.
func (c *h2conn) block(p []byte, last bool) error {
	h := &c.head
	if h.octets += len(p); h.octets > h2MaxBlock {
		return &h2Error{http2.ErrCodeEnhanceYourCalm, tooLarge("header block over 256 KiB")}
	}
	if _, err := c.dec.Write(p); err != nil {
		return &h2Error{http2.ErrCodeCompression, malformed("bad header block: " + err.Error())}
	}
	if !last {
		return nil
	}
	if err := c.dec.Close(); err != nil {
		return &h2Error{http2.ErrCodeCompression, malformed("bad header block: " + err.Error())}
	}
	h.active = false
	c.mu.Lock()
	s := c.open[h.id]
	if s == nil {
		err := c.gone(h.id)
		c.mu.Unlock()
		if err == nil {
			err = c.meter()
		}
		return err
	}
	defer c.mu.Unlock()
	c.heard = c.rd.last.Load()
	err := s.takeHead(h)
	if err != nil {
		c.condemn(s, err)
	}
	return nil
}

// takeHead is told of a whole header block. Its error ends the stream. c.mu is
// held.
func (s *h2stream) takeHead(h *h2head) error {
	status := h.code()
	switch {
	case h.bad != "":
		return h2Protocol(h.bad)
	case h.over:
		return tooLarge("head over 64 KiB, or too many fields")
	case s.recvEnd:
		return h2Closed("HEADERS after the end of the response")
	case s.gotHead:
		return s.takeTrailer(h)
	case status < 100 || status == 101:
		return h2Protocol("bad status code")
	case status < 200:
		return s.takeInterim(h, status)
	}
	s.bodiless = s.method == "HEAD" || status == 204 || status == 304
	if h.end && h.length > 0 && !s.bodiless && !s.tunnel {
		return h2Protocol("content-length without DATA") // RFC 9113 section 8.1.1
	}
	s.status, s.length, s.gotHead = status, h.length, true
	if s.tunnel && status < 300 {
		s.opened, s.length = true, -1 // RFC 9110 section 9.3.6: such a response has no length
	}
	if status == 204 {
		s.length = -1
	}
	s.header = append(s.header[:0], h.fields...)
	if len(h.names) > 0 && !h.end {
		s.header = append(s.header, hpack.HeaderField{Name: "trailer", Value: strings.Join(h.names, ", ")})
	}
	if h.end {
		s.endOfResponse()
	}
	s.c.wake(s)
	return nil
}

func (s *h2stream) takeInterim(h *h2head, status int) error {
	s.nInterim++
	s.sizeInterim += h.size
	switch {
	case h.end:
		return h2Protocol("interim response that ends the stream")
	case s.nInterim > maxInterim:
		return h2Protocol("too many interim responses")
	case s.sizeInterim > MaxHeadBytes:
		return tooLarge("interim responses over 64 KiB")
	}
	s.interims = append(s.interims, interim{status, append([]hpack.HeaderField(nil), h.fields...)})
	if s.awaited != 0 {
		s.awaited = s.c.clock()
	}
	s.c.wake(s)
	return nil
}

func (s *h2stream) takeTrailer(h *h2head) error {
	switch {
	case h.status != "":
		return h2Protocol("pseudo-header field in trailers")
	case !h.end:
		return h2Protocol("trailers that do not end the stream")
	case s.length >= 0 && s.received < s.length && !s.bodiless:
		return h2Protocol("content-length and DATA differ")
	}
	for _, f := range h.fields {
		if !notInTrailer(f.Name) {
			s.trailer = append(s.trailer, f)
		}
	}
	s.endOfResponse()
	s.c.wake(s)
	return nil
}

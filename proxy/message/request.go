package message

import (
	"sync/atomic"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/field"
)

// Protocols as metrics and logs name them.
const (
	HTTP1 = "http/1.1"
	HTTP2 = "h2"
)

// Request is one request and its response. It belongs to the goroutine that
// answers it, but for the methods that say otherwise.
type Request struct {
	// Owner is what Handler.Open has made the Request a part of. It outlives
	// the request.
	Owner any
	// Client has sent it.
	Client *Client
	// Start is when the head was whole.
	Start time.Time

	Head
	For
	Response

	clock *dateClock
	ex    Exchange
	http1 http1Exchange // ex, of an HTTP/1.1 request

	// expects: the client waits for a 100 before it sends the body.
	expects bool
	// continued: it was told to send it. The body may be read on another
	// goroutine than the answer is written.
	continued atomic.Bool

	limit    int64        // of the body; 0: none. Owned by the reader
	received atomic.Int64 // of the body

	tokens []string             // of the Connection fields
	kept   [4]hpack.HeaderField // what LetGo leaves of Header
}

// Head is the head of a request as the client sent it.
type Head struct {
	Protocol  string // HTTP1 or HTTP2
	Method    string
	Scheme    string // "" where the request names none
	Authority string
	// HasAuthority: there is one, empty or not, that is no Host field.
	HasAuthority bool
	// Absolute: an HTTP/1.1 target in absolute form, beside which Host does
	// not count.
	Absolute bool
	Target   string // path and query
	// Tunnel is the protocol of an Upgrade, or of an extended CONNECT.
	Tunnel string
	// Header has names in lower case. It is the forwarder's to write over, and
	// in the end is what LetGo leaves of it.
	Header []hpack.HeaderField
	// ContentLength is -1 where it is unknown, 0 where there is no content.
	ContentLength int64
	// BodyWhole: reading the body will not block.
	BodyWhole bool
	// Unmet: the client waits for something that nobody here does (RFC 9110
	// section 10.1.1).
	Unmet bool
}

// For is what a request is for, in canonical form. Package gate settles it.
type For struct {
	Host string
	Port uint16 // as the client named it, 0 where it did not
	Path string // with the query
	// RequestEdits are done to the fields that the backend gets, ResponseEdits to
	// those of the response. Their values are settled.
	RequestEdits, ResponseEdits []hostmap.FieldEdit
}

// Response is what has become of a request.
type Response struct {
	// Status is what the client was sent, or what log and metrics say instead.
	Status int
	// Reason is the word for what went wrong, "" for nothing. Err is its cause,
	// where there is more to say.
	Reason string
	Err    error
	// Sent is how many octets of content the client was sent.
	Sent int64
	// GRPCStatus is that of a gRPC call, as far as it is known; "" is not.
	GRPCStatus string
	// HSTS is the value of Strict-Transport-Security that the response has, ""
	// for none.
	HSTS string
	// CORS are the fields by which the response says what scripts of other
	// origins may do, in the place of the backend's own; none without any.
	CORS []hpack.HeaderField
	// Cookie is the value of a Set-Cookie field of ours, "" for none.
	Cookie string
	// Fields are room for the header.
	Fields []hpack.HeaderField
}

// reset makes a request ready for another without giving up its room.
func (r *Request) reset() {
	// What lies behind the length is of no request, and old text would keep
	// whole heads in memory.
	clear(r.Fields[:cap(r.Fields)])
	clear(r.tokens[:cap(r.tokens)])
	clear(r.RequestEdits[:cap(r.RequestEdits)])
	clear(r.ResponseEdits[:cap(r.ResponseEdits)])
	// In place: a literal that names fields of r is made beside it and copied.
	owner, fields, tokens := r.Owner, r.Fields[:0], r.tokens[:0]
	request, response := r.RequestEdits[:0], r.ResponseEdits[:0]
	*r = Request{}
	r.Owner, r.Fields, r.tokens = owner, fields, tokens
	r.RequestEdits, r.ResponseEdits = request, response
}

// Get returns the first value of a field.
func (h *Head) Get(name string) string {
	for i := range h.Header {
		if h.Header[i].Name == name {
			return h.Header[i].Value
		}
	}
	return ""
}

// IsGRPC tells a gRPC call by its content type (gRPC over HTTP/2, "Requests").
func (h *Head) IsGRPC() bool {
	ct := h.Get("content-type")
	const grpc = "application/grpc"
	return len(ct) >= len(grpc) && ct[:len(grpc)] == grpc &&
		(len(ct) == len(grpc) || ct[len(grpc)] == '+' || ct[len(grpc)] == ';')
}

// ByUpgrade tells that the protocol has the Upgrade field, and a WebSocket's
// handshake with it: HTTP/1.1. On HTTP/2 an extended CONNECT stands for both (RFC
// 8441), and any 2xx for the 101.
func (h *Head) ByUpgrade() bool { return h.Protocol == HTTP1 }

// MayHaveTrailer tells whether trailer fields may come behind the body. On
// HTTP/1.1 one of known length has no trailer section.
func (h *Head) MayHaveTrailer() bool { return h.ContentLength < 0 || h.Protocol == HTTP2 }

// NoteConnection notes what the Connection fields name, for [Request.ForHop].
// HTTP/2 has none.
func (r *Request) NoteConnection() {
	if r.Protocol != HTTP1 || len(r.tokens) != 0 {
		return
	}
	for i := range r.Header {
		if r.Header[i].Name != "connection" {
			continue
		}
		for token := range field.List(r.Header[i].Value) {
			r.tokens = append(r.tokens, token)
		}
	}
}

// ForHop tells whether a Connection field names another field, which is for one
// hop alone then. It may be called on any goroutine, behind NoteConnection.
func (r *Request) ForHop(name string) bool {
	for _, t := range r.tokens {
		if field.EqualFold(t, name) {
			return true
		}
	}
	return false
}

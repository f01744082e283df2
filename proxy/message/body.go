package message

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/h2"
)

// ErrBodySize is the error of a body that has turned out larger than LimitBody
// allows.
var ErrBodySize = errors.New("the body is larger than it may be")

// LimitBody has Read fail with ErrBodySize before it returns more than n octets of
// the body; 0 is no limit. It is called before the body is first read.
func (r *Request) LimitBody(n int64) { r.limit = n }

// Read reads the body, or the client's direction of a tunnel, which has no limit.
// Before the first octet a client that waits to be asked is asked (RFC 9110
// section 10.1.1).
func (r *Request) Read(p []byte) (int, error) {
	if r.expects {
		r.expects = false
		r.continued.Store(true)
		_ = r.ex.WriteInterim(http.StatusContinue, nil)
	}
	n, err := r.ex.Read(p)
	if n > 0 && r.received.Add(int64(n)) > r.limit && r.limit > 0 {
		return 0, ErrBodySize
	}
	return n, err
}

// Received is how many octets of content have been read. Any goroutine may ask:
// a body may be sent on while its response is over.
func (r *Request) Received() int64 { return r.received.Load() }

// StopRead ends a Read that waits, and every one after it: a response may come
// before the body's end (RFC 9113 section 8.1). Any goroutine may call it.
func (r *Request) StopRead() { r.ex.StopRead() }

// Trailer is the request's, complete after io.EOF, or at any time where the body
// is whole.
func (r *Request) Trailer() []hpack.HeaderField { return r.ex.Trailer() }

// OnCancel names who is to be told, once, when the client gives up; nil for
// nobody any more.
func (r *Request) OnCancel(c h2.Canceler) { r.ex.OnCancel(c) }

// LetGo keeps of what the client has sent only what answers and logs still ask
// for, and of each text no more octets than most. A client that does not take its
// responses would hold the rest with each of them.
func (r *Request) LetGo(most int) {
	kept := r.kept[:0]
	for i := range r.Header {
		switch f := &r.Header[i]; f.Name {
		case "content-type", "referer", "user-agent", "x-request-id":
			if !slices.ContainsFunc(kept, func(k hpack.HeaderField) bool { return k.Name == f.Name }) {
				kept = append(kept, Field(f.Name, clip(f.Value, most)))
			}
		}
	}
	r.Header = kept
	r.Method, r.Target, r.Path = clip(r.Method, most), clip(r.Target, most), clip(r.Path, most)
	r.ex.ForgetHead()
}

// clip is the first octets of s, in memory of their own where they are not all.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.Clone(s[:most])
}

// WriteInterim sends a 1xx response. Another goroutine than the reader's may call
// it, but not while one of the other methods that write runs.
func (r *Request) WriteInterim(status int, h []hpack.HeaderField) error {
	return r.ex.WriteInterim(status, h)
}

// WriteHeader begins the response of Status, and ends it where end is set.
func (r *Request) WriteHeader(h []hpack.HeaderField, end bool) error {
	return r.ex.WriteHeader(r.Status, h, end)
}

// Write sends response content, or the backend's direction of a tunnel. It
// returns when p may be used again.
func (r *Request) Write(p []byte) (int, error) { return r.ex.Write(p) }

// WriteEnd sends the last of the content, which may be empty.
func (r *Request) WriteEnd(p []byte) error { return r.ex.WriteEnd(p) }

// WriteTrailer ends the response with trailer fields. On HTTP/1.1 a message of
// known length has no trailer section, and RFC 9110 section 6.5.1 lets a
// recipient discard one: they go no further then.
func (r *Request) WriteTrailer(h []hpack.HeaderField) error { return r.ex.WriteTrailer(h) }

// Respond sends a whole response of Status; body may be empty.
func (r *Request) Respond(h []hpack.HeaderField, body []byte) error {
	return r.ex.Respond(r.Status, h, body)
}

// OpenTunnel answers that the tunnel is open, behind which Read and Write carry
// it. Both may run at once.
func (r *Request) OpenTunnel(h []hpack.HeaderField) error {
	r.limit = 0
	if r.ByUpgrade() {
		h = append(h, hpack.HeaderField{Name: "upgrade", Value: r.Tunnel})
		r.Fields = h
		r.Status = http.StatusSwitchingProtocols
	} else {
		r.Status = http.StatusOK
	}
	return r.ex.WriteHeader(r.Status, h, false)
}

// SetClose asks for the connection to be closed after this request, gracefully
// where others are under way.
func (r *Request) SetClose() { r.ex.SetClose() }

// Break gives the request up in a way that the client can tell from an end: we
// are to blame.
func (r *Request) Break() { r.ex.Reset(http2.ErrCodeInternal) }

// Cancel is Break where nobody waits for more.
func (r *Request) Cancel() { r.ex.Reset(http2.ErrCodeCancel) }

// GiveBack tells the client that nobody has processed the request, whatever its
// method: many send it again by themselves (RFC 9113 section 8.7). It is true
// only while they have heard nothing of the request, and HTTP/1.1 cannot say it:
// false then, and nothing is told.
func (r *Request) GiveBack() bool {
	if r.Protocol != HTTP2 || r.continued.Load() {
		return false
	}
	r.ex.Reset(http2.ErrCodeRefusedStream)
	return true
}

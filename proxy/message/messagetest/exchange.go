// Package messagetest stands in for the engines where a test asks what a room makes
// of a request, and not how it is carried.
package messagetest

import (
	"io"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/h2"
	"github.com/ingress421/ingress421/proxy/message"
)

// Exchange keeps what it is answered. The zero Exchange has no body.
type Exchange struct {
	// Body is the request's.
	Body io.Reader

	Status int
	Header []hpack.HeaderField
	Text   strings.Builder
	Closes bool
	Broken bool
}

var _ message.Exchange = (*Exchange)(nil)

// Begin is a request of a client that x carries.
func Begin(x message.Exchange, c *message.Client, head message.Head) *message.Request {
	h := &message.Handler{Open: func(any) *message.Request { return &message.Request{Client: c} }}
	r := h.Begin(nil, x, time.Now())
	r.Head = head
	return r
}

// Get is the value of a field of the response, "" for none.
func (x *Exchange) Get(name string) string {
	for _, f := range x.Header {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// Read implements message.Exchange.
func (x *Exchange) Read(p []byte) (int, error) {
	if x.Body == nil {
		return 0, io.EOF
	}
	return x.Body.Read(p)
}

// Respond implements message.Exchange.
func (x *Exchange) Respond(status int, h []hpack.HeaderField, body []byte) error {
	x.Status, x.Header = status, append([]hpack.HeaderField(nil), h...)
	_, err := x.Text.Write(body)
	return err
}

// RespondBlock implements message.Exchange.
func (x *Exchange) RespondBlock(b *message.Block, more []hpack.HeaderField, body []byte) error {
	return x.Respond(b.Status(), append(append([]hpack.HeaderField(nil), b.Fields()...), more...), body)
}

// WriteHeader implements message.Exchange.
func (x *Exchange) WriteHeader(status int, h []hpack.HeaderField, _ bool) error {
	return x.Respond(status, h, nil)
}

// Write implements message.Exchange.
func (x *Exchange) Write(p []byte) (int, error) { return x.Text.Write(p) }

// WriteEnd implements message.Exchange.
func (x *Exchange) WriteEnd(p []byte) error {
	_, err := x.Text.Write(p)
	return err
}

// Reset implements message.Exchange.
func (x *Exchange) Reset(http2.ErrCode) { x.Broken = true }

// SetClose implements message.Exchange.
func (x *Exchange) SetClose() { x.Closes = true }

// StopRead implements message.Exchange.
func (*Exchange) StopRead() {}

// Trailer implements message.Exchange.
func (*Exchange) Trailer() []hpack.HeaderField { return nil }

// WriteInterim implements message.Exchange.
func (*Exchange) WriteInterim(int, []hpack.HeaderField) error { return nil }

// WriteTrailer implements message.Exchange.
func (*Exchange) WriteTrailer([]hpack.HeaderField) error { return nil }

// OnCancel implements message.Exchange.
func (*Exchange) OnCancel(h2.Canceler) {}

// ForgetHead implements message.Exchange.
func (*Exchange) ForgetHead() {}

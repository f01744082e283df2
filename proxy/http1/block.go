package http1

import (
	"net/http"
	"slices"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/field"
)

// Block is the head of a response that is sent often and never changes, but for
// what a response adds behind it. It is immutable, and may be used on any number of
// connections.
type Block struct {
	status int
	fields []hpack.HeaderField
	text   []byte // status line and fields for a client of HTTP/1.1
	length int64  // that the fields tell, -1 for none
}

// NewBlock makes a Block of a final status that may have content, and of fields as
// WriteHeader takes them, with one content-length at most.
func NewBlock(status int, fields ...hpack.HeaderField) *Block {
	b := &Block{status: status, fields: fields, text: appendStatus(nil, 1, status), length: -1}
	for i := range fields {
		if n, ok := field.Length(fields[i].Value); ok && fields[i].Name == "content-length" {
			b.length = n
		}
		b.text = appendField(b.text, fields[i].Name, fields[i].Value)
	}
	return b
}

// RespondBlock is Respond with a Block, and with fields behind it that tell no
// length.
func (x *Exchange) RespondBlock(b *Block, more []hpack.HeaderField, body []byte) error {
	if x.minor == 0 {
		return x.Respond(b.status, slices.Concat(b.fields, more), body)
	}
	x.skip()
	x.writeMu.Lock()
	defer x.writeMu.Unlock()
	if x.state != responseNone {
		return ErrResponse
	}
	x.bodied, x.length = x.Method != http.MethodHead, b.length
	head := append(x.c.engine.borrow(smallBuffer)[:0], b.text...)
	for i := range more {
		head = appendField(head, more[i].Name, more[i].Value)
	}
	return x.sendWhole(x.appendEnd(head, b.length >= 0, true, len(body)), body)
}

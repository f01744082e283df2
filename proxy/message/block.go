package message

import (
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/h2"
	"github.com/ingress421/ingress421/proxy/http1"
)

// Block is the header of a response of our own that is sent often and never
// changes, ready made for both protocols. It is immutable.
type Block struct {
	h2    *h2.Block
	http1 *http1.Block
}

// NewBlock makes a Block of a final status that may have content, and of fields in
// lower case, with one content-length at most.
func NewBlock(status int, fields ...hpack.HeaderField) *Block {
	return &Block{h2: h2.NewBlock(status, fields...), http1: http1.NewBlock(status, fields...)}
}

// Status returns the response's status.
func (b *Block) Status() int { return b.h2.Status() }

// Fields returns the response's fields, which must not be changed.
func (b *Block) Fields() []hpack.HeaderField { return b.h2.Fields() }

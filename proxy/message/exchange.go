package message

import (
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/h2"
)

// Exchange is one request's body and the means to answer it, as either protocol
// has them. The methods of [Request] of the same names say what they do.
type Exchange interface {
	Read(p []byte) (int, error)
	StopRead()
	Trailer() []hpack.HeaderField
	WriteInterim(status int, h []hpack.HeaderField) error
	WriteHeader(status int, h []hpack.HeaderField, end bool) error
	Respond(status int, h []hpack.HeaderField, body []byte) error
	RespondBlock(b *Block, more []hpack.HeaderField, body []byte) error
	Write(p []byte) (int, error)
	WriteEnd(p []byte) error
	WriteTrailer(h []hpack.HeaderField) error
	Reset(code http2.ErrCode)
	OnCancel(c h2.Canceler)
	SetClose()
	// ForgetHead gives up what the head takes.
	ForgetHead()
}

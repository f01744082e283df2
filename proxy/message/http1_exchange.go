package message

import (
	"errors"
	"os"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/h2"
	"github.com/ingress421/ingress421/proxy/http1"
)

// http1Exchange is an HTTP/1.1 request as an Exchange.
type http1Exchange struct {
	*http1.Exchange
	stall time.Duration
	cut   func(why string)

	// What moves while the client is waited for; each owned by who reads or
	// writes.
	received, sent  int64
	inPace, outPace h2.Pace
}

var _ Exchange = (*http1Exchange)(nil)

// errSlow is the error of a body that moves, but hardly.
var errSlow = errors.New("the client moves its body too slowly")

// Read implements Exchange.
func (e *http1Exchange) Read(p []byte) (int, error) {
	start := time.Now()
	n, err := e.Exchange.Read(p)
	e.received += int64(n)
	switch {
	case err == nil && !e.Begun() && e.inPace.TooSlow(time.Since(start), e.received, h2.LeastRate, e.stall):
		// A request that goes on beside its response may take its time.
		e.cut(h2.WhySlow)
		return n, errSlow
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.cut(h2.WhyStall)
	}
	return n, err
}

// Write implements Exchange.
func (e *http1Exchange) Write(p []byte) (int, error) {
	start := time.Now()
	n, err := e.Exchange.Write(p)
	e.sent += int64(n)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.cut(h2.WhyStall)
	case err == nil && e.outPace.TooSlow(time.Since(start), e.sent, h2.LeastConnRate, e.stall):
		e.cut(h2.WhySlow)
		e.Abort()
		return n, errSlow
	}
	return n, err
}

// RespondBlock implements Exchange.
func (e *http1Exchange) RespondBlock(b *Block, more []hpack.HeaderField, body []byte) error {
	return e.Exchange.RespondBlock(b.http1, more, body)
}

// OnCancel implements Exchange.
func (e *http1Exchange) OnCancel(c h2.Canceler) { e.Exchange.OnCancel(c) }

// Reset implements Exchange.
func (e *http1Exchange) Reset(http2.ErrCode) { e.Abort() }

// ForgetHead implements Exchange. The head is the connection's, for the next
// request.
func (e *http1Exchange) ForgetHead() {}

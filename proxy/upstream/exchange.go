package upstream

import (
	"errors"
	"io"

	"golang.org/x/net/http2/hpack"
)

// Exchange is one request to a backend and its response. Only Cancel may be
// called from another goroutine than the one that called Pool.Start.
type Exchange struct {
	// Status is the final status, 101 or 200 to 999. Set by Do.
	Status int
	// Header holds the response's fields, in order, with lower-case names,
	// without content-length and what is for one hop only. Valid until Close.
	Header []hpack.HeaderField
	// ContentLength is what the response declares, -1 if nothing. For HEAD and
	// 304 it is that of a body that does not come.
	ContentLength int64

	call  call
	by    carrier // one of the two below; nil before one is chosen
	http1 http1Exchange
	h2    h2Exchange
}

// carrier carries a request to a backend and its response back: an exchange of
// HTTP/1.1 or of HTTP/2. Its errors are made by call.fail.
type carrier interface {
	// do sends the request, and returns with the head of the response.
	do(r *Request) error
	// answer is the final response's head, after do.
	answer() (status int, fields []hpack.HeaderField, contentLength int64)
	// whole, read and trailers are Exchange's.
	whole() ([]byte, bool)
	read(p []byte) (int, error)
	trailers() []hpack.HeaderField
	// upgraded is Exchange's, after status 101.
	upgraded() io.ReadWriteCloser
	// close lets go of the connection, the memory and the request's body.
	close()
}

// Start returns an Exchange for one request. It must be closed.
func (p *Pool) Start() *Exchange {
	e, ok := p.exchanges.Get().(*Exchange)
	if !ok {
		e = new(Exchange)
		e.http1.call, e.h2.call = &e.call, &e.call
	}
	e.call.pool = p
	return e
}

// Do sends the request and returns when the response head is there, with Status,
// Header and ContentLength set. It is called once. Errors are of type *Error.
func (e *Exchange) Do(r *Request) error {
	if err := r.check(); err != nil {
		return e.call.fail(Error{Reason: ReasonBadRequest, Err: err})
	}
	e.call.begin(r)
	p := e.call.pool
	var err error
	switch p.way(r) {
	case wayNone:
		return e.call.fail(Error{Reason: ReasonNoUpgrade, Err: errNoUpgrade})
	case wayHTTP1:
		e.http1.only = true
		err = e.carry(&e.http1, r)
		if err == errNoHTTP1 && r.isWebSocket() {
			err = errSpeaksH2
		} else if err == errNoHTTP1 {
			err = e.call.fail(Error{Reason: refusal(r), Err: err})
		}
	case wayHTTP1First:
		err = e.carry(&e.http1, r)
	case wayHTTP2First:
		err = e.carry(&e.h2, r)
	}
	// Neither client has touched the request's body when it finds that the
	// backend chooses the other's protocol.
	if err == errSpeaksH2 {
		err = e.carry(&e.h2, r)
	}
	if other, ok := errors.AsType[*speaksHTTP1](err); ok {
		e.http1.only, e.http1.given = true, other.given
		err = e.carry(&e.http1, r)
	}
	return err
}

// refusal is the reason where a request that only HTTP/1.1 can carry meets a backend
// that does not speak it.
func refusal(r *Request) string {
	if r.Upgrade != "" {
		return ReasonNoUpgrade
	}
	return ReasonTLS
}

// carry has the request carried by one of the two clients.
func (e *Exchange) carry(by carrier, r *Request) error {
	if e.by != nil {
		e.by.close()
	}
	e.by = by
	if err := by.do(r); err != nil {
		return err
	}
	e.Status, e.Header, e.ContentLength = by.answer()
	return nil
}

// Whole returns the rest of the body if all of it is in memory: then head and
// body can go on in one write, and Trailer is valid. The bytes are valid until
// Close, and are not for Read any more.
func (e *Exchange) Whole() (body []byte, ok bool) { return e.by.whole() }

// Read reads the body. The last bytes come with io.EOF where that is known.
// Any other error is an *Error, and the response must then not be ended as if
// it were whole.
func (e *Exchange) Read(p []byte) (int, error) {
	if e.call.err != nil {
		return 0, e.call.err
	}
	return e.by.read(p)
}

// Trailer returns the response's trailer fields, after Read returned io.EOF or
// Whole returned true. Fields that must not be in a trailer section are left out.
func (e *Exchange) Trailer() []hpack.HeaderField { return e.by.trailers() }

// Upgraded returns the connection after status 101, or the stream of an extended
// CONNECT, beginning with what the
// backend has sent already; nil without 101. It has no deadlines. One goroutine
// may read while another writes. Cancel and Close of the Exchange close it.
func (e *Exchange) Upgraded() io.ReadWriteCloser {
	if e.Status != 101 {
		return nil
	}
	return e.by.upgraded()
}

// Cancel ends the exchange at once, in whatever state it is: dialling, writing
// or reading fails with ReasonCanceled. It may be called from any goroutine and
// more than once, but not after Close was called: Exchanges are used again.
func (e *Exchange) Cancel() { e.call.cancel() }

// Close ends the exchange. If the response was not read to its end its
// connection is closed. When Close returns the request's Body is not used any
// more.
func (e *Exchange) Close() {
	if e.by != nil {
		e.by.close()
	}
	exchanges := &e.call.pool.exchanges
	e.call.reset()
	e.Status, e.Header, e.ContentLength, e.by = 0, nil, 0, nil
	exchanges.Put(e)
}

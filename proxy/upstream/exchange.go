package upstream

import (
	"context"
	"io"
	"sync"
	"time"

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

	pool *Pool

	mu       sync.Mutex
	canceled bool               // guarded by mu
	live     io.Closer          // guarded by mu; what Cancel closes
	stop     context.CancelFunc // guarded by mu; ends dialling

	// The rest is owned by the caller's goroutine.

	readTimeout, sendTimeout, connectTimeout time.Duration

	c       *conn // nil before connecting and when all of the response is in memory
	keep    bool  // c may be used again
	in, out *buffer
	head    head
	stream  io.Reader // the body, or the rest of it, that does not travel with the head
	touched bool      // the Request's Body was read, or is about to be
	send    *sender   // of stream
	given   *conn     // to connect with
	only1   bool      // no other protocol will do
	h2      *h2stream // of HTTP/2
	up      *upload   // the request's body on HTTP/2, nil without one

	mode    bodyMode
	left    int64 // of the body, or of the chunk
	chunk   chunkState
	scanned int  // of a head or trailer section looked through for its end
	done    bool // the rest of the body is in[r:w]
	trailer []hpack.HeaderField
	err     *Error // of a body that failed
	login   loginState
}

// bodyMode is how the end of a response body is known (RFC 9112 section 6.3).
type bodyMode uint8

const (
	bodyNone bodyMode = iota
	bodyLength
	bodyChunked
	bodyClose
	bodyUpgraded // no body: the connection is the caller's
)

// Do sends the request and returns when the response head is there, with Status,
// Header and ContentLength set. It is called once. Errors are of type *Error.
func (e *Exchange) Do(r *Request) error {
	if err := r.check(); err != nil {
		return e.fail(ReasonBadRequest, err, false)
	}
	cfg := &e.pool.client.cfg
	e.connectTimeout = either(r.ConnectTimeout, cfg.ConnectTimeout)
	e.readTimeout = either(r.ReadTimeout, cfg.ReadTimeout)
	e.sendTimeout = either(r.SendTimeout, cfg.SendTimeout)
	e.pool = e.pool.named(r.ServerName)
	switch {
	case e.pool.h2 == nil:
		return e.doHTTP1(r)
	case r.Upgrade != "" && e.pool.target.Protocol != HTTPS:
		return e.fail(ReasonReset, errNoUpgrade, false)
	case r.Upgrade != "", e.pool.target.Protocol == HTTPS && (r.speaks() != speechNone || r.Login.Holds(e.pool, r)):
		// HTTP/2 has no Upgrade, and its connections are not one client's to log
		// in on.
		e.only1 = true
		return e.doHTTP1(r)
	case e.pool.tls != nil && alpn(e.pool.alpn.Load()) == alpnHTTP1:
		if err := e.doHTTP1(r); err != errSpeaksH2 {
			return err
		}
	}
	err := e.doH2(r)
	if err == errSpeaksHTTP1 {
		e.only1 = true
		return e.doHTTP1(r)
	}
	return err
}

func either(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// Whole returns the rest of the body if all of it is in memory: then head and
// body can go on in one write, and Trailer is valid. The bytes are valid until
// Close, and are not for Read any more.
func (e *Exchange) Whole() (body []byte, ok bool) {
	if e.h2 != nil {
		return e.wholeH2()
	}
	if !e.done {
		return nil, false
	}
	if e.in == nil {
		return nil, true
	}
	body = e.in.b[e.in.r:e.in.w]
	e.in.r = e.in.w
	return body, true
}

// Read reads the body. The last bytes come with io.EOF where that is known.
// Any other error is an *Error, and the response must then not be ended as if
// it were whole.
func (e *Exchange) Read(p []byte) (int, error) {
	if e.h2 != nil {
		return e.readH2(p)
	}
	return e.readHTTP1(p)
}

// Trailer returns the response's trailer fields, after Read returned io.EOF or
// Whole returned true. Fields that must not be in a trailer section are left out.
func (e *Exchange) Trailer() []hpack.HeaderField { return e.trailer }

// Upgraded returns the connection after status 101, beginning with what the
// backend has sent already; nil without 101. It has no deadlines. One goroutine
// may read while another writes. Cancel and Close of the Exchange close it.
func (e *Exchange) Upgraded() io.ReadWriteCloser {
	if e.mode != bodyUpgraded {
		return nil
	}
	return (*tunnel)(e)
}

// Cancel ends the exchange at once, in whatever state it is: dialling, writing
// or reading fails with ReasonCanceled. It may be called from any goroutine and
// more than once, but not after Close was called: Exchanges are used again.
func (e *Exchange) Cancel() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.canceled = true
	if e.stop != nil {
		e.stop()
	}
	if e.live != nil {
		// Under mu, so that it cannot be another exchange's by now.
		_ = e.live.Close()
	}
}

// Close ends the exchange. If the response was not read to its end its
// connection is closed. When Close returns the request's Body is not used any
// more.
func (e *Exchange) Close() {
	if e.h2 != nil {
		e.leaveH2()
	}
	if e.up != nil {
		e.up.release()
	}
	if e.given != nil {
		_ = e.given.nc.Close()
	}
	if e.c != nil {
		e.drop()
	}
	if e.send != nil {
		e.send.stop()
	}
	buffers := &e.pool.client.buffers
	buffers.put(e.in)
	buffers.put(e.out)
	exchanges := &e.pool.client.exchanges
	e.mu.Lock()
	e.canceled, e.live, e.stop = false, nil, nil
	e.mu.Unlock()
	e.Status, e.Header, e.ContentLength = 0, nil, 0
	e.pool, e.c, e.in, e.out, e.stream, e.send = nil, nil, nil, nil, nil, nil
	e.given, e.only1, e.h2, e.up = nil, false, nil, nil
	e.touched, e.keep, e.done, e.scanned, e.trailer, e.err = false, false, false, 0, nil, nil
	e.mode, e.left, e.chunk = bodyNone, 0, chunkSize
	e.login = loginState{}
	exchanges.Put(e)
}

// attach makes live, and what stop ends, reachable for Cancel. It returns false if
// Cancel was called before.
func (e *Exchange) attach(live io.Closer, stop context.CancelFunc) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.live, e.stop = live, stop
	return !e.canceled
}

func (e *Exchange) isCanceled() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.canceled
}

// drop closes the connection.
func (e *Exchange) drop() {
	e.attach(nil, nil)
	_ = e.c.nc.Close()
	e.c = nil
}

// fail closes the connection and makes the error. What another goroutine did to
// the connection explains the error better than what the connection says.
func (e *Exchange) fail(reason string, err error, sent bool) error {
	if e.c != nil {
		e.drop()
	}
	if e.send != nil {
		if failed := e.send.failed.Load(); failed != nil {
			reason, err = failed.Reason, failed.Err
		}
	}
	if e.isCanceled() {
		reason, err = ReasonCanceled, errCanceled
	}
	e.err = &Error{Reason: reason, Err: err, Sent: sent, BodyRead: e.touched || e.up.touched()}
	return e.err
}

// failSilent is fail of a request that was sent, when nothing of a response had
// come.
func (e *Exchange) failSilent(reason string, err error) error {
	_ = e.fail(reason, err, true)
	e.err.Silent = e.err.Reason == ReasonReset
	return e.err
}

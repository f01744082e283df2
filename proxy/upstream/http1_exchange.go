package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"time"

	"golang.org/x/net/http2/hpack"
)

// http1Exchange is an exchange that HTTP/1.1 carries. It has a connection for
// itself until all of the response is in memory.
type http1Exchange struct {
	call *call // immutable

	only  bool       // nothing but HTTP/1.1 may be offered to the backend
	given *http1Conn // to connect with; nil: another

	c        *http1Conn // nil before connecting and when all of the response is in memory
	keep     bool       // c may be used again
	request  http1Request
	response http1Response
	login    loginState
}

// outcome of one attempt.
type outcome uint8

const (
	settled outcome = iota // done, or failed for good
	again                  // nothing of it can have been processed: repeat it
)

// maxAttempts is how many connections one request may be written to. The second
// is always a fresh one; should that be closed as provably unread, one more is
// worth it.
const maxAttempts = 3

// do is Exchange.Do, or errSpeaksH2 if the backend chooses that, or errNoHTTP1.
func (e *http1Exchange) do(r *Request) error {
	e.login = loginState{holder: r.Login, words: r.speaks(), host: r.Host}
	e.response.buffers, e.response.timeout = &e.call.pool.buffers, e.call.readTimeout
	for n := range maxAttempts {
		result, err := e.attempt(r, r.Fresh || n > 0 || e.given != nil, n == maxAttempts-1)
		e.only = true // what was read of the body is not for another protocol
		if result == settled {
			return err
		}
	}
	return nil // not reached: the last attempt settles it
}

// attempt sends what compose makes over one connection, and reads the head. The
// body is not touched before there is a connection, so that a request which this
// endpoint does not even accept may be given to another. The last attempt
// settles the matter.
func (e *http1Exchange) attempt(r *Request, fresh, last bool) (outcome, error) {
	now, used, err := e.connect(r, fresh)
	if err != nil {
		return settled, err
	}
	if e.login.words != speechNone {
		e.c.spoken = true
	}
	q := &e.request
	if q.out == nil {
		if err := q.compose(r, &e.call.pool.buffers); err != nil {
			return settled, e.fail(ReasonBodyAborted, err, false)
		}
	}
	n, err := e.write(r, now)
	switch {
	case err == nil:
	case isTimeout(err):
		return settled, e.fail(ReasonSendTimeout, err, true)
	case used && n == 0 && !e.call.isCanceled():
		e.lose(now, used)
		return again, nil
	}
	// After any other error the backend may have answered before it closed the
	// connection, so the response is looked for all the same.

	// Under load another request can go out meanwhile, and the read below finds
	// its bytes there: two system calls and a wake-up less. Alone, it is free.
	runtime.Gosched()
	e.c.armRead(now, e.call.readTimeout)
	first, err := e.response.readHead(r)
	if err == nil {
		e.beginBody(r)
		return settled, nil
	}
	repeatable := used && q.stream == nil && idempotent(r.Method) && lost(err)
	if first && q.stream == nil && !last && !e.call.isCanceled() && (repeatable || err == io.EOF && e.unread()) {
		e.lose(now, used)
		return again, nil
	}
	failed := e.fail(parseReason(err), err, true)
	failed.Silent = first && failed.Reason == ReasonReset
	return settled, failed
}

// write sends what compose has made, and has the rest of a body follow.
func (e *http1Exchange) write(r *Request, now time.Time) (n int, err error) {
	q := &e.request
	e.c.armWrite(now, e.call.sendTimeout)
	n, err = e.c.nc.Write(q.out.b)
	e.c.wrote = uint64(n)
	e.keep = err == nil
	if err != nil {
		return n, err
	}
	if q.stream != nil {
		q.touched = true
		e.response.sender = sendBody(e.c, q.stream, r, e.call.sendTimeout, &e.call.pool.buffers)
	}
	if r.Body == nil && cap(q.out.b) > smallBuffer {
		// While the backend thinks, a large head is held once: compose can make it
		// again.
		e.call.pool.buffers.put(q.out)
		q.out = nil
	}
	return n, nil
}

// lose drops a connection that has turned out to be lost.
func (e *http1Exchange) lose(now time.Time, used bool) {
	if used {
		e.call.pool.http1.learn(now, now.Sub(e.c.idleSince))
	}
	e.drop()
}

// resetWait is how long a reset may be on its way: a round trip to the backend.
const resetWait = 50 * time.Millisecond

// unread reports that the backend had closed the connection before any of the
// request came to it. The connection has just been found closed.
func (e *http1Exchange) unread() bool {
	for until := time.Now().Add(resetWait); ; time.Sleep(time.Millisecond) {
		switch e.c.delivered() {
		case unread:
			return true
		case unknown:
			return false
		}
		if e.call.isCanceled() || time.Now().After(until) {
			return false
		}
	}
}

// lost tells the end of a connection from other errors.
func lost(err error) bool {
	var malformed malformed
	return !isTimeout(err) && !errors.As(err, &malformed)
}

// connect sets e.c to an idle connection, or else to a new one. now is the time
// after that.
func (e *http1Exchange) connect(r *Request, fresh bool) (now time.Time, used bool, err error) {
	now = time.Now()
	if !fresh {
		strict := !idempotent(r.Method) || !r.inHand()
		if e.c = r.Login.take(e.call.pool, r, e.login.words, now, strict); e.c == nil {
			e.c = e.call.pool.http1.take(now, strict)
		}
	}
	if used = e.c != nil; !used {
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		if !e.call.attach(nil, stop) {
			return now, false, e.fail(ReasonCanceled, errCanceled, false)
		}
		if e.c, err = e.dial(ctx); err == errSpeaksH2 || err == errNoHTTP1 {
			return now, false, err
		} else if err != nil {
			return now, false, e.fail(dialReason(err), err, false)
		}
		now = time.Now()
	}
	e.response.c = e.c
	if !e.call.attach(e.c.nc, nil) {
		return now, used, e.fail(ReasonCanceled, errCanceled, false)
	}
	return now, used, nil
}

// dial opens a connection, or takes the one that is there already. A backend that
// has come to choose HTTP/2 is believed, by errSpeaksH2.
func (e *http1Exchange) dial(ctx context.Context) (c *http1Conn, err error) {
	if e.given != nil {
		c, e.given = e.given, nil
		return c, nil
	}
	p := e.call.pool
	var nc net.Conn
	h2 := false
	if e.only {
		nc, err = p.dialer.dialHTTP1(ctx, e.call.connectTimeout)
	} else {
		nc, h2, err = p.dialer.dialEither(ctx, e.call.connectTimeout)
	}
	switch {
	case err != nil:
		return nil, err
	case h2:
		p.h2.add(nc, nil)
		return nil, errSpeaksH2
	}
	return newHTTP1Conn(nc), nil
}

// beginBody is called when the final response's head is there.
func (e *http1Exchange) beginBody(r *Request) {
	// Nothing is sent again now, and the client may take its time to read.
	e.call.pool.buffers.put(e.request.out)
	e.request.out = nil
	s := &e.response
	s.beginBody(r.Method)
	e.keep = e.keep && s.head.keepAlive && s.mode != bodyClose
	if s.head.speaks {
		e.c.spoken = true
	}
	if s.head.status == 401 && e.login.words != speechNone {
		e.login.midway = handshakeOf(r)
	}
	if s.done {
		e.finish()
	}
}

// finish gives the connection back: all of the response is in memory.
func (e *http1Exchange) finish() {
	c, s := e.c, &e.response
	e.c = nil
	sent := s.sender == nil || s.sender.settle()
	ok := e.call.attach(nil, nil) && e.keep && sent && !s.excess
	switch {
	case ok && c.spoken:
		e.login.holder.keep(heldConn{c, e.call.pool, e.login.host, e.login.midway}, time.Now(), s.head.keepFor)
	case ok:
		e.call.pool.http1.put(c, time.Now(), s.head.keepFor)
	default:
		_ = c.nc.Close()
	}
}

func (e *http1Exchange) answer() (status int, fields []hpack.HeaderField, contentLength int64) {
	h := &e.response.head
	return h.status, h.fields, h.contentLength
}

func (e *http1Exchange) whole() ([]byte, bool) { return e.response.whole() }

func (e *http1Exchange) read(p []byte) (int, error) {
	n, err := e.response.read(p)
	switch {
	case e.response.done && e.c != nil:
		e.finish()
	case err != nil && err != io.EOF:
		return n, e.fail(parseReason(err), err, true)
	}
	return n, err
}

func (e *http1Exchange) trailers() []hpack.HeaderField { return e.response.chunks.trailer }

// upgraded is the connection after 101.
func (e *http1Exchange) upgraded() io.ReadWriteCloser { return (*http1Tunnel)(&e.response) }

func (e *http1Exchange) close() {
	if e.given != nil {
		_ = e.given.nc.Close()
	}
	if e.c != nil {
		e.drop()
	}
	s := &e.response
	if s.sender != nil {
		s.sender.stop()
	}
	buffers := &e.call.pool.buffers
	buffers.put(s.in)
	buffers.put(e.request.out)
	e.only, e.given, e.keep = false, nil, false
	e.request, e.login = http1Request{}, loginState{}
	s.reset()
}

// drop closes the connection.
func (e *http1Exchange) drop() {
	e.call.attach(nil, nil)
	_ = e.c.nc.Close()
	e.c = nil
}

// fail closes the connection and makes the error. What the sender did to the
// connection explains the error better than what the connection says.
func (e *http1Exchange) fail(reason string, err error, sent bool) *Error {
	if e.c != nil {
		e.drop()
	}
	if s := e.response.sender; s != nil {
		if failed := s.failed.Load(); failed != nil {
			reason, err = failed.Reason, failed.Err
		}
	}
	return e.call.fail(Error{Reason: reason, Err: err, Sent: sent, BodyRead: e.request.touched})
}

package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"time"

	"github.com/ingress421/ingress421/proxy/field"
)

// outcome of one attempt.
type outcome uint8

const (
	settled outcome = iota // done, or failed for good
	again                  // nothing of it can have been processed: repeat it
)

// doHTTP1 is Do over a connection of our own.
func (e *Exchange) doHTTP1(r *Request) error {
	e.login = loginState{holder: r.Login, words: r.speaks(), host: r.Host}
	for n := range maxAttempts {
		result, err := e.attempt(r, r.Fresh || n > 0 || e.given != nil, n == maxAttempts-1)
		e.only1 = true // what was read of the body is not for another protocol
		if result == settled {
			return err
		}
	}
	return nil // not reached: the last attempt settles it
}

// maxAttempts is how many connections one request may be written to. The second
// is always a fresh one; should that be closed as provably unread, one more is
// worth it.
const maxAttempts = 3

// attempt sends what compose makes over one connection, and reads the head. The
// body is not touched before there is a connection, so that a request which this
// endpoint does not even accept may be given to another. The last attempt
// settles the matter.
func (e *Exchange) attempt(r *Request, fresh, last bool) (outcome, error) {
	now, used, err := e.connect(r, fresh)
	if err != nil {
		return settled, err
	}
	if e.login.words != speechNone {
		e.c.spoken = true
	}
	if e.out == nil {
		if err := e.compose(r); err != nil {
			return settled, err
		}
	}
	repeatable := e.stream == nil && idempotent(r.Method)
	e.c.armWrite(now, e.sendTimeout)
	n, err := e.c.nc.Write(e.out.b)
	e.c.wrote = uint64(n)
	e.keep = err == nil
	switch {
	case err == nil:
		if e.stream != nil {
			e.startSender(r)
		}
		if r.Body == nil && cap(e.out.b) > smallBuffer {
			// While the backend thinks, a large head is held once: compose can
			// make it again.
			e.pool.client.buffers.put(e.out)
			e.out = nil
		}
	case isTimeout(err):
		return settled, e.fail(ReasonSendTimeout, err, true)
	case used && n == 0 && !e.isCanceled():
		e.pool.learn(now, now.Sub(e.c.idleSince))
		e.drop()
		return again, nil
	}
	// After any other error the backend may have answered before it closed the
	// connection, so the response is looked for all the same.

	// Under load another request can go out meanwhile, and the read below finds
	// its bytes there: two system calls and a wake-up less. Alone, it is free.
	runtime.Gosched()
	e.c.armRead(now, e.readTimeout)
	first, err := e.readHead(r)
	if err == nil {
		e.beginBody(r)
		return settled, nil
	}
	if first && e.stream == nil && !last && !e.isCanceled() &&
		(used && repeatable && lost(err) || err == io.EOF && e.refused()) {
		if used {
			e.pool.learn(now, now.Sub(e.c.idleSince))
		}
		e.drop()
		return again, nil
	}
	if first {
		return settled, e.failSilent(parseReason(err), err)
	}
	return settled, e.fail(parseReason(err), err, true)
}

// resetWait is how long a reset may be on its way: a round trip to the backend.
const resetWait = 50 * time.Millisecond

// refused reports that the backend had closed the connection before any of the
// request came to it. The connection has just been found closed.
func (e *Exchange) refused() bool {
	for until := time.Now().Add(resetWait); ; time.Sleep(time.Millisecond) {
		switch e.c.delivered() {
		case refused:
			return true
		case unknown:
			return false
		}
		if e.isCanceled() || time.Now().After(until) {
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
func (e *Exchange) connect(r *Request, fresh bool) (now time.Time, used bool, err error) {
	now = time.Now()
	if !fresh {
		strict := !idempotent(r.Method) || !r.inHand()
		if e.c = r.Login.take(e.pool, r, e.login.words, now, strict); e.c == nil {
			e.c = e.pool.take(now, strict)
		}
	}
	if used = e.c != nil; !used {
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		if !e.attach(nil, stop) {
			return now, false, e.fail(ReasonCanceled, errCanceled, false)
		}
		if e.c, err = e.dial(ctx); err == errSpeaksH2 {
			return now, false, err
		} else if err != nil {
			return now, false, e.fail(dialReason(err), err, false)
		}
		now = time.Now()
	}
	if !e.attach(e.c.nc, nil) {
		return now, used, e.fail(ReasonCanceled, errCanceled, false)
	}
	return now, used, nil
}

// dial opens a connection, or takes the one that is there already.
func (e *Exchange) dial(ctx context.Context) (c *conn, err error) {
	switch {
	case e.given != nil:
		c, e.given = e.given, nil
		return c, nil
	case e.pool.tls != nil:
		return e.pool.dialHTTP1(ctx, e.connectTimeout, e.only1)
	}
	return e.pool.dial(ctx, e.connectTimeout)
}

func dialReason(err error) string {
	var ne net.Error
	var he *handshakeError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return ReasonConnectTimeout
	case errors.As(err, &he), errors.Is(err, errNoHTTP2):
		return ReasonTLS
	}
	return ReasonConnect
}

// readHead reads heads until a final one (or 101), and has the others passed
// on. first says that an error came before any byte did.
func (e *Exchange) readHead(r *Request) (first bool, err error) {
	if e.in == nil {
		e.in = e.pool.client.buffers.get(smallBuffer)
	}
	for interim, size := 0, 0; ; interim++ {
		if err := e.awaitHead(); err != nil {
			return interim == 0 && e.in.w == 0, err
		}
		n, err := e.head.parse(e.in.b[e.in.r:e.in.w])
		if err != nil {
			return false, err
		}
		if n > MaxHeadBytes {
			return false, tooLarge("head over 64 KiB")
		}
		e.in.r += n
		if e.head.status >= 200 {
			return false, nil
		}
		if e.head.status == 101 {
			switch {
			case r.Upgrade == "" || !field.EqualFold(e.head.upgrade, strings.ToLower(r.Upgrade)):
				return false, malformed("switched to a protocol that was not asked for")
			case e.send != nil && !e.send.settle():
				return false, malformed("switched protocols before it had the whole request")
			}
			return false, nil
		}
		size += n
		switch {
		case interim == maxInterim:
			return false, malformed("too many interim responses")
		case size > MaxHeadBytes:
			return false, tooLarge("interim responses over 64 KiB")
		}
		if r.Interim != nil {
			r.Interim(e.head.status, e.head.fields)
		}
		e.c.armRead(time.Now(), e.readTimeout)
	}
}

// awaitHead reads until a whole head is in e.in.
func (e *Exchange) awaitHead() error {
	e.scanned = 0
	for {
		held := e.in.b[e.in.r:e.in.w]
		found, next := headEnd(held, e.scanned)
		switch {
		case found:
			return nil
		case len(held) >= MaxHeadBytes:
			return tooLarge("head over 64 KiB")
		}
		e.scanned = next
		if err := e.fill(); err != nil {
			return err
		}
	}
}

// fill reads once into e.in, under the deadline in force.
func (e *Exchange) fill() error {
	e.pool.client.buffers.room(e.in)
	n, err := e.receive(e.in.b[e.in.w:])
	e.in.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// receive reads from the connection. While the request body is still on its
// way, and for ReadTimeout after that, waiting is not the backend's fault.
func (e *Exchange) receive(p []byte) (int, error) {
	for {
		n, err := e.c.nc.Read(p)
		if n > 0 || err == nil || e.send == nil || !isTimeout(err) {
			return n, err
		}
		now := time.Now()
		wait := e.send.patience(now, e.readTimeout)
		if wait <= 0 {
			return 0, err
		}
		e.c.reads = now.Add(wait)
		_ = e.c.nc.SetReadDeadline(e.c.reads)
	}
}

// beginBody sets up reading of the body that follows the head just parsed
// (RFC 9112 section 6.3).
func (e *Exchange) beginBody(r *Request) {
	// Nothing is sent again now, and the client may take its time to read.
	e.pool.client.buffers.put(e.out)
	e.out = nil
	h := &e.head
	e.Status, e.Header, e.ContentLength = h.status, h.fields, h.contentLength
	e.keep = e.keep && h.keepAlive
	if h.speaks {
		e.c.spoken = true
	}
	if h.status == 401 && e.login.words != speechNone {
		e.login.midway = handshakeOf(r)
	}
	switch {
	case h.status == 101:
		e.mode = bodyUpgraded
		_ = e.c.nc.SetDeadline(time.Time{})
		return
	case h.status == 204:
		e.ContentLength = -1
		fallthrough
	case h.status == 304, r.Method == "HEAD":
		e.mode, e.left = bodyNone, 0
	case h.chunked:
		e.mode, e.chunk = bodyChunked, chunkSize
		if e.decodeHeld() {
			e.finish()
		}
		return
	case h.contentLength >= 0:
		e.mode, e.left = bodyLength, h.contentLength
	default:
		e.mode, e.keep = bodyClose, false
		return
	}
	if held := int64(e.in.w - e.in.r); held >= e.left {
		e.cutAt(e.in.r + int(e.left))
		e.finish()
	}
}

// cutAt says where the response ends. A backend that sent more than that cannot
// be followed: its next response might be anything.
func (e *Exchange) cutAt(end int) {
	if e.in.w > end {
		e.keep = false
	}
	e.in.w = end
}

// finish gives the connection back: all of the response is in memory.
func (e *Exchange) finish() {
	c := e.c
	e.c, e.done = nil, true
	if e.send != nil && !e.send.settle() {
		e.keep = false
	}
	ok := e.attach(nil, nil) && e.keep
	switch {
	case ok && c.spoken:
		e.login.holder.keep(heldConn{c, e.pool, e.login.host, e.login.midway}, time.Now(), e.head.keepFor)
	case ok:
		e.pool.put(c, time.Now(), e.head.keepFor)
	default:
		_ = c.nc.Close()
	}
}

// readHTTP1 is Read.
func (e *Exchange) readHTTP1(p []byte) (int, error) {
	switch {
	case e.err != nil:
		return 0, e.err
	case e.done:
		n := copy(p, e.in.b[e.in.r:e.in.w])
		if e.in.r += n; e.in.r == e.in.w {
			return n, io.EOF
		}
		return n, nil
	case len(p) == 0:
		return 0, nil
	case e.mode == bodyUpgraded:
		return 0, io.EOF
	case e.mode == bodyChunked:
		n, err := e.readChunked(p)
		if err != nil && err != io.EOF {
			return n, e.fail(parseReason(err), err, true)
		}
		return n, err
	}
	if e.mode == bodyLength && int64(len(p)) > e.left {
		p = p[:e.left]
	}
	n, err := e.next(p)
	e.left -= int64(n)
	switch {
	case e.mode == bodyLength && e.left == 0:
		e.finish()
		return n, io.EOF
	case n > 0:
		return n, nil
	case err == io.EOF && e.mode == bodyClose:
		e.finish()
		return 0, io.EOF
	case err == io.EOF:
		err = errTruncated
	}
	return 0, e.fail(parseReason(err), err, true)
}

// next returns what is in the buffer, or else reads from the connection.
func (e *Exchange) next(p []byte) (int, error) {
	if e.in.r < e.in.w {
		n := copy(p, e.in.b[e.in.r:e.in.w])
		e.in.r += n
		return n, nil
	}
	e.c.armRead(time.Now(), e.readTimeout)
	return e.receive(p)
}

// tunnel is the connection after 101.
type tunnel Exchange

func (t *tunnel) Read(p []byte) (int, error) {
	if t.in.r < t.in.w {
		n := copy(p, t.in.b[t.in.r:t.in.w])
		t.in.r += n
		return n, nil
	}
	return t.c.nc.Read(p)
}

func (t *tunnel) Write(p []byte) (int, error) { return t.c.nc.Write(p) }

// CloseWrite tells the backend that no more will come, where that is possible.
func (t *tunnel) CloseWrite() error {
	if half, ok := t.c.nc.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (t *tunnel) Close() error { return t.c.nc.Close() }

package http1

import (
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/owned"
)

// Exchange is one request and the means to answer it. It belongs to its
// connection, which uses it again for the next request: nothing may touch it
// once Engine.Handle has returned. Strings taken from it may be kept.
type Exchange struct {
	// Method, Target and Header are as the client sent them, but for the names
	// of fields, which are in lower case. Target may be of any form (RFC 9112
	// section 3.2).
	Method, Target string
	Header         []hpack.HeaderField
	// ContentLength is -1 for content in chunks, and 0 where there is none.
	ContentLength int64
	// Expect is what an HTTP/1.1 client waits for before it sends its content
	// (RFC 9110 section 10.1.1), "" for nothing.
	Expect string

	c     *Conn
	minor int  // of HTTP/1.minor
	last  bool // the client has said that it asks for nothing else

	// Owned by Serve while it reads the head.
	lineStart int       // where the line begins that is not whole
	headBy    time.Time // when the head must be whole; zero: its time has not begun
	status    int       // how to refuse it; 0: it is a request
	why       string

	body body

	readMu  sync.Mutex
	reading bool // Read was called; guarded by readMu
	stopped bool // no more reading; guarded by readMu
	raw     bool // behind a 101; guarded by readMu

	writeMu owned.Mutex
	state   responseState // guarded by writeMu
	keep    bool          // the connection may go on; guarded by writeMu
	failed  string        // why the connection is of no more use; guarded by writeMu
	chunked bool          // the response is; guarded by writeMu
	bodied  bool          // the response may have content; guarded by writeMu
	length  int64         // what is still to come of the response's content, -1: not known; guarded by writeMu

	cancelMu sync.Mutex
	canceler Canceler // guarded by cancelMu
	gone     bool     // the client has; guarded by cancelMu
}

// Canceler is told, once, that nobody waits for an answer any more.
type Canceler interface{ Cancel() }

// begin makes the exchange ready for another request.
func (x *Exchange) begin() {
	header := x.Header
	clear(header)
	if cap(header) > keptFields {
		header = nil
	}
	x.Method, x.Target, x.Header, x.ContentLength, x.Expect = "", "", header[:0], 0, ""
	x.last = false
	x.minor, x.lineStart, x.headBy, x.status, x.why = 1, 0, time.Time{}, 0, ""
	x.body.begin(0)
	if x.stopped {
		x.c.readBy = time.Time{} // the deadline is of the past
	}
	x.reading, x.stopped, x.raw = false, false, false
	x.state, x.keep, x.failed, x.chunked, x.bodied, x.length = responseNone, false, "", false, false, -1
	x.canceler, x.gone = nil, false
}

func (x *Exchange) refuse(status int, why, msg string) error {
	x.status, x.why, x.keep = status, why, false
	return malformed(msg)
}

// Conn returns the connection.
func (x *Exchange) Conn() *Conn { return x.c }

// AtLeast11 tells whether the client knows HTTP/1.1: chunks, interim responses
// and upgrades.
func (x *Exchange) AtLeast11() bool { return x.minor >= 1 }

// StallTimeout is how long a body may stand still on the connection.
func (x *Exchange) StallTimeout() time.Duration { return x.c.limits.StallTimeout }

// SetClose ends the connection after this response. It has an effect before
// the response's head is written.
func (x *Exchange) SetClose() {
	x.writeMu.Lock()
	x.keep = false
	x.writeMu.Unlock()
}

// OnCancel names who is to be told, once, when the client goes away; nil for
// nobody any more. One that has gone already is told of at once.
func (x *Exchange) OnCancel(c Canceler) {
	x.cancelMu.Lock()
	defer x.cancelMu.Unlock()
	x.canceler = c
	if x.gone && c != nil {
		c.Cancel()
	}
}

func (x *Exchange) cancel() {
	x.cancelMu.Lock()
	defer x.cancelMu.Unlock()
	x.gone = true
	if x.canceler != nil {
		x.canceler.Cancel()
	}
}

// finish breaks off a response that has not been ended.
func (x *Exchange) finish() {
	x.writeMu.Lock()
	ended := x.state == responseEnded
	x.writeMu.Unlock()
	if !ended {
		x.Abort()
	}
}

// Abort gives the exchange up in a way that the client can tell from an end.
func (x *Exchange) Abort() {
	x.writeMu.Lock()
	x.state, x.keep = responseEnded, false
	if x.failed == "" {
		x.failed = ClosedEnded
	}
	x.writeMu.Unlock()
	// Content that is ended by the connection's end (RFC 9112 section 6.3) is
	// told apart by a reset alone.
	socket := bottom(x.c.nc)
	if l, ok := socket.(interface{ SetLinger(sec int) error }); ok {
		_ = l.SetLinger(0)
	}
	_ = socket.Close()
}

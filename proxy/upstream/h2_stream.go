package upstream

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/frame"
)

var (
	errLate     = errors.New("the backend takes too long")
	errRefused  = errors.New("refused by the backend (REFUSED_STREAM)")
	errAnswered = errors.New("the response is whole")
)

// h2stream is an exchange on HTTP/2, as its connection sees it. One goroutine
// may send while another receives.
type h2stream struct {
	c                        *h2conn       // immutable
	budget                   *Budget       // immutable
	method                   string        // immutable
	readTimeout, sendTimeout time.Duration // immutable; time-outs, <= 0: none

	// Guarded by c.mu.
	id      uint32
	at      int64     // position of the request's head in what the connection has written
	closed  bool      // both sides have ended, or reset
	err     *Error    // why it is gone
	cond    sync.Cond // a head, a body, an end has come
	wcond   sync.Cond // what was to be sent was
	inWoken bool      // in c.woken
	tunnel  bool      // it is asked for by an extended CONNECT; immutable
	opened  bool      // ... and was granted
	shared  bool      // a goroutine may send on it that outlives the exchange

	// Guarded by c.mu: the response.
	status      int
	header      []hpack.HeaderField
	length      int64 // declared, -1: not
	gotHead     bool
	recvEnd     bool
	bodiless    bool // whatever its fields say
	interims    []interim
	nInterim    int
	sizeInterim int
	trailer     []hpack.HeaderField
	handed      bool // the caller has got the rest of the body at once; owned by it
	in          inflow
	body        spool
	received    int64
	into        []byte // what a Read that waits was given
	got         int    // octets put there
	awaited     int64  // somebody waits for the response since; 0: nobody does

	// Guarded by c.mu: the request.
	out       frame.Sender
	whose     turn
	turnSince int64
	sentEnd   bool
}

// newStream makes a stream for r, which has a reserved place.
func (c *h2conn) newStream(r *Request, read, send time.Duration) *h2stream {
	s, ok := c.streams.Get().(*h2stream)
	if !ok {
		s = new(h2stream)
	}
	*s = h2stream{
		c: c, budget: r.Budget, method: r.Method, readTimeout: read, sendTimeout: send,
		header: s.header[:0], body: spool{parts: s.body.parts[:0]}, length: -1,
	}
	s.in.avail, s.in.size = h2FirstWindow, h2FirstWindow
	s.cond.L, s.wcond.L = &c.mu, &c.mu
	s.out.Init(s)
	return s
}

// fail ends the stream for its owner. Callers hold mu.
func (s *h2stream) fail(e *Error) {
	if s.err == nil {
		s.err = e
	}
	s.c.closeStream(s)
	s.cond.Broadcast()
	s.wcond.Broadcast()
	s.c.out.Wake()
}

// abort is fail, and tells the backend that the response is not wanted any more.
// Callers hold mu, and flush.
func (s *h2stream) abort(e *Error) { s.reset(e, http2.ErrCodeCancel) }

// reset is abort with a code. Callers hold mu, and flush.
func (s *h2stream) reset(e *Error, code http2.ErrCode) {
	if s.closed || s.c.dead != nil {
		return
	}
	if s.id != 0 {
		s.c.appendReset(s.id, code)
	}
	s.fail(e)
}

// Close is what Exchange.Cancel calls, and does not wait for anybody.
func (s *h2stream) Close() error {
	c := s.c
	c.mu.Lock()
	if s.id == 0 { // not yet open
		s.err = &Error{Reason: ReasonCanceled, Err: errCanceled}
		c.out.Wake()
	} else {
		s.abort(&Error{Reason: ReasonCanceled, Err: errCanceled, Sent: true})
		c.flushSoon()
	}
	c.mu.Unlock()
	return nil
}

// end lets go of the stream: its owner does not use it any more.
func (s *h2stream) end() {
	c := s.c
	c.mu.Lock()
	s.abort(&Error{Reason: ReasonCanceled, Err: errCanceled})
	s.body.drop(c.buffers)
	s.shrink()
	keep := !s.inWoken && !s.shared
	claimed := c.claim()
	c.mu.Unlock()
	c.flush(claimed)
	if !keep {
		return
	}
	clear(s.header)
	if cap(s.header) > 64 {
		s.header = nil
	}
	streams := c.streams
	*s = h2stream{header: s.header[:0], body: spool{parts: s.body.parts[:0]}}
	streams.Put(s)
}

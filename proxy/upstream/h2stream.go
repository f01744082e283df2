package upstream

import (
	"errors"
	"io"
	"math"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

var (
	errLate     = errors.New("the backend takes too long")
	errRefused  = errors.New("refused by the backend (REFUSED_STREAM)")
	errAnswered = errors.New("the response is whole")
)

// turn is who must act for a request to go on.
type turn uint8

const (
	turnBackend turn = iota // the request is sent
	turnClient              // more of the request's body must come
	turnSend                // the backend must take what there is of it
)

// h2stream is an exchange on HTTP/2, as its connection sees it. One goroutine
// may send while another receives.
type h2stream struct {
	c          *h2conn       // immutable
	budget     *Budget       // immutable
	method     string        // immutable
	read, send time.Duration // immutable; time-outs, <= 0: none

	// Guarded by c.mu.
	id      uint32
	at      int64     // position of the request's head in what the connection has written
	closed  bool      // both sides have ended, or reset
	err     *Error    // why it is gone
	cond    sync.Cond // a head, a body, an end has come
	wcond   sync.Cond // what was to be sent was
	inWoken bool      // in c.woken
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
	taken       bool // the caller has got the rest of the body at once; owned by it
	in          inflow
	body        spool
	received    int64
	into        []byte // what a Read that waits was given
	got         int    // octets put there
	awaited     int64  // somebody waits for the response since; 0: nobody does

	// Guarded by c.mu: the request.
	out        outflow
	whose      turn
	turnSince  int64
	sentEnd    bool
	sending    bool // pend is to be sent
	pend       h2Part
	queued     bool // in c.sendq
	prev, next *h2stream
}

// patience is how much is left of the time for the response's head, which is one
// however often the request is sent.
func (s *h2stream) patience(read time.Duration) time.Duration {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.read <= 0 || s.whose != turnBackend {
		return read
	}
	return max(s.read-time.Duration(s.c.clock()-max(s.awaited, s.turnSince)), 1)
}

type interim struct {
	status int
	fields []hpack.HeaderField
}

// newStream makes a stream for r, which has a reserved place.
func (c *h2conn) newStream(r *Request, read, send time.Duration) *h2stream {
	s, ok := c.streams.Get().(*h2stream)
	if !ok {
		s = new(h2stream)
	}
	*s = h2stream{
		c: c, budget: r.Budget, method: r.Method, read: read, send: send,
		header: s.header[:0], body: spool{parts: s.body.parts[:0]}, length: -1,
	}
	s.in.avail, s.in.size = h2FirstWindow, h2FirstWindow
	s.cond.L, s.wcond.L = &c.mu, &c.mu
	return s
}

// h2Part is a part of a request's body, and perhaps its end. data must stay as it
// is until the stream has sent it, or is closed.
type h2Part struct {
	data    []byte
	end     bool
	trailer []hpack.HeaderField // before the end
}

// openStream sends the head of a request, with part behind it as far as there is
// room. length < 0: it is not told; names are those of the trailer fields.
func (s *h2stream) openStream(r *Request, part h2Part, length int64, names []string) *Error {
	c := s.c
	c.mu.Lock()
	for len(c.wbuf) >= h2HardBuf && c.dead == nil && s.err == nil {
		c.flushSoon()
		c.room.Wait()
	}
	c.reserved--
	if s.err == nil {
		s.err = c.closedTo(r)
	}
	if s.err != nil {
		err := s.err
		s.closed = true
		c.freed()
		c.unlock()
		return err
	}
	now := c.clock()
	s.enter(now)
	end := part.end && len(part.data) == 0 && len(part.trailer) == 0
	c.appendHead(s.id, end, func(b []byte) []byte {
		return r.appendH2Head(b, c.set.dialer.tls != nil, c.set.grpc, length, names)
	})
	s.turnSince = now
	switch {
	case end:
		s.sentEnd = true
	case part.end || len(part.data) > 0:
		s.sendLocked(part)
	default:
		s.whose = turnClient
	}
	s.await(now)
	c.unlock()
	return nil
}

// closedTo says why r cannot be written. Callers hold mu.
func (c *h2conn) closedTo(r *Request) *Error {
	switch {
	case c.dead != nil && c.dead.Reason != ReasonReset:
		return &Error{Reason: c.dead.Reason, Err: c.dead.Err}
	case c.dead != nil, c.leaving && !c.own:
		return &Error{Reason: ReasonRefused, Err: errGoneAway}
	case int64(r.h2HeadSize()) > int64(c.maxList):
		return &Error{Reason: ReasonBadRequest, Err: tooLarge("head is more than the backend takes")}
	}
	return nil
}

// enter makes s one of the connection's streams. Callers hold mu.
func (s *h2stream) enter(now int64) {
	c := s.c
	s.id = c.nextID
	if c.nextID += 2; c.nextID > h2LastID {
		c.leave()
	}
	if len(c.open) == 0 {
		c.busySince, c.heard, c.idleSince = now, now, 0
		c.arm(now + int64(pingEvery))
	}
	c.open[s.id] = s
	s.at = c.position()
	s.out.n = c.streamSend
}

// sendLocked has part sent. Callers hold mu.
func (s *h2stream) sendLocked(part h2Part) {
	c := s.c
	s.pend, s.sending = part, true
	s.whose, s.turnSince = turnSend, c.clock()
	c.enqueue(s)
	c.pump()
	if s.sending {
		c.arm(first(s.due()))
	}
}

func first(at int64, _ string) int64 { return at }

// write sends part, and returns when all of it is on its way.
func (s *h2stream) write(part h2Part) error {
	c := s.c
	c.mu.Lock()
	s.drain() // of what openStream has left
	if err := s.writable(); err != nil {
		c.mu.Unlock()
		return err
	}
	s.sendLocked(part)
	s.drain()
	err := s.writable()
	c.unlock()
	return err
}

// drain waits until nothing is to be sent. Callers hold mu; it is given up
// meanwhile.
func (s *h2stream) drain() {
	c := s.c
	for s.sending && s.writable() == nil {
		if !c.flushing && len(c.wbuf) > 0 {
			c.unlock()
			c.mu.Lock()
			continue
		}
		s.wcond.Wait()
	}
}

// giveUp ends the stream because the request's body cannot be read.
func (s *h2stream) giveUp(err error) {
	c := s.c
	c.mu.Lock()
	s.abort(&Error{Reason: ReasonBodyAborted, Err: err, Sent: true})
	c.unlock()
}

// writable says why no more can be sent. Callers hold mu.
func (s *h2stream) writable() error {
	switch {
	case s.err != nil:
		return s.err
	case s.recvEnd && !s.sentEnd:
		return errAnswered
	}
	return nil
}

// sent notes that all that was to be sent is in the write buffer. Callers hold mu.
func (s *h2stream) sent(end bool) {
	s.sending, s.pend = false, h2Part{}
	s.whose, s.turnSince = turnClient, s.c.clock()
	if end {
		s.whose, s.sentEnd = turnBackend, true
		if s.recvEnd {
			s.c.closeStream(s)
		} else {
			s.c.arm(first(s.due()))
		}
	}
	s.wcond.Broadcast()
}

// await notes that the caller waits for the response. Callers hold mu.
func (s *h2stream) await(now int64) {
	s.awaited = now
	s.c.arm(first(s.due()))
}

// due is when the backend will have taken too long, and for what. Callers hold mu.
func (s *h2stream) due() (at int64, reason string) {
	switch {
	case s.whose == turnSend && s.sending && s.send > 0:
		return s.turnSince + int64(s.send), ReasonSendTimeout
	case s.whose == turnBackend && s.awaited != 0 && s.read > 0:
		return max(s.awaited, s.turnSince) + int64(s.read), ReasonReadTimeout
	}
	return math.MaxInt64, ""
}

// fail ends the stream for its owner. Callers hold mu.
func (s *h2stream) fail(e *Error) {
	if s.err == nil {
		s.err = e
	}
	s.c.closeStream(s)
	s.cond.Broadcast()
	s.wcond.Broadcast()
	s.c.room.Broadcast()
}

// abort is fail, and tells the backend. Callers hold mu, and flush.
func (s *h2stream) abort(e *Error) {
	if s.closed || s.c.dead != nil {
		return
	}
	if s.id != 0 {
		code := http2.ErrCodeCancel
		if e.Reason == ReasonBadResponse {
			code = http2.ErrCodeProtocol
		}
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
		c.room.Broadcast()
	} else {
		s.abort(&Error{Reason: ReasonCanceled, Err: errCanceled, Sent: true})
		c.flushSoon()
	}
	c.mu.Unlock()
	return nil
}

// awaitHead returns when the response's head is there, and passes on what comes
// before it.
func (s *h2stream) awaitHead(pass func(status int, h []hpack.HeaderField)) *Error {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case s.err != nil && (!s.gotHead || s.err.Reason == ReasonCanceled):
			return s.err
		case len(s.interims) > 0:
			next := s.interims[0]
			s.interims = s.interims[1:]
			if pass != nil {
				s.awaited = 0
				c.mu.Unlock()
				pass(next.status, next.fields)
				c.mu.Lock()
				s.await(c.clock())
			}
			continue
		case s.gotHead:
			s.awaited = 0
			return nil
		}
		s.cond.Wait()
	}
}

// readBody is Exchange.Read.
func (s *h2stream) readBody(p []byte) (int, error) {
	c := s.c
	c.mu.Lock()
	if !s.recvEnd && s.err == nil {
		want := int64(-1)
		if s.length >= 0 {
			want = s.length - s.received
		}
		if inc := s.refund(want); inc > 0 {
			c.appendWindowUpdate(s.id, inc)
			if s.body.n == 0 {
				c.unlock()
				c.mu.Lock()
			}
		}
	}
	for s.body.n == 0 || s.err != nil && s.err.Reason == ReasonCanceled {
		switch {
		case s.recvEnd && s.body.n == 0:
			c.mu.Unlock()
			return 0, io.EOF
		case s.err != nil:
			err := s.err
			c.mu.Unlock()
			return 0, err
		}
		s.into = p
		s.await(c.clock())
		s.cond.Wait()
		s.into, s.awaited = nil, 0
		if s.got > 0 {
			break
		}
	}
	n := s.got
	s.got = 0
	if n < len(p) {
		n += s.body.read(c.buffers, p[n:])
	}
	s.in.taken += n
	var err error
	if s.recvEnd && s.body.n == 0 {
		err = io.EOF
	}
	c.unlock()
	return n, err
}

// unheard says that nothing of a response has come.
func (s *h2stream) unheard() bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.nInterim == 0 && !s.gotHead
}

// whole returns the rest of the response, if all of it is here in one piece.
func (s *h2stream) whole() ([]byte, bool) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if !s.recvEnd {
		return nil, false
	}
	return s.body.whole()
}

// end lets go of the stream: its owner does not use it any more.
func (s *h2stream) end() {
	c := s.c
	c.mu.Lock()
	s.abort(&Error{Reason: ReasonCanceled, Err: errCanceled})
	s.body.drop(c.buffers)
	s.shrink()
	keep := !s.inWoken && !s.shared
	c.unlock()
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

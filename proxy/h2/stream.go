package h2

import (
	"io"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/frame"
)

// Stream is one request and its response. The exported fields are set before
// Admit, must not be changed, and like the Stream itself are the owner's until
// Admit has returned true or Handle has returned.
//
// One goroutine may read while another writes.
type Stream struct {
	Method       string // a token
	Scheme       string // empty for CONNECT without Protocol
	HasAuthority bool   // ":authority" was sent, empty or not
	Authority    string // as it was sent; free of control characters, otherwise unchecked; may be empty
	Path         string // begins with "/", or is "*" for OPTIONS; empty for CONNECT without Protocol
	Protocol     string // of an extended CONNECT (RFC 8441), else empty

	// Header holds the regular fields in their order, among them host,
	// content-length and the single crumbs of cookie. None is
	// connection-specific. The owner may make another list of it in place, with
	// up to SpareFields more.
	Header        []hpack.HeaderField
	ContentLength int64 // -1: not told

	// Messages may be set by Admit: the request body is messages that come when
	// there are some, as those of a gRPC call. The owner may wait for them as long
	// as it likes; of another body StallTimeout asks that it moves.
	Messages bool

	// Data is for the owner: nil at Admit, and kept until Handle returns.
	Data any

	// Owned by the read loop until Admit has returned, immutable then.
	c       *Conn
	id      uint32
	hasBody bool // HEADERS did not end the stream
	inline  bool // Admit runs: do not block, do not flush

	// Guarded by c.mu.
	listed    bool  // in c.streams
	closed    bool  // both sides have ended, or reset
	handling  bool  // Handle runs
	detached  bool  // the owner has left it; whoever closes it frees it
	lingering bool  // ... and in c.lingering
	recvEnd   bool  // the client has ended its side
	sentHead  bool  // the response's header was sent
	sentEnd   bool  // we have ended our side
	bodiless  bool  // the response has no body: what is written to it is dropped
	err       error // why the stream is gone, for Read and Write
	reset     ResetError
	in        inflow
	body      body
	received  int64 // octets of DATA
	trailer   []hpack.HeaderField
	readSince int64  // Read waits since; 0: it does not
	stopped   bool   // StopRead was called
	readInto  []byte // what a waiting Read was given
	readGot   int    // octets put there
	inPace    Pace   // of the request body, while Read waits for it
	readMark  int64  // up to when that is in readDebt
	readDebt  int64  // for how long Read has waited since weigh last looked

	out         frame.Sender
	blocked     bool // the owner waits for wcond
	outPace     Pace // of the response body, while it waits for its own window
	slow        bool // inPace or outPace is too slow, or what s waits for with others is
	rcond       sync.Cond
	wcond       sync.Cond
	lingerSince int64
	canceling   bool // cancel is under way: s must not be freed

	cancelMu sync.Mutex // not taken together with c.mu
	canceler Canceler   // guarded by cancelMu
	canceled bool       // guarded by cancelMu
}

func (c *Conn) newStream(id uint32) *Stream {
	s, ok := c.engine.streams.Get().(*Stream)
	if !ok {
		s = &Stream{Header: make([]hpack.HeaderField, 0, keptFields)}
	}
	s.c, s.id = c, id
	s.ContentLength = -1
	s.out.Init((*sending)(s))
	s.rcond.L, s.wcond.L = &c.mu, &c.mu
	return s
}

// recycle frees s, which nobody knows any more.
func (g *Engine) recycle(s *Stream) {
	s.forget()
	s.body.drop(g)
	s.hasBody, s.inline = false, false
	s.listed, s.closed, s.handling, s.detached = false, false, false, false
	s.recvEnd, s.sentHead, s.sentEnd, s.bodiless = false, false, false, false
	s.err, s.c = nil, nil
	s.received, s.readSince = 0, 0
	s.inPace, s.outPace, s.slow = Pace{}, Pace{}, false
	s.readMark, s.readDebt = 0, 0
	s.stopped = false
	s.lingerSince = 0
	*s.out.Part() = frame.Part{}
	g.streams.Put(s)
}

// forget lets go of everything that was the owner's.
func (s *Stream) forget() {
	t := s.trailer
	clear(t)
	if cap(t) > keptFields {
		t = nil
	}
	s.ForgetHead()
	s.Method, s.Scheme, s.Authority, s.Protocol = "", "", "", ""
	s.HasAuthority = false
	s.Data, s.Messages = nil, false
	s.trailer = t[:0]
	s.cancelMu.Lock()
	s.canceler, s.canceled = nil, false
	s.cancelMu.Unlock()
}

// ForgetHead lets go of Header and Path, which the owner has no use for any more.
// A client that does not take its response would hold them with each
// stream, and for what it sends as an octet there may be kibioctets here.
func (s *Stream) ForgetHead() {
	h := s.Header
	clear(h[:cap(h)])
	if cap(h) > keptFields {
		h = nil
	}
	s.Header, s.Path = h[:0], ""
}

// Conn returns the connection.
func (s *Stream) Conn() *Conn { return s.c }

// ID returns the stream identifier.
func (s *Stream) ID() uint32 { return s.id }

// Received returns when the request's head was read. It is for Admit alone.
func (s *Stream) Received() time.Time { return s.c.born.Add(time.Duration(s.c.now)) }

// HasBody reports whether the request's head was not its end.
func (s *Stream) HasBody() bool { return s.hasBody }

// BodyWhole reports whether the whole request is here: Read will not block.
func (s *Stream) BodyWhole() bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.recvEnd
}

// Read reads the request body. It blocks until there is some; io.EOF is its
// end. Once the stream was reset it returns a *ResetError, once the connection
// is gone ErrClosed. What was read is given back to the client's window.
func (s *Stream) Read(p []byte) (int, error) {
	c := s.c
	c.mu.Lock()
	for s.body.n == 0 || s.err != nil || s.stopped {
		switch {
		case s.err != nil:
			c.mu.Unlock()
			return 0, s.err
		case s.stopped:
			c.mu.Unlock()
			return 0, ErrReadStopped
		case s.recvEnd:
			c.mu.Unlock()
			return 0, io.EOF
		case len(p) == 0:
			c.mu.Unlock()
			return 0, nil
		}
		s.readSince, s.readInto = c.clock(), p
		s.readMark = s.readSince
		s.rcond.Wait()
		s.chargeRead(c.clock())
		s.readSince, s.readInto = 0, nil
		if s.readGot > 0 {
			break
		}
	}
	n := s.readGot
	if n > 0 {
		s.readGot = 0
	} else {
		n = s.body.read(c.engine, p)
	}
	flush := c.giveBack(s, n) && c.out.Claim()
	c.mu.Unlock()
	if flush {
		c.out.Flush(&s.out, flushTurns)
	}
	return n, nil
}

// StopRead makes Read, also one that waits, return ErrReadStopped: the rest of
// the request is not wanted, and thrown away as it comes. The response may still
// be sent. A client that goes on behind it is told to stop (RFC 9113 section
// 8.1) when it has used its window up, or 10 s later.
func (s *Stream) StopRead() {
	c := s.c
	c.mu.Lock()
	s.stopped = true
	s.body.drop(c.engine)
	s.rcond.Broadcast()
	c.mu.Unlock()
}

// giveBack returns n octets to the window of s, and reports whether that has to
// be flushed. Callers hold mu.
func (c *Conn) giveBack(s *Stream, n int) bool {
	c.mu.Check()
	if c.dead || s.recvEnd || s.closed {
		return false
	}
	c.widen(s, n)
	inc := s.in.giveBack(n)
	if inc == 0 {
		return false
	}
	c.out.windowUpdate(s.id, inc)
	return true
}

// widen makes the window of s larger by the n octets that were read, within what
// the connection may hold: a body that is read may need a large window to come
// fast from afar, and one that is not read must not hold one. Callers hold mu.
func (c *Conn) widen(s *Stream, n int) {
	c.mu.Check()
	most := max(int32(c.limits.StreamWindow), int32(c.limits.ConnWindow/4))
	more := min(int32(n), most-s.in.size, int32(c.limits.ConnWindow)-c.widened)
	if more > 0 {
		s.in.widen(more)
		c.widened += more
	}
}

// Trailer returns the request's trailer fields. They are whole once Read has
// returned io.EOF.
func (s *Stream) Trailer() []hpack.HeaderField {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.trailer
}

// Reset ends the stream at once. ErrCodeNo after a whole response tells the
// client that the rest of its request is not wanted.
func (s *Stream) Reset(code http2.ErrCode) {
	c := s.c
	c.mu.Lock()
	if s.closed || c.dead {
		c.mu.Unlock()
		return
	}
	s.resetLocked(code)
	flush := s.claim()
	c.mu.Unlock()
	if flush {
		c.out.Flush(&s.out, flushTurns)
	}
}

// resetLocked sends RST_STREAM and forgets the stream. Callers hold mu.
func (s *Stream) resetLocked(code http2.ErrCode) {
	s.c.mu.Check()
	s.c.sayReset(s.id, code)
	s.reset = ResetError{Code: code}
	s.fail(&s.reset)
	s.c.closeStream(s)
}

// fail makes Read and Write return err. Callers hold mu.
func (s *Stream) fail(err error) {
	s.c.mu.Check()
	if s.err != nil {
		return
	}
	s.err = err
	s.body.drop(s.c.engine)
	s.c.out.Forget(&s.out)
	s.rcond.Broadcast()
	s.wcond.Broadcast()
	s.c.out.Wake()
}

// closeStream takes s off the connection. Callers hold mu.
func (c *Conn) closeStream(s *Stream) {
	c.mu.Check()
	if s.closed {
		return
	}
	s.closed = true
	c.widened -= s.in.size - int32(c.limits.StreamWindow)
	c.out.Forget(&s.out)
	if s.lingering {
		s.lingering = false
		c.lingering.Remove(&s.out)
	}
	if s.listed {
		s.listed = false
		delete(c.streams, s.id)
		if len(c.streams) == 0 && c.lastSent && c.draining {
			c.halt(ClosedDrained)
		}
	}
}

// handled is called when Handle has returned.
func (s *Stream) handled() {
	c := s.c
	c.mu.Lock()
	for s.canceling {
		s.rcond.Wait()
	}
	c.running--
	done := c.finish(s)
	flush := c.out.Claim()
	c.mu.Unlock()
	if flush {
		c.out.Flush(nil, flushTurns)
	}
	if done {
		c.engine.recycle(s)
	}
}

// finish ends what the owner has left open. It reports whether s is over, and
// the caller's to free: a client may go on with its request. Callers hold mu,
// and do not use s afterwards if it is not over.
func (c *Conn) finish(s *Stream) bool {
	c.mu.Check()
	s.handling = false
	s.body.drop(c.engine)
	switch {
	case s.closed:
	case c.dead:
		c.out.Forget(&s.out) // what Admit answers is not among c.streams: fail has passed it by
	case !s.sentEnd:
		s.resetLocked(http2.ErrCodeInternal)
	case s.in.avail == 0:
		s.resetLocked(http2.ErrCodeNo)
	default:
		c.awaitEnd(s)
		return false
	}
	return true
}

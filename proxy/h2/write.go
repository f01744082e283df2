package h2

import (
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/frame"
)

// sending is a stream as its frames leave it. It is guarded by the connection's mu.
type sending Stream

// Sent notes that what was to be sent is in the write buffer.
func (x *sending) Sent(end bool) {
	s := (*Stream)(x)
	if end {
		s.ended()
	}
	if s.blocked {
		s.wcond.Signal()
	}
	if s.detached && s.c.finish(s) {
		s.c.engine.recycle(s)
	}
}

// ended notes that END_STREAM was appended. Callers hold mu.
func (s *Stream) ended() {
	s.c.mu.Check()
	s.sentEnd = true
	if s.recvEnd {
		s.c.closeStream(s)
	}
}

// awaitRoom blocks until the buffer has room for a header block, or s is over.
// Callers hold mu; it is given up meanwhile. Somebody else flushes, as a write
// that waits for the client would not end with s.
func (s *Stream) awaitRoom() {
	s.c.mu.Check()
	c := s.c
	for c.out.Full() && !c.dead && s.err == nil {
		c.out.AwaitRoom()
	}
}

// writable returns why nothing more can be written, if so. Callers hold mu.
func (s *Stream) writable() error {
	s.c.mu.Check()
	if s.err != nil {
		return s.err
	}
	if s.c.dead {
		return ErrClosed
	}
	if s.sentEnd {
		return ErrResponse
	}
	return nil
}

// claim reports whether the caller has to flush what was appended when it has given
// up mu, which it holds. While somebody flushes, it goes out with his next write.
func (s *Stream) claim() bool { return !s.inline && s.c.out.Claim() }

// WriteInterim sends an interim response, status 100 to 199 but not 101. It
// never blocks: when too much waits for the client already the response is
// dropped, which is no error, since a client can do without it (RFC 9110
// section 15.2).
func (s *Stream) WriteInterim(status int, h []hpack.HeaderField) error {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.writable(); err != nil {
		return err
	}
	if s.sentHead {
		return ErrResponse
	}
	if c.out.Full() {
		return nil
	}
	c.out.header(s.id, nil, status, h, false)
	if !s.inline {
		c.out.FlushSoon()
	}
	return nil
}

// WriteHeader sends the response's header; end says that nothing follows. The
// fields must be clean: names in lower case, none of them connection-specific.
// After HEAD, and for 204 and 304, the response ends here whatever end says,
// and what is written to its body is dropped.
//
// A header that is not the end leaves a moment later, together with a body that
// follows at once. Respond does the same for less.
func (s *Stream) WriteHeader(status int, h []hpack.HeaderField, end bool) error {
	c := s.c
	c.mu.Lock()
	err := s.writeHead(nil, status, h, end)
	flush := false
	switch {
	case s.inline:
	case s.sentEnd:
		flush = c.out.Claim()
	default:
		c.out.FlushSoon()
	}
	c.mu.Unlock()
	if flush {
		c.out.Flush(&s.out, flushTurns)
	}
	return err
}

// writeHead appends a header block. Callers hold mu; it is given up while room is
// awaited.
func (s *Stream) writeHead(b *Block, status int, h []hpack.HeaderField, end bool) error {
	s.c.mu.Check()
	if !s.inline {
		s.awaitRoom()
	}
	if err := s.writable(); err != nil {
		return err
	}
	if s.sentHead {
		return ErrResponse
	}
	s.sentHead = true
	if s.Method == "HEAD" || status == 204 || status == 304 {
		s.bodiless, end = true, true
	}
	s.c.out.header(s.id, b, status, h, end)
	if end {
		s.ended()
	}
	return nil
}

// Respond sends a whole response: a header, and a body unless it is empty.
func (s *Stream) Respond(status int, h []hpack.HeaderField, body []byte) error {
	return s.respond(nil, status, h, body)
}

// RespondBlock is Respond with a Block, and with the fields behind it.
func (s *Stream) RespondBlock(b *Block, more []hpack.HeaderField, body []byte) error {
	return s.respond(b, b.status, more, body)
}

func (s *Stream) respond(b *Block, status int, h []hpack.HeaderField, body []byte) error {
	c := s.c
	c.mu.Lock()
	err := s.writeHead(b, status, h, len(body) == 0)
	wait := false
	if err == nil && !s.sentEnd {
		wait, err = s.send(frame.Part{Data: body, End: true})
	}
	flush := s.claim()
	c.mu.Unlock()
	if flush {
		c.out.Flush(&s.out, flushTurns)
	}
	if wait {
		_, err = s.awaitSent(len(body))
	}
	return err
}

// Write sends p as DATA, and blocks until all of it has left p. It returns how
// much of p was sent before the stream ended, and then *ResetError or
// ErrClosed.
func (s *Stream) Write(p []byte) (int, error) {
	return s.writePart(frame.Part{Data: p})
}

// WriteEnd sends p, which may be empty, as the end of the response.
func (s *Stream) WriteEnd(p []byte) error {
	_, err := s.writePart(frame.Part{Data: p, End: true})
	return err
}

// WriteTrailer ends the response with trailer fields.
func (s *Stream) WriteTrailer(h []hpack.HeaderField) error {
	_, err := s.writePart(frame.Part{Trailer: h, End: true})
	return err
}

func (s *Stream) writePart(p frame.Part) (int, error) {
	c := s.c
	c.mu.Lock()
	if len(p.Trailer) > 0 && !s.bodiless && !s.inline {
		s.awaitRoom()
	}
	wait, err := s.send(p)
	flush := s.claim()
	c.mu.Unlock()
	if flush {
		c.out.Flush(&s.out, flushTurns)
	}
	switch {
	case err != nil:
		return 0, err
	case wait:
		return s.awaitSent(len(p.Data))
	}
	return len(p.Data), nil
}

// send appends a part of the response's body, as far as windows and room allow. It
// reports whether the caller has to wait for the rest. Callers hold mu.
func (s *Stream) send(p frame.Part) (wait bool, err error) {
	s.c.mu.Check()
	c := s.c
	switch {
	case s.err != nil:
		return false, s.err
	case s.bodiless:
		return false, nil
	case c.dead:
		return false, ErrClosed
	case !s.sentHead || s.sentEnd || s.out.Part().End:
		return false, ErrResponse
	case len(p.Data) == 0 && !p.End:
		return false, nil
	case s.out.Waiting(): // only after Admit's writes, which do not wait
		more := s.out.Part()
		more.Data = append(more.Data, p.Data...)
		more.Trailer = append(more.Trailer, p.Trailer...)
		more.End = p.End
		return false, nil
	}
	c.out.Send(&s.out, p)
	if s.out.Waiting() && s.inline {
		kept := s.out.Part()
		kept.Data = append([]byte(nil), kept.Data...)
		kept.Trailer = append([]hpack.HeaderField(nil), kept.Trailer...)
		return false, nil
	}
	return s.out.Waiting(), nil
}

// awaitSent waits until all of n octets are in the write buffer, and returns how
// many are.
func (s *Stream) awaitSent(n int) (int, error) {
	for {
		flush, over, err := s.awaitTurn(&n)
		if flush {
			s.c.out.Flush(&s.out, flushTurns)
		}
		if over {
			return n, err
		}
	}
}

// awaitTurn waits until the caller has to flush, or until nothing is to be sent any
// more: then n becomes what was.
func (s *Stream) awaitTurn(n *int) (flush, over bool, err error) {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	s.blocked = true
	for s.out.Waiting() {
		if c.out.Claim() {
			return true, false, nil
		}
		s.wcond.Wait()
	}
	s.blocked = false
	if s.err != nil {
		*n -= len(s.out.Part().Data)
		*s.out.Part() = frame.Part{}
		return c.out.Claim(), true, s.err
	}
	return c.out.Claim(), true, nil
}

package h2

import (
	"runtime"

	"golang.org/x/net/http2/hpack"
)

const (
	// writeBufSize is the room for DATA in the write buffer.
	writeBufSize = largeBuf
	// hardBufSize is where header blocks wait too.
	hardBufSize = 2 * writeBufSize
	// flushTurns is how often a flusher writes for others before it leaves
	// the rest to a goroutine of its own.
	flushTurns = 4
)

// releaseBuffers gives back what an idle connection does not need. Callers hold
// mu.
func (c *Conn) releaseBuffers() {
	if c.flushing || len(c.wbuf) > 0 {
		return
	}
	c.engine.buffers.put(c.wbuf)
	c.engine.buffers.put(c.spare)
	c.wbuf, c.spare = nil, nil
	if len(c.streams) == 0 {
		c.streams, c.resetIDs = nil, nil
	}
}

// flush writes until nothing is left to write, unless somebody does so
// already. s is the stream for which the caller flushes, if any: as long as
// DATA of s waits, the caller has reason to go on.
func (c *Conn) flush(s *Stream) {
	c.mu.Lock()
	if c.flushing || len(c.wbuf) == 0 {
		c.mu.Unlock()
		return
	}
	c.flushing = true
	c.mu.Unlock()
	// Others that are about to append get the chance to, so that their
	// frames go out with the same system call.
	runtime.Gosched()
	c.writeOut(s, flushTurns)
}

// writeOut is the flusher. turns < 0: until the buffer is empty.
func (c *Conn) writeOut(s *Stream, turns int) {
	c.mu.Lock()
	for len(c.wbuf) > 0 {
		if turns == 0 && (s == nil || !s.waiting) {
			c.mu.Unlock()
			go c.writeOut(nil, -1)
			return
		}
		if turns > 0 {
			turns--
		}
		buf := c.wbuf
		c.wbuf, c.spare = c.spare, nil
		c.pump()
		c.room.Broadcast()
		c.flushSince = c.clock()
		c.mu.Unlock()
		err := c.write(buf)
		c.mu.Lock()
		if cap(buf) <= hardBufSize {
			c.spare = buf[:0]
		}
		c.flushSince = 0
		if err != nil {
			c.wbuf = nil
			c.flushing = false
			c.room.Broadcast()
			c.mu.Unlock()
			c.kill(ioReason(err))
			return
		}
	}
	c.flushing = false
	c.room.Broadcast()
	c.mu.Unlock()
}

// write writes buf with as few system calls as possible.
func (c *Conn) write(buf []byte) error {
	if c.cork == nil || len(buf) <= maxFrame {
		_, err := c.nc.Write(buf)
		return err
	}
	held := c.engine.buffers.get(corkBuf)
	c.cork.hold(held)
	_, err := c.nc.Write(buf)
	if rerr := c.cork.release(); err == nil {
		err = rerr
	}
	c.engine.buffers.put(held)
	return err
}

// awaitRoom blocks until the buffer has room for a header block, or s is over.
// Callers hold mu; it is given up meanwhile. Somebody else flushes, as a write
// that waits for the client would not end with s.
func (s *Stream) awaitRoom() {
	c := s.c
	for c.full() && !c.dead && s.err == nil {
		c.flushSoon()
		c.room.Wait()
	}
}

// full says that header blocks have to wait. Callers hold mu.
func (c *Conn) full() bool { return len(c.wbuf) >= hardBufSize }

// start prepares the writing of a header block. Callers hold mu.
func (s *Stream) start() error {
	if !s.inline {
		s.awaitRoom()
	}
	return s.writable()
}

// writable returns why nothing more can be written, if so. Callers hold mu.
func (s *Stream) writable() error {
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

// unlock gives up mu after something was appended, and flushes it.
func (s *Stream) unlock() {
	c := s.c
	// While somebody flushes, what was appended goes out with his next write.
	flush := !s.inline && !c.flushing && len(c.wbuf) > 0
	c.mu.Unlock()
	if flush {
		c.flush(s)
	}
}

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
	if c.full() {
		return nil
	}
	c.appendHead(s.id, nil, status, h, false)
	if !s.inline {
		c.flushSoon()
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
	if s.inline || s.sentEnd {
		s.unlock()
		return err
	}
	c.flushSoon()
	c.mu.Unlock()
	return err
}

// flushSoon has another goroutine flush, unless somebody does so already.
// Callers hold mu.
func (c *Conn) flushSoon() {
	if !c.flushing && !c.later && len(c.wbuf) > 0 {
		c.later = true
		go c.flushLater()
	}
}

// flushLater runs when the goroutine that has written a header has blocked, or
// gone on to write more.
func (c *Conn) flushLater() {
	c.mu.Lock()
	c.later = false
	c.mu.Unlock()
	c.flush(nil)
}

func (s *Stream) writeHead(b *Block, status int, h []hpack.HeaderField, end bool) error {
	if err := s.start(); err != nil {
		return err
	}
	if s.sentHead {
		return ErrResponse
	}
	s.sentHead = true
	if s.Method == "HEAD" || status == 204 || status == 304 {
		s.bodiless, end = true, true
	}
	s.c.appendHead(s.id, b, status, h, end)
	if end {
		s.ended()
	}
	return nil
}

// ended notes that END_STREAM was appended. Callers hold mu.
func (s *Stream) ended() {
	s.sentEnd = true
	if s.recvEnd {
		s.c.closeStream(s)
	}
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
	s.c.mu.Lock()
	defer s.unlock()
	if err := s.writeHead(b, status, h, len(body) == 0); err != nil || s.sentEnd {
		return err
	}
	_, err := s.writeBody(body, true)
	return err
}

// Write sends p as DATA, and blocks until all of it has left p. It returns how
// much of p was sent before the stream ended, and then *ResetError or
// ErrClosed.
func (s *Stream) Write(p []byte) (int, error) {
	s.c.mu.Lock()
	defer s.unlock()
	return s.writeBody(p, false)
}

// WriteEnd sends p, which may be empty, as the end of the response.
func (s *Stream) WriteEnd(p []byte) error {
	s.c.mu.Lock()
	defer s.unlock()
	_, err := s.writeBody(p, true)
	return err
}

// WriteTrailer ends the response with trailer fields.
func (s *Stream) WriteTrailer(h []hpack.HeaderField) error {
	s.c.mu.Lock()
	defer s.unlock()
	if s.bodiless {
		return s.err
	}
	if err := s.start(); err != nil {
		return err
	}
	switch {
	case !s.sentHead || s.pendEnd:
		return ErrResponse
	case s.waiting: // only after Admit's writes, which do not wait
		s.held = append(s.held, h...)
		s.pendEnd = true
	case len(h) == 0:
		_, err := s.writeBody(nil, true)
		return err
	default:
		s.c.appendHead(s.id, nil, 0, h, true)
		s.ended()
	}
	return nil
}

// writeBody sends p, and END_STREAM behind it if end. Callers hold mu.
func (s *Stream) writeBody(p []byte, end bool) (int, error) {
	c := s.c
	switch {
	case s.bodiless:
		if s.err != nil {
			return 0, s.err
		}
		return len(p), nil
	case s.err != nil:
		return 0, s.err
	case c.dead:
		return 0, ErrClosed
	case !s.sentHead || s.sentEnd || s.pendEnd:
		return 0, ErrResponse
	case len(p) == 0 && !end:
		return 0, nil
	case s.waiting: // only after Admit's writes, which do not wait
		s.pend = append(s.pend, p...)
		s.pendEnd = end
		return len(p), nil
	}
	if n := len(p); n == 0 || n <= maxData && n <= int(s.out.n) && n <= int(c.send.n) &&
		len(c.wbuf)+n <= writeBufSize {
		c.takeWindow(s, n)
		c.appendData(s.id, p, end)
		if end {
			s.ended()
		}
		return n, nil
	}
	s.pend, s.pendEnd, s.waiting = p, end, true
	s.writeSince = c.clock()
	c.enqueue(s)
	c.pump()
	if s.waiting && s.inline {
		s.pend = append([]byte(nil), s.pend...)
		return len(p), nil
	}
	for s.waiting {
		if !c.flushing && len(c.wbuf) > 0 {
			c.mu.Unlock()
			c.flush(s)
			c.mu.Lock()
			continue
		}
		s.wcond.Wait()
	}
	if s.err != nil {
		n := len(p) - len(s.pend)
		s.pend = nil
		return n, s.err
	}
	return len(p), nil
}

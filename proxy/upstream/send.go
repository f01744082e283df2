package upstream

import (
	"errors"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2/hpack"
)

var (
	errBodyShort = errors.New("request body ended before its declared length")
	errBodyLong  = errors.New("request body is longer than declared")
)

// inHand says before compose that all of the request will be in memory. Of a
// body of unknown length nobody can tell.
func (r *Request) inHand() bool {
	return r.Body == nil || r.ContentLength == 0 || r.BodyWhole && r.ContentLength > 0 && r.ContentLength <= wholeBody
}

// compose fills e.out with all that can be sent in one write, and e.stream with
// the body, or the rest of it, if that must be sent on its own.
func (e *Exchange) compose(r *Request) error {
	buffers := &e.pool.client.buffers
	switch {
	case r.Body == nil:
		e.out = buffers.get(r.headSize())
		e.out.b = r.appendHead(e.out.b[:0], framingNone, 0)
	case r.ContentLength == 0:
		e.out = buffers.get(r.headSize())
		e.out.b = r.appendHead(e.out.b[:0], framingLength, 0)
	case r.BodyWhole && r.ContentLength < 0:
		return e.composeUnsized(r)
	case r.BodyWhole && r.ContentLength <= wholeBody:
		e.out = buffers.get(smallBuffer/2 + int(r.ContentLength))
		b := r.appendHead(e.out.b[:0], framingLength, r.ContentLength)
		e.touched = true
		b, err := appendBody(b, r.Body, int(r.ContentLength))
		e.out.b = b
		if err != nil {
			return e.fail(ReasonBodyAborted, err, false)
		}
	default:
		framing := framingLength
		if r.ContentLength < 0 {
			framing = framingChunked
		}
		e.out = buffers.get(r.headSize())
		e.out.b = r.appendHead(e.out.b[:0], framing, r.ContentLength)
		e.stream = r.Body
	}
	return nil
}

// appendBody appends exactly n bytes of body, which must then be at its end.
func appendBody(b []byte, body io.Reader, n int) ([]byte, error) {
	at := len(b)
	if cap(b)-at < n+1 {
		b = append(b, make([]byte, n+1)...)
	}
	// One byte more, to see that there is none.
	got, err := io.ReadFull(body, b[at:at+n+1])
	switch {
	case err == nil:
		return b[:at], errBodyLong
	case err != io.ErrUnexpectedEOF && err != io.EOF:
		return b[:at], err
	case got < n:
		return b[:at], errBodyShort
	}
	return b[:at+n], nil
}

// composeUnsized sends a whole body of unknown length with the length it turns
// out to have, which more backends can read than can read chunks.
func (e *Exchange) composeUnsized(r *Request) error {
	buffers := &e.pool.client.buffers
	body := buffers.get(smallBuffer)
	e.touched = true
	for {
		n, err := r.Body.Read(body.b[body.w:])
		body.w += n
		if err == io.EOF {
			break
		}
		if err != nil {
			buffers.put(body)
			return e.fail(ReasonBodyAborted, err, false)
		}
		if !buffers.room(body) {
			// Too much to hold: what was read goes first.
			e.out = buffers.get(r.headSize())
			e.out.b = r.appendHead(e.out.b[:0], framingChunked, 0)
			e.stream = &resumed{held: body, from: r.Body, buffers: buffers}
			return nil
		}
	}
	defer buffers.put(body)
	e.out = buffers.get(smallBuffer/2 + body.w)
	held := body.b[:body.w]
	if r.Trailer != nil {
		if trailer := r.Trailer(); len(trailer) > 0 {
			b := r.appendHead(e.out.b[:0], framingChunked, 0)
			if len(held) > 0 {
				b = strconv.AppendInt(b, int64(len(held)), 16)
				b = append(append(append(b, "\r\n"...), held...), "\r\n"...)
			}
			e.out.b = appendLastChunk(b, trailer)
			return nil
		}
	}
	b := r.appendHead(e.out.b[:0], framingLength, int64(len(held)))
	e.out.b = append(b, held...)
	return nil
}

// resumed is a body of which a part was read already.
type resumed struct {
	held    *buffer // nil when it was used
	from    io.Reader
	buffers *buffers
}

func (r *resumed) Read(p []byte) (int, error) {
	if r.held == nil {
		return r.from.Read(p)
	}
	n := copy(p, r.held.b[r.held.r:r.held.w])
	if r.held.r += n; r.held.r == r.held.w {
		r.buffers.put(r.held)
		r.held = nil
	}
	return n, nil
}

// settleTime is how long the last write of a body may still take when the
// response is whole already: it was made, or has a buffer to go to.
const settleTime = 100 * time.Millisecond

// sender sends a body on a goroutine of its own.
type sender struct {
	c       *conn // only its writing half
	body    io.Reader
	source  io.Reader // the Request's Body
	trailer func() []hpack.HeaderField
	left    int64 // -1: chunked
	timeout time.Duration
	buffers *buffers

	last     atomic.Bool           // only the last write is still to do
	settling atomic.Bool           // settle has shortened its deadline
	failed   atomic.Pointer[Error] // why the connection was closed from here
	done     chan struct{}         // closed at the end; what follows is valid then
	whole    bool                  // the body was sent to its end
	at       time.Time
}

func (e *Exchange) startSender(r *Request) {
	s := &sender{
		c: e.c, body: e.stream, source: r.Body, left: r.ContentLength, timeout: e.sendTimeout,
		trailer: r.Trailer, buffers: &e.pool.client.buffers, done: make(chan struct{}),
	}
	e.send, e.touched = s, true
	go s.run()
}

func (s *sender) run() {
	defer close(s.done)
	buf := s.buffers.get(streamBuffer)
	defer s.buffers.put(buf)
	var err error
	if s.left < 0 {
		err = s.chunks(buf.b)
	} else {
		err = s.bytes(buf.b)
	}
	s.whole, s.at = err == nil, time.Now()
}

// bytes sends a body of known length: never more, and less only to fail.
func (s *sender) bytes(b []byte) error {
	for idle := 0; s.left > 0; {
		n, err := s.body.Read(b[:min(int64(len(b)), s.left)])
		s.left -= int64(n)
		if n > 0 {
			idle = 0
			if err := s.write(b[:n], s.left == 0); err != nil {
				return err
			}
		}
		switch {
		case s.left == 0:
		case err == io.EOF:
			return s.abort(errBodyShort)
		case err != nil:
			return s.abort(err)
		case n == 0:
			if idle++; idle == 100 {
				return s.abort(io.ErrNoProgress)
			}
		}
	}
	return nil
}

// chunks sends a body of unknown length: each read becomes one chunk, in one
// write with its size before it.
func (s *sender) chunks(b []byte) error {
	const sizeRoom, endRoom = 10, 2
	for idle := 0; ; {
		n, err := s.body.Read(b[sizeRoom : len(b)-endRoom])
		out := b[sizeRoom:sizeRoom]
		if n > 0 {
			idle = 0
			var digits [sizeRoom]byte
			size := append(strconv.AppendInt(digits[:0], int64(n), 16), "\r\n"...)
			from := sizeRoom - len(size)
			copy(b[from:], size)
			out = append(b[from:sizeRoom+n], "\r\n"...)
		}
		switch {
		case err == io.EOF:
			var trailer []hpack.HeaderField
			if s.trailer != nil {
				trailer = s.trailer()
			}
			return s.write(appendLastChunk(out, trailer), true)
		case err != nil:
			return s.abort(err)
		case n == 0:
			if idle++; idle == 100 {
				return s.abort(io.ErrNoProgress)
			}
			continue
		}
		if err := s.write(out, false); err != nil {
			return err
		}
	}
}

// write sends b. If the backend does not take it in time the connection is
// closed; if the backend has closed it, there may still be a response to read.
func (s *sender) write(b []byte, last bool) error {
	s.c.armWrite(time.Now(), s.timeout)
	if last {
		s.last.Store(true) // after armWrite: settle's deadline must be the later one
	}
	n, err := s.c.nc.Write(b)
	s.c.wrote += uint64(n)
	if err != nil && isTimeout(err) && !s.settling.Load() {
		s.failed.Store(&Error{Reason: ReasonSendTimeout, Err: err})
		_ = s.c.nc.Close()
	}
	return err
}

// abort closes the connection, so that the backend does not take half a body
// for a whole one, and so that the reader wakes up.
func (s *sender) abort(err error) error {
	s.failed.Store(&Error{Reason: ReasonBodyAborted, Err: err})
	_ = s.c.nc.Close()
	return err
}

// patience returns how long the response may still be awaited.
func (s *sender) patience(now time.Time, timeout time.Duration) time.Duration {
	select {
	case <-s.done:
		return s.at.Add(timeout).Sub(now)
	default:
		return timeout
	}
}

// settle reports whether the body was sent to its end, so that the connection
// may be used again. It waits for a last write, briefly.
func (s *sender) settle() bool {
	select {
	case <-s.done:
	default:
		if !s.last.Load() {
			return false
		}
		s.settling.Store(true)
		soon := time.Now().Add(settleTime)
		_ = s.c.nc.SetWriteDeadline(soon)
		<-s.done
		s.c.writes = soon
	}
	return s.whole
}

// stop waits for the goroutine to end. The connection has been closed, or the
// body been sent.
func (s *sender) stop() {
	select {
	case <-s.done:
		return
	default:
	}
	if body, ok := s.source.(interface{ StopRead() }); ok {
		body.StopRead()
	}
	<-s.done
}

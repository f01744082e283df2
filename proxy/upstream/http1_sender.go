package upstream

import (
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2/hpack"
)

// settleTime is how long the last write of a body may still take when the
// response is whole already: it was made, or has a buffer to go to.
const settleTime = 100 * time.Millisecond

// http1Sender sends a body on a goroutine of its own.
type http1Sender struct {
	c       *http1Conn // only its writing half
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

// sendBody sends body, which is r's or the rest of that.
func sendBody(c *http1Conn, body io.Reader, r *Request, timeout time.Duration, b *buffers) *http1Sender {
	s := &http1Sender{
		c: c, body: body, source: r.Body, left: r.ContentLength, timeout: timeout,
		trailer: r.Trailer, buffers: b, done: make(chan struct{}),
	}
	go s.run()
	return s
}

func (s *http1Sender) run() {
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
func (s *http1Sender) bytes(b []byte) error {
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
func (s *http1Sender) chunks(b []byte) error {
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
func (s *http1Sender) write(b []byte, last bool) error {
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
func (s *http1Sender) abort(err error) error {
	s.failed.Store(&Error{Reason: ReasonBodyAborted, Err: err})
	_ = s.c.nc.Close()
	return err
}

// patience returns how long the response may still be awaited.
func (s *http1Sender) patience(now time.Time, timeout time.Duration) time.Duration {
	select {
	case <-s.done:
		return s.at.Add(timeout).Sub(now)
	default:
		return timeout
	}
}

// settle reports whether the body was sent to its end, so that the connection
// may be used again. It waits for a last write, briefly.
func (s *http1Sender) settle() bool {
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
func (s *http1Sender) stop() {
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

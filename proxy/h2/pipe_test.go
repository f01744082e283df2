package h2

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipe returns the two ends of a connection in memory. Unlike net.Pipe's, its
// writes do not wait for a read until max octets are on their way.
func pipe(max int) (net.Conn, net.Conn) {
	a, b := newHalf(max), newHalf(max)
	return &pipeEnd{in: a, out: b}, &pipeEnd{in: b, out: a}
}

type half struct {
	mu       sync.Mutex
	cond     sync.Cond
	buf      []byte
	max      int
	closed   bool // by its writer: EOF behind buf
	broken   bool // by its reader: writes fail
	deadline time.Time
	timer    *time.Timer
}

func newHalf(max int) *half {
	h := &half{max: max}
	h.cond.L = &h.mu
	return h
}

type pipeEnd struct{ in, out *half }

func (p *pipeEnd) Read(b []byte) (int, error) {
	h := p.in
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.broken:
			return 0, net.ErrClosed
		case !h.deadline.IsZero() && !time.Now().Before(h.deadline):
			return 0, os.ErrDeadlineExceeded
		case len(h.buf) > 0:
			n := copy(b, h.buf)
			h.buf = h.buf[n:]
			h.cond.Broadcast()
			return n, nil
		case h.closed:
			return 0, io.EOF
		}
		h.cond.Wait()
	}
}

func (p *pipeEnd) Write(b []byte) (int, error) {
	h := p.out
	h.mu.Lock()
	defer h.mu.Unlock()
	total := 0
	for {
		if h.closed {
			return total, net.ErrClosed
		}
		if h.broken {
			return total, io.ErrClosedPipe
		}
		n := min(len(b), h.max-len(h.buf))
		h.buf = append(h.buf, b[:n]...)
		b = b[n:]
		total += n
		h.cond.Broadcast()
		if len(b) == 0 {
			return total, nil
		}
		h.cond.Wait()
	}
}

func (p *pipeEnd) CloseWrite() error {
	p.out.mu.Lock()
	p.out.closed = true
	p.out.cond.Broadcast()
	p.out.mu.Unlock()
	return nil
}

func (p *pipeEnd) Close() error {
	p.CloseWrite()
	p.in.mu.Lock()
	p.in.broken = true
	if p.in.timer != nil {
		p.in.timer.Stop()
	}
	p.in.cond.Broadcast()
	p.in.mu.Unlock()
	return nil
}

func (p *pipeEnd) SetReadDeadline(t time.Time) error {
	h := p.in
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deadline = t
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
	if !t.IsZero() {
		h.timer = time.AfterFunc(time.Until(t), h.cond.Broadcast)
	}
	h.cond.Broadcast()
	return nil
}

func (p *pipeEnd) SetWriteDeadline(time.Time) error { return nil }
func (p *pipeEnd) SetDeadline(t time.Time) error    { return p.SetReadDeadline(t) }
func (p *pipeEnd) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (p *pipeEnd) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

package http1

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/ingress421/ingress421/proxy/owned"
)

const (
	// watchEvery is how often a busy connection is looked at. A client that has gone
	// is noticed within twice that.
	watchEvery = 100 * time.Millisecond
	// halfClosed is how long the answer to a client may take that has ended its
	// direction. It may wait for the answer, or have gone: TCP tells the two apart
	// only when something is written.
	halfClosed = 3 * time.Second
)

// watch notices that a client goes away while its answer is waited for, by
// reading from it. What it reads, of a request to come, stays in the
// connection's buffer.
type watch struct {
	mu      owned.Mutex
	timer   *time.Timer   // guarded by mu; nil until first needed
	armed   bool          // the timer will fire; guarded by mu
	seen    uint64        // the request that was under way at the last look; guarded by mu
	stopped uint64        // the request for which there is no more watching; guarded by mu
	done    chan struct{} // closed when the reading is over; nil: nobody reads; guarded by mu
	fin     atomic.Int64  // when the client has ended its direction, in nanoseconds since 1970; 0: it has not
}

// arm has the connection looked at while it is busy.
func (w *watch) arm(c *Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.armed {
		return
	}
	w.armed = true
	if w.timer == nil {
		w.timer = time.AfterFunc(watchEvery, func() { w.look(c) })
	} else {
		w.timer.Reset(watchEvery)
	}
}

func (w *watch) look(c *Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	serial := c.serial.Load()
	if serial == 0 {
		w.armed = false
		return
	}
	if serial == w.seen && w.done == nil && w.stopped != serial && !c.x.body.left() {
		_ = c.nc.SetReadDeadline(time.Time{})
		w.done = make(chan struct{})
		go w.read(c, w.done)
	}
	if fin := w.fin.Load(); fin != 0 && time.Since(time.Unix(0, fin)) >= halfClosed {
		w.fin.Store(0)
		c.x.cancel()
	}
	w.seen = serial
	w.timer.Reset(watchEvery)
}

// read reads until the buffer is full, the client is gone, or stop ends it.
func (w *watch) read(c *Conn, done chan struct{}) {
	defer close(done)
	for c.w < len(c.buf) || c.r == c.w {
		if c.r == c.w {
			c.r, c.w = 0, 0
		}
		n, err := c.nc.Read(c.buf[c.w:])
		c.w += n
		switch {
		case err == nil:
			continue
		case errors.Is(err, io.EOF):
			w.fin.Store(time.Now().UnixNano())
		case !isTimeout(err):
			c.x.cancel()
		}
		return
	}
}

// stop ends the reading, and there is no more of it for this request.
func (w *watch) stop(c *Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = c.requests
	w.halt(c)
}

// end ends the reading once a request is answered.
func (w *watch) end(c *Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.halt(c)
}

// halt waits for the reading goroutine to be gone. Callers hold mu, which that
// one never asks for.
func (w *watch) halt(c *Conn) {
	w.mu.Check()
	if w.done == nil {
		return
	}
	_ = c.nc.SetReadDeadline(aLongTimeAgo)
	<-w.done
	w.done = nil
	w.fin.Store(0)
	c.readBy = time.Time{} // what is set is of the past
}

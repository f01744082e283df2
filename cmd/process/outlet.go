package process

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxBacklog bounds what an Outlet holds, in octets; while a write is under
	// way it holds as much again.
	maxBacklog = 4 << 20
	// lastWords bounds the wait at the end for a reader who has stopped.
	lastWords = 2 * time.Second
)

// Outlet is standard output or standard error for lines that nobody waits for:
// a pipe whose reader has stopped would otherwise hold up whoever logs, which is
// who publishes and who serves. Lines that find no room are lost and counted.
// Its methods may be called from any goroutine.
type Outlet struct {
	to   io.Writer
	tell func(lost uint64) // how many were lost, once the reader reads again; it may write
	lost atomic.Uint64

	mu     sync.Mutex
	buf    []byte // guarded by mu
	closed bool   // guarded by mu
	wake   chan struct{}
	done   chan struct{}
}

// NewOutlet makes an Outlet, whose Close must be called.
func NewOutlet(to io.Writer, tell func(lost uint64)) *Outlet {
	o := &Outlet{to: to, tell: tell, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go o.run()
	return o
}

// Write implements io.Writer. p holds whole lines. It never waits for the
// reader, and always succeeds.
func (o *Outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	fits := p
	if room := maxBacklog - len(o.buf); len(p) > room {
		fits = p[:bytes.LastIndexByte(p[:max(room, 0)], '\n')+1]
		o.lost.Add(uint64(bytes.Count(p[len(fits):], []byte("\n"))))
	}
	if o.closed {
		fits = nil
	}
	o.buf = append(o.buf, fits...)
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return len(p), nil
}

// run is the one goroutine that writes.
func (o *Outlet) run() {
	defer close(o.done)
	var spare []byte
	var told uint64
	for range o.wake {
		for {
			o.mu.Lock()
			buf := o.buf
			o.buf = spare[:0]
			closed := o.closed
			o.mu.Unlock()
			if len(buf) == 0 {
				spare = buf
				if closed {
					return
				}
				break
			}
			n, err := o.to.Write(buf)
			if err != nil { // to tell of it might be as vain
				o.lost.Add(uint64(bytes.Count(buf[n:], []byte("\n"))))
			} else if lost := o.lost.Load(); lost != told {
				o.tell(lost - told)
				told = lost
			}
			if spare = buf; cap(spare) > maxBacklog/4 {
				spare = nil
			}
		}
	}
}

// Close writes what is left, for as long as lastWords.
func (o *Outlet) Close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
	LastWords(func() { <-o.done })
}

// Lost is how many lines were lost so far.
func (o *Outlet) Lost() uint64 { return o.lost.Load() }

// LastWords runs f, which writes to a reader that may have stopped, and waits
// for its end for two seconds at most.
func LastWords(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

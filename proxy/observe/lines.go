package observe

import (
	"io"
	"sync"
	"time"
)

// lineLog writes lines that come in numbers: they are gathered in a buffer and
// written by one goroutine, at the latest after flushEvery, so that a request
// pays for the appending alone.
type lineLog struct {
	out io.Writer // does not wait for whoever reads it

	mu   sync.Mutex
	buf  []byte // guarded by mu
	wake chan struct{}
	stop chan struct{}
	done chan struct{}
}

const (
	flushEvery = 50 * time.Millisecond
	maxPending = 1 << 20 // octets that are gathered
)

func newLineLog(out io.Writer) *lineLog {
	l := &lineLog{out: out, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

// line appends one line that add writes, without its end.
func (l *lineLog) line(add func([]byte) []byte) {
	l.mu.Lock()
	if len(l.buf) > maxPending {
		_, _ = l.out.Write(l.buf)
		l.buf = l.buf[:0]
	}
	first := len(l.buf) == 0
	l.buf = append(add(l.buf), '\n')
	l.mu.Unlock()
	if first {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

func (l *lineLog) run() {
	defer close(l.done)
	var spare []byte
	for {
		stopping := false
		select {
		case <-l.wake:
			timer := time.NewTimer(flushEvery)
			select {
			case <-timer.C:
			case <-l.stop:
				timer.Stop()
				stopping = true
			}
		case <-l.stop:
			stopping = true
		}
		l.mu.Lock()
		buf := l.buf
		l.buf = spare[:0]
		l.mu.Unlock()
		if len(buf) > 0 {
			_, _ = l.out.Write(buf)
		}
		spare = buf
		if cap(spare) > 1<<20 {
			spare = nil
		}
		if stopping {
			return
		}
	}
}

// close writes what is left.
func (l *lineLog) close() {
	close(l.stop)
	<-l.done
}

package h2

import (
	"sync"
	"time"
)

// idleWorker is how long a goroutine waits for its next request.
const idleWorker = 5 * time.Second

// workers is a free list of goroutines. It grows without bound (streams are
// bounded elsewhere) and shrinks when goroutines were idle for idleWorker.
// A goroutine that is used again has its stack grown already.
type workers struct {
	mu      sync.Mutex
	idle    []*worker // guarded by mu; the longest idle first
	sweeper bool      // guarded by mu; a sweep is due
}

type worker struct {
	next  chan *Stream // of one; closed to end the worker
	since time.Time    // guarded by workers.mu; set at a sweep, zero before
}

// run answers s on a free goroutine, or a new one.
func (ws *workers) run(g *Engine, s *Stream) {
	ws.mu.Lock()
	if n := len(ws.idle) - 1; n >= 0 {
		w := ws.idle[n]
		ws.idle[n] = nil
		ws.idle = ws.idle[:n]
		ws.mu.Unlock()
		w.next <- s
		return
	}
	ws.mu.Unlock()
	go ws.loop(g, &worker{next: make(chan *Stream, 1)}, s)
}

func (ws *workers) loop(g *Engine, w *worker, s *Stream) {
	for ok := true; ok; s, ok = <-w.next {
		g.Handle(s)
		s.handled()
		ws.mu.Lock()
		w.since = time.Time{}
		ws.idle = append(ws.idle, w)
		if !ws.sweeper {
			ws.sweeper = true
			time.AfterFunc(idleWorker, ws.sweep)
		}
		ws.mu.Unlock()
	}
}

// sweep ends the workers that the last sweep has seen idle already.
func (ws *workers) sweep() {
	now := time.Now()
	ws.mu.Lock()
	defer ws.mu.Unlock()
	keep := ws.idle[:0]
	for _, w := range ws.idle {
		switch {
		case w.since.IsZero():
			w.since = now
			keep = append(keep, w)
		case now.Sub(w.since) < idleWorker:
			keep = append(keep, w)
		default:
			close(w.next)
		}
	}
	clear(ws.idle[len(keep):])
	ws.idle = keep
	ws.sweeper = len(keep) > 0
	if ws.sweeper {
		time.AfterFunc(idleWorker, ws.sweep)
	} else {
		ws.idle = nil
	}
}

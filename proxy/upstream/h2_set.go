package upstream

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// h2MaxConns bounds the connections of one h2set: a further one is opened when
// all others are full.
const h2MaxConns = 64

var errNoStream = errors.New("no stream on which the backend takes the request")

// h2set is the connections of a Pool that speak HTTP/2. Its mu is taken after
// an h2conn's, if both are.
type h2set struct {
	*common
	dialer  *dialer                // immutable
	http1   *http1Idle             // immutable; where connections go that turn out to be HTTP/1.1's
	grpc    bool                   // immutable; requests go with "te: trailers"
	current atomic.Pointer[h2conn] // where to ask for a stream first
	asking  atomic.Int64           // len(waiters), to be read without mu

	mu      sync.Mutex
	conns   []*h2conn   // guarded by mu; those that take new streams
	dial    *h2dial     // guarded by mu; under way, or nil
	waiters []*h2waiter // guarded by mu; first come, first served
	retired bool        // guarded by mu
}

// h2dial is the making of a connection for all who wait for one.
type h2dial struct {
	cancel context.CancelFunc
	users  int           // guarded by the set's mu
	c      *h2conn       // guarded by the set's mu; what it has led to, and nobody joins it any more
	done   chan struct{} // closed at the end; what follows is valid then
	err    error
	http1  bool       // the backend speaks HTTP/1.1
	given  *http1Conn // guarded by the set's mu; on which it does, for one of them
}

// h2waiter is an exchange that waits for a stream.
type h2waiter struct{ ready chan struct{} }

// wake lets so many of those look again who wait for a stream.
func (t *h2set) wake(n int) {
	if t.asking.Load() == 0 {
		return
	}
	t.mu.Lock()
	t.wakeLocked(n)
	t.mu.Unlock()
}

func (t *h2set) wakeLocked(n int) {
	n = min(n, len(t.waiters))
	for _, w := range t.waiters[:n] {
		close(w.ready)
	}
	t.waiters = slices.Delete(t.waiters, 0, n)
	t.asking.Store(int64(len(t.waiters)))
}

// remove forgets a connection that takes no streams any more.
func (t *h2set) remove(c *h2conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.conns, c); i >= 0 {
		t.conns = slices.Delete(t.conns, i, i+1)
	}
	if t.current.Load() == c {
		t.current.Store(nil)
		if n := len(t.conns); n > 0 {
			t.current.Store(t.conns[n-1])
		}
	}
	t.wakeLocked(len(t.waiters))
}

// add takes in a new connection, to which d has led unless it is nil. One that
// nobody has asked for long, in a Pool that no map names, closes after its first
// request.
func (t *h2set) add(nc net.Conn, d *h2dial) {
	t.mu.Lock()
	retired := t.retired
	t.mu.Unlock()
	c := newH2conn(t, nc, retired)
	t.mu.Lock()
	t.conns = append(t.conns, c)
	t.current.Store(c)
	if d != nil {
		d.c = c
		t.forget(d)
	}
	t.mu.Unlock()
	// Not before: its SETTINGS wake those who look for it here, and its GOAWAY
	// those who count it.
	go c.serve()
}

// retire closes the connections as they become idle.
func (t *h2set) retire() {
	t.mu.Lock()
	t.retired = true
	conns := slices.Clone(t.conns)
	t.mu.Unlock()
	for _, c := range conns {
		c.retire()
	}
}

// empty says that there is no connection, nor anybody who waits for one.
func (t *h2set) empty() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns) == 0 && t.dial == nil
}

// h2wanted is what an exchange asks an h2set for.
type h2wanted struct {
	not     *h2conn // any but this one, which was of no use
	greeted bool    // only one whose SETTINGS have come
	ctx     context.Context
	connect time.Duration // for a connection, <= 0: no limit
	until   time.Time     // for a stream; zero: no limit
}

// h2found is where an exchange may go on.
type h2found struct {
	c     *h2conn    // with a place for a stream
	http1 bool       // the backend speaks HTTP/1.1
	given *http1Conn // on which it does; nil: another exchange has got it
}

// stream finds a connection with a place for a stream.
func (t *h2set) stream(w h2wanted) (h2found, *Error) {
	began, useless := time.Now(), 0
	if w.not != nil {
		useless = 1
	}
	for {
		if c := t.current.Load(); c != nil && c != w.not && c.reserve(w.greeted) {
			return h2found{c: c}, nil
		}
		// Whoever frees a stream from here on wakes me, so that nothing is missed
		// between a look and the wait.
		me := &h2waiter{ready: make(chan struct{})}
		t.mu.Lock()
		t.waiters = append(t.waiters, me)
		t.asking.Store(int64(len(t.waiters)))
		conns := slices.Clone(t.conns)
		t.mu.Unlock()
		best := h2gone
		for _, c := range conns {
			if c == w.not {
				continue
			}
			if c.reserve(w.greeted) {
				t.giveUp(me)
				t.current.Store(c)
				return h2found{c: c}, nil
			}
			best = max(best, c.state(w.connect))
		}
		d := t.join(w, best)
		found, err := t.wait(w, me, d, best, began)
		if d != nil && t.part(d) {
			useless++
		}
		if err != nil || found.http1 {
			return found, err
		}
		if useless == h2Attempts {
			return found, &Error{Reason: ReasonRefused, Err: errGoneAway}
		}
	}
}

// giveUp takes me off the list. What I was woken for, if I was, goes to the next.
func (t *h2set) giveUp(me *h2waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.unlist(me) {
		t.wakeLocked(1)
	}
}

// unlist reports whether me was still to be woken. t.mu is held.
func (t *h2set) unlist(me *h2waiter) bool {
	i := slices.Index(t.waiters, me)
	if i < 0 {
		return false
	}
	t.waiters = slices.Delete(t.waiters, i, i+1)
	t.asking.Store(int64(len(t.waiters)))
	return true
}

// wait returns when there is reason to look again. What the connections have is
// best; d is the dialling under way, if I take part in it.
func (t *h2set) wait(w h2wanted, me *h2waiter, d *h2dial, best h2state, began time.Time) (found h2found, err *Error) {
	until, reason := w.until, ReasonReadTimeout
	if best == h2greeting && w.connect > 0 {
		if at := began.Add(w.connect); until.IsZero() || at.Before(until) {
			until, reason = at, ReasonConnectTimeout
		}
	}
	var dialled chan struct{}
	if d != nil {
		dialled = d.done
		if best == h2gone {
			until = time.Time{} // dialling has a limit of its own
		}
	}
	var late <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-me.ready:
		return found, nil
	case <-dialled:
		if d.err == nil && !d.http1 {
			t.mu.Lock()
			t.unlist(me)
			t.mu.Unlock()
			return found, nil
		}
		if found.http1, found.given = d.http1, t.taken(d); d.err != nil {
			err = &Error{Reason: dialReason(d.err), Err: d.err}
		}
	case <-w.ctx.Done():
		err = &Error{Reason: ReasonCanceled, Err: errCanceled}
	case <-late:
		err = &Error{Reason: reason, Err: errNoStream}
	}
	t.giveUp(me)
	return found, err
}

// join has the caller take part in the dialling under way, which is begun if
// there is need: if there are no connections, or all are full.
func (t *h2set) join(w h2wanted, best h2state) *h2dial {
	if best == h2greeting || best == h2closed {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.conns) >= h2MaxConns {
		return nil
	}
	d := t.dial
	if d == nil {
		ctx, cancel := context.WithCancel(context.Background())
		d = &h2dial{cancel: cancel, done: make(chan struct{})}
		t.dial = d
		go t.run(ctx, d, w.connect)
	}
	d.users++
	return d
}

// part leaves the dialling, and reports whether it has led to a connection that is
// gone already. When nobody waits for it any more it ends.
func (t *h2set) part(d *h2dial) (useless bool) {
	t.mu.Lock()
	d.users--
	last, c := d.users == 0, d.c
	if last {
		t.forget(d)
	}
	t.mu.Unlock()
	if last {
		d.cancel()
		t.keep(d)
	}
	return c != nil && c.state(0) == h2gone
}

// forget has nobody join a dialling any more. t.mu is held.
func (t *h2set) forget(d *h2dial) {
	if t.dial == d {
		t.dial = nil
	}
}

// run dials.
func (t *h2set) run(ctx context.Context, d *h2dial, timeout time.Duration) {
	nc, h2, err := t.dialer.dialEither(ctx, timeout)
	switch {
	case err != nil:
		d.err = err
	case h2:
		t.add(nc, d)
	default:
		d.http1 = true
	}
	t.mu.Lock()
	if d.http1 {
		d.given = newHTTP1Conn(nc)
	}
	t.forget(d)
	unused := d.users == 0
	t.mu.Unlock()
	close(d.done)
	if unused {
		t.keep(d)
	}
}

// taken returns the connection of HTTP/1.1 that dialling has led to, once.
func (t *h2set) taken(d *h2dial) *http1Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := d.given
	d.given = nil
	return c
}

// keep gives to the Pool what nobody has taken.
func (t *h2set) keep(d *h2dial) {
	if c := t.taken(d); c != nil {
		t.http1.put(c, time.Now(), 0)
	}
}

// own opens a connection for one exchange, with its stream.
func (t *h2set) own(ctx context.Context, timeout time.Duration) (h2found, *Error) {
	nc, h2, err := t.dialer.dialEither(ctx, timeout)
	switch {
	case err != nil:
		return h2found{}, &Error{Reason: dialReason(err), Err: err}
	case !h2:
		return h2found{http1: true, given: newHTTP1Conn(nc)}, nil
	}
	c := newH2conn(t, nc, true)
	go c.serve()
	if !c.reserve(false) {
		return h2found{}, &Error{Reason: ReasonRefused, Err: errGoneAway} // lost already
	}
	return h2found{c: c}, nil
}

package upstream

import (
	"context"
	"io"
	"sync"
	"time"
)

// call is what both clients know of an exchange: where it goes, how long it may
// take, and how it can be canceled.
type call struct {
	// Owned by the caller's goroutine.
	pool                                     *Pool
	connectTimeout, readTimeout, sendTimeout time.Duration // <= 0: none
	err                                      *Error        // why it has failed

	mu       sync.Mutex
	canceled bool               // guarded by mu
	live     io.Closer          // guarded by mu; what cancel closes
	stop     context.CancelFunc // guarded by mu; ends dialling
}

// begin takes from r where it goes, and its time-outs.
func (c *call) begin(r *Request) {
	c.pool = c.pool.named(r.ServerName)
	cfg := &c.pool.cfg
	c.connectTimeout = either(r.ConnectTimeout, cfg.ConnectTimeout)
	c.readTimeout = either(r.ReadTimeout, cfg.ReadTimeout)
	c.sendTimeout = either(r.SendTimeout, cfg.SendTimeout)
}

func either(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// attach makes live, and what stop ends, reachable for cancel. It returns false
// if cancel was called before.
func (c *call) attach(live io.Closer, stop context.CancelFunc) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live, c.stop = live, stop
	return !c.canceled
}

func (c *call) isCanceled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.canceled
}

// cancel is Exchange.Cancel.
func (c *call) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.canceled = true
	if c.stop != nil {
		c.stop()
	}
	if c.live != nil {
		// Under mu, so that it cannot be another exchange's by now.
		_ = c.live.Close()
	}
}

// fail makes the error of the exchange. That it was canceled explains better
// than e what has happened.
func (c *call) fail(e Error) *Error {
	if c.isCanceled() {
		e.Reason, e.Err = ReasonCanceled, errCanceled
	}
	c.err = &e
	return c.err
}

// reset makes c ready for another exchange.
func (c *call) reset() {
	c.mu.Lock()
	c.canceled, c.live, c.stop = false, nil, nil
	c.mu.Unlock()
	c.pool, c.err = nil, nil
}

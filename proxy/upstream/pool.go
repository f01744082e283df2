package upstream

import (
	"context"
	"crypto/tls"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// forgetAfter is how long a backend's closing of idle connections is held
// against it: it may have been restarted.
const forgetAfter = time.Minute

// Pool is the connections to one Target. It lives longer than any host map that
// names it. Its methods may be called from any goroutine.
type Pool struct {
	client *Client
	target Target
	addr   string        // target.Addr, for dialling
	tls    *tls.Config   // immutable; nil for cleartext
	h2     *h2set        // immutable; nil for HTTP1
	alpn   atomic.Uint32 // what the endpoint last chose; with tls

	mu      sync.Mutex
	names   map[string]*Pool // guarded by mu; for requests with server names of their own
	idle    []*conn          // guarded by mu; the last is the newest
	reaper  *time.Timer      // guarded by mu; nil until first needed
	armed   bool             // guarded by mu; the reaper will run
	endured time.Duration    // guarded by mu; idle for so long, a connection was found closed; 0: none was
	learned time.Time        // guarded by mu; when that was
	retired bool             // guarded by mu

	held atomic.Int64 // connections that Logins hold
}

func newPool(c *Client, t Target) *Pool {
	p := &Pool{client: c, target: t, addr: t.Addr.String()}
	if t.Protocol == HTTPS || t.Protocol == GRPCS {
		p.tls = t.tlsConfig()
	}
	if t.Protocol != HTTP1 {
		p.h2 = &h2set{pool: p}
	}
	return p
}

// Target returns what the Pool was made for.
func (p *Pool) Target() Target { return p.target }

// Start returns an Exchange for one request. It must be closed.
func (p *Pool) Start() *Exchange {
	e, ok := p.client.exchanges.Get().(*Exchange)
	if !ok {
		e = new(Exchange)
	}
	e.pool = p
	return e
}

// take returns the idle connection that was used last, or nil. Each is looked at
// before: whatever it says would be taken for the answer to the next request.
// With strict, for a request that cannot be repeated, those are left alone that
// the backend may be about to close.
func (p *Pool) take(now time.Time, strict bool) *conn {
	for {
		p.mu.Lock()
		n := len(p.idle)
		if n == 0 || strict && now.Sub(p.idle[n-1].idleSince) >= p.patience(now) {
			p.mu.Unlock()
			return nil
		}
		c := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()

		if p.fit(c, now) {
			return c
		}
		_ = c.nc.Close()
	}
}

// fit reports that c, which was idle, can carry a request.
func (p *Pool) fit(c *conn, now time.Time) bool {
	idle := now.Sub(c.idleSince)
	if idle >= c.idleLimit {
		return false
	}
	switch c.look() {
	case quiet:
		return true
	case ended:
		p.learn(now, idle)
	}
	return false
}

// learn notes that the backend has closed a connection idle for so long.
func (p *Pool) learn(now time.Time, idle time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.endured == 0 || idle < p.endured || now.Sub(p.learned) > forgetAfter {
		p.endured, p.learned = idle, now
	}
}

// patience is how long the backend is known to keep an idle connection: half of
// the shortest time that it did not, lately. p.mu is held.
func (p *Pool) patience(now time.Time) time.Duration {
	if p.endured == 0 || now.Sub(p.learned) > forgetAfter {
		return math.MaxInt64
	}
	return p.endured / 2
}

// mayClose reports that the backend may be about to close c.
func (p *Pool) mayClose(c *conn, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return now.Sub(c.idleSince) >= p.patience(now)
}

func (p *Pool) isRetired() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.retired
}

// put keeps c for another request. keepFor is the backend's own idle limit, 0
// if it is not known.
func (p *Pool) put(c *conn, now time.Time, keepFor time.Duration) {
	c.rest(now, p.client.cfg.IdleTimeout, keepFor)
	p.mu.Lock()
	if p.retired || len(p.idle) >= p.client.cfg.MaxIdlePerEndpoint {
		p.mu.Unlock()
		_ = c.nc.Close()
		return
	}
	p.idle = append(p.idle, c)
	if !p.armed {
		p.arm()
	}
	p.mu.Unlock()
}

// arm has the idle connections looked through in a while: a connection is open
// for at most five quarters of its limit. p.mu is held.
func (p *Pool) arm() {
	p.armed = true
	after := p.client.cfg.IdleTimeout / 4
	if p.reaper == nil {
		p.reaper = time.AfterFunc(after, p.reap)
	} else {
		p.reaper.Reset(after)
	}
}

// reap closes what has been idle for too long.
func (p *Pool) reap() {
	now := time.Now()
	var gone []*conn
	p.mu.Lock()
	kept := p.idle[:0]
	for _, c := range p.idle {
		if now.Sub(c.idleSince) < c.idleLimit {
			kept = append(kept, c)
		} else {
			gone = append(gone, c)
		}
	}
	clear(p.idle[len(kept):])
	p.idle = kept
	p.armed = false
	if len(kept) > 0 && !p.retired {
		p.arm()
	}
	p.mu.Unlock()
	for _, c := range gone {
		_ = c.nc.Close()
	}
}

// retire closes the idle connections and keeps no more.
func (p *Pool) retire() {
	p.mu.Lock()
	gone, names := p.idle, p.names
	p.idle, p.names, p.retired = nil, nil, true
	if p.reaper != nil {
		p.reaper.Stop()
	}
	p.mu.Unlock()
	for _, c := range gone {
		_ = c.nc.Close()
	}
	for _, n := range names {
		n.retire()
	}
	if p.h2 != nil {
		p.h2.retire()
	}
}

// dial opens a connection for HTTP/1.1 within the timeout; it ends early with
// ctx.
func (p *Pool) dial(ctx context.Context, timeout time.Duration) (*conn, error) {
	if p.tls != nil {
		return p.dialHTTP1(ctx, timeout, false)
	}
	nc, err := p.dialNet(ctx, timeout)
	if err != nil {
		return nil, err
	}
	return newConn(nc), nil
}

func (p *Pool) dialNet(ctx context.Context, timeout time.Duration) (net.Conn, error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	return p.client.cfg.Dial(ctx, "tcp", p.addr)
}

package upstream

import (
	"sync"
	"sync/atomic"
)

// maxNames bounds the server names that one Pool keeps connections for. They
// may come from requests.
const maxNames = 256

// Pool is the connections to one Target, of either protocol. It lives longer than
// any host map that names it. Its methods may be called from any goroutine.
type Pool struct {
	*common
	target Target     // immutable
	dialer *dialer    // immutable
	http1  *http1Idle // immutable
	h2     *h2set     // immutable; nil where the protocol is HTTP1

	mu      sync.Mutex
	names   map[string]*Pool // guarded by mu; for requests with server names of their own
	retired bool             // guarded by mu

	held atomic.Int64 // connections that Logins hold
}

func newPool(c *common, t Target) *Pool {
	return (&Pool{common: c, target: t}).over(newDialer(&c.cfg, &t))
}

// over gives p its connections, which d opens.
func (p *Pool) over(d *dialer) *Pool {
	p.dialer = d
	p.http1 = &http1Idle{limit: p.cfg.IdleTimeout, most: p.cfg.MaxIdlePerEndpoint}
	if p.target.Protocol != HTTP1 {
		p.h2 = &h2set{common: p.common, dialer: d, http1: p.http1, grpc: p.target.Protocol.grpc()}
	}
	return p
}

// Target returns what the Pool was made for.
func (p *Pool) Target() Target { return p.target }

// named returns the Pool for requests with a server name of their own: a
// connection made for one never carries requests for another.
func (p *Pool) named(name string) *Pool {
	if name == "" || name == p.target.ServerName || !p.target.Protocol.secure() {
		return p
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.names[name]; n != nil {
		return n
	}
	n := &Pool{common: p.common, target: p.target}
	n.target.ServerName = name
	n.over(p.dialer.named(&n.target))
	if len(p.names) >= maxNames {
		for other, o := range p.names {
			if o.unused() {
				delete(p.names, other)
			}
		}
	}
	if p.retired || len(p.names) >= maxNames {
		n.retire() // its connections end with their requests
	}
	if len(p.names) >= maxNames {
		return n
	}
	if p.names == nil {
		p.names = make(map[string]*Pool)
	}
	p.names[name] = n
	return n
}

// unused says that there are no connections to keep.
func (p *Pool) unused() bool { return p.http1.empty() && p.h2.empty() }

// retire closes the idle connections and keeps no more.
func (p *Pool) retire() {
	p.mu.Lock()
	names := p.names
	p.names, p.retired = nil, true
	p.mu.Unlock()
	for _, n := range names {
		n.retire()
	}
	p.http1.retire()
	if p.h2 != nil {
		p.h2.retire()
	}
}

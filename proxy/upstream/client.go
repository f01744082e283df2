package upstream

import (
	"maps"
	"slices"
	"sync"
)

// Client holds the pools. Its methods may be called from any goroutine.
type Client struct {
	common

	mu     sync.Mutex
	pools  map[key]*Pool // guarded by mu
	closed bool          // guarded by mu
}

// New returns a Client without connections. Close it when it is done.
func New(cfg Config) *Client {
	return &Client{common: common{cfg: cfg.withDefaults()}, pools: make(map[key]*Pool)}
}

// Pool returns the one Pool of t, which it makes if need be. Call it when a map
// is published, not for each request.
func (c *Client) Pool(t Target) *Pool {
	k := t.key()
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.pools[k]; p != nil {
		return p
	}
	p := newPool(&c.common, t)
	if c.closed {
		p.retire()
		return p
	}
	c.pools[k] = p
	return p
}

// Forget forgets pools. Their idle connections are closed; requests in progress,
// and such as still start, are finished, and leave no connection behind.
func (c *Client) Forget(gone []*Pool) {
	c.mu.Lock()
	for _, p := range gone {
		if k := p.target.key(); c.pools[k] == p {
			delete(c.pools, k)
		}
	}
	c.mu.Unlock()
	for _, p := range gone {
		p.retire()
	}
}

// Close is Forget of all pools, for good.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	all := slices.Collect(maps.Values(c.pools))
	c.mu.Unlock()
	c.Forget(all)
}

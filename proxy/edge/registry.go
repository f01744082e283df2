package edge

import "sync"

// registry holds the open connections, so that a publish and a drain find
// them. It is sharded: every accept and close goes through it.
type registry struct {
	shards [16]struct {
		mu    sync.Mutex
		conns map[*Conn]struct{} // guarded by mu
	}
}

func (r *registry) shard(c *Conn) int {
	b := c.Source.As16()
	return (int(b[15]) + int(c.SourcePort)) % len(r.shards)
}

func (r *registry) add(c *Conn) {
	s := &r.shards[r.shard(c)]
	s.mu.Lock()
	if s.conns == nil {
		s.conns = make(map[*Conn]struct{})
	}
	s.conns[c] = struct{}{}
	s.mu.Unlock()
}

func (r *registry) remove(c *Conn) {
	s := &r.shards[r.shard(c)]
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

// all returns the open connections.
func (r *registry) all() []*Conn {
	var out []*Conn
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for c := range s.conns {
			out = append(out, c)
		}
		s.mu.Unlock()
	}
	return out
}

func (r *registry) len() int {
	n := 0
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		n += len(s.conns)
		s.mu.Unlock()
	}
	return n
}

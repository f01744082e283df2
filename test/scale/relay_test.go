package scale

import (
	"io"
	"net"
	"sync"
	"testing"
)

// relay stands between the binary and the API server, so that the one can be
// away for the other.
type relay struct {
	address, to string

	mu    sync.Mutex
	ln    net.Listener          // guarded by mu
	conns map[net.Conn]struct{} // guarded by mu
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	r := &relay{address: "127.0.0.1:0", to: to, conns: map[net.Conn]struct{}{}}
	r.open(t)
	t.Cleanup(r.close)
	return r
}

// open takes connections.
func (r *relay) open(t *testing.T) {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ln, r.address = ln, ln.Addr().String()
	go func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", r.to)
			if err != nil {
				_ = near.Close()
				continue
			}
			r.mu.Lock()
			r.conns[near], r.conns[far] = struct{}{}, struct{}{}
			r.mu.Unlock()
			go r.pipe(near, far)
			go r.pipe(far, near)
		}
	}()
}

func (r *relay) pipe(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	_, _ = from.Close(), to.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, from)
	delete(r.conns, to)
}

// close ends all connections and refuses more.
func (r *relay) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.ln.Close()
	for c := range r.conns {
		_ = c.Close()
	}
}

package kube

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
)

// Relay is a way to an API server that can be cut.
type Relay struct {
	address, target string
	wg              sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // guarded by mu, as is the next; nil: cut
	conns    map[net.Conn]struct{}
}

// NewRelay returns a relay, cut, and the configuration to reach the server of
// another by it. It ends with the test.
func NewRelay(t testing.TB, c *rest.Config) (*Relay, *rest.Config) {
	t.Helper()
	server, err := url.Parse(c.Host)
	if err != nil || server.Host == "" {
		t.Fatalf("address of the API server %q: %v", c.Host, err)
	}
	r := &Relay{address: "127.0.0.1:0", target: server.Host, conns: make(map[net.Conn]struct{})}
	r.Mend(t) // for an address, which it keeps
	r.Cut()
	t.Cleanup(func() {
		r.Cut()
		r.wg.Wait()
	})
	server.Host = r.address
	c = rest.CopyConfig(c)
	c.Host = server.String()
	return r, c
}

// Mend lets connections through.
func (r *Relay) Mend(t testing.TB) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	r.address = l.Addr().String()
	r.mu.Lock()
	r.listener = l
	r.mu.Unlock()
	r.wg.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", r.target)
			if err != nil {
				_ = near.Close()
				continue
			}
			r.pass(l, near, far)
		}
	})
}

// pass passes octets on between two connections, unless the relay has been cut
// since the listener took one of them.
func (r *Relay) pass(l net.Listener, near, far net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listener != l {
		_, _ = near.Close(), far.Close()
		return
	}
	pipe := func(to, from net.Conn) {
		_, _ = io.Copy(to, from) // until either end is closed
		_, _ = to.Close(), from.Close()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.conns, from)
	}
	r.conns[near], r.conns[far] = struct{}{}, struct{}{}
	r.wg.Go(func() { pipe(near, far) })
	r.wg.Go(func() { pipe(far, near) })
}

// Cut ends all connections and refuses more.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listener == nil {
		return
	}
	_ = r.listener.Close()
	r.listener = nil
	for c := range r.conns {
		_ = c.Close()
	}
}

package h2

import (
	"net"
	"sync"
)

// Cork goes between a TLS connection and its socket. crypto/tls makes one
// system call per record of 16 KiB; corked, the records of one write of the
// engine leave together. Without it everything works the same, with more
// system calls for large bodies.
type Cork struct {
	net.Conn

	// The engine writes from one goroutine at a time, but TLS answers a key
	// update from whichever reads.
	mu   sync.Mutex
	held bool   // guarded by mu
	buf  []byte // records held back; guarded by mu
}

// NewCork wraps the socket that is then given to tls.Server; the engine finds
// it through tls.Conn.NetConn.
func NewCork(nc net.Conn) *Cork { return &Cork{Conn: nc} }

// NetConn returns the socket.
func (k *Cork) NetConn() net.Conn { return k.Conn }

// Write writes p, or holds it back until release.
func (k *Cork) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held {
		if len(k.buf)+len(p) <= cap(k.buf) {
			k.buf = append(k.buf, p...)
			return len(p), nil
		}
		if err := k.send(); err != nil {
			return 0, err
		}
	}
	return k.Conn.Write(p)
}

// send writes what is held back. Callers hold mu.
func (k *Cork) send() error {
	if len(k.buf) == 0 {
		return nil
	}
	_, err := k.Conn.Write(k.buf)
	k.buf = k.buf[:0]
	return err
}

// hold keeps what is written, as far as buf has room for it, until release.
func (k *Cork) hold(buf []byte) {
	k.mu.Lock()
	k.held = true
	k.buf = buf[:0]
	k.mu.Unlock()
}

// release writes what was held back. The buffer is the caller's again.
func (k *Cork) release() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.send()
	k.held = false
	k.buf = nil
	return err
}

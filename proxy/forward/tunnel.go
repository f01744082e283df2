package forward

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/message"
	"github.com/ingress421/ingress421/proxy/upstream"
)

// handshakeFields are the fields of a WebSocket handshake to a backend, which is
// asked in HTTP/1.1, for an extended CONNECT. That (RFC 8441 section 5) has no
// key, because HTTP/2 needs none; the backend's handshake does.
func handshakeFields(r *message.Request, fields []hpack.HeaderField) []hpack.HeaderField {
	kept := fields[:0]
	for _, f := range fields {
		if f.Name != "sec-websocket-key" {
			kept = append(kept, f)
		}
	}
	var key [16]byte
	_, _ = rand.Read(key[:])
	r.Header = append(kept, message.Field("sec-websocket-key", base64.StdEncoding.EncodeToString(key[:])))
	return r.Header
}

// tunnel carries octets both ways until both sides have ended, or either is
// lost. Whoever has ended its own direction still gets what the other sends (RFC
// 8441 section 5), unless that pauses for the stall timeout.
func tunnel(r *message.Request, buffers *copyBuffers, x *upstream.Exchange) {
	backend := x.Upgraded()
	if r.OpenTunnel(responseFields(r, x)) != nil {
		return
	}
	half := newHalfClosed(r.Client.StallTimeout, func() {
		_ = backend.Close()
		r.StopRead()
	})
	defer half.stop()

	up := make(chan struct{})
	go func() {
		defer close(up)
		if errors.Is(buffers.carry(backend, r, half.moved), io.EOF) {
			if cw, ok := backend.(interface{ CloseWrite() error }); ok && cw.CloseWrite() == nil {
				half.begin()
				return
			}
		}
		_ = backend.Close()
	}()
	err := buffers.carry(r, backend, func(n int) {
		r.Sent += int64(n)
		half.moved(n)
	})
	if errors.Is(err, io.EOF) && r.WriteEnd(nil) == nil {
		half.begin()
		<-up
	} else {
		r.Cancel()
	}
	_ = backend.Close()
	r.StopRead()
	<-up
}

// halfClosed bounds a tunnel of which one direction has ended: what is left
// must move.
type halfClosed struct {
	limit time.Duration
	timer *time.Timer
	begun atomic.Bool

	mu   sync.Mutex
	over bool // the tunnel has; guarded by mu
}

// newHalfClosed has end called once nothing has moved for the limit.
func newHalfClosed(limit time.Duration, end func()) *halfClosed {
	h := &halfClosed{limit: limit}
	h.timer = time.AfterFunc(limit, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.begun.Load() && !h.over {
			end()
		}
	})
	return h
}

// begin notes that one direction has ended.
func (h *halfClosed) begin() {
	h.begun.Store(true)
	h.timer.Reset(h.limit)
}

// moved notes that the tunnel has carried something.
func (h *halfClosed) moved(int) {
	if h.begun.Load() {
		h.timer.Reset(h.limit)
	}
}

// stop has end not called any more: what it ends may be another's by then.
func (h *halfClosed) stop() {
	h.mu.Lock()
	h.over = true
	h.mu.Unlock()
	h.timer.Stop()
}

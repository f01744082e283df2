package proxy

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	httpfield "github.com/ingress421/ingress421/proxy/field"
	"github.com/ingress421/ingress421/proxy/upstream"
)

// upgrade is the protocol that an HTTP/1.1 request asks the connection to change
// to and that the backend is asked for too; "" where the Upgrade field is
// ignored, as RFC 9110 section 7.8 allows.
//
// A list of protocols is ignored, because what follows would be for the backend
// to choose, and so is what [upstream.Upgradable] refuses. A body goes before
// the protocol changes, as that of "docker exec" does, but one whose length is
// not known is where two readers come to disagree on its end.
func (r *request) upgrade() string {
	protocol, n, asked := "", 0, false
	for i := range r.header {
		switch f := &r.header[i]; f.Name {
		case "upgrade":
			protocol = f.Value
			n++
		case "connection":
			asked = asked || httpfield.InList(f.Value, "upgrade")
		}
	}
	switch {
	case n != 1 || !asked || r.contentLength < 0 || r.method == "CONNECT" || !upstream.Upgradable(protocol):
		return ""
	case strings.EqualFold(protocol, "websocket") && (r.method != "GET" || r.contentLength != 0):
		return "" // RFC 6455 section 4.1: a GET without content
	}
	return protocol
}

// tunnelFields are the fields of a WebSocket handshake to a backend, which is
// asked in HTTP/1.1, for an extended CONNECT. That (RFC 8441 section 5) has no
// key, because HTTP/2 needs none; the backend's handshake does.
func (s *Server) tunnelFields(r *request, fields []hpack.HeaderField) []hpack.HeaderField {
	kept := fields[:0]
	for _, f := range fields {
		if f.Name != "sec-websocket-key" {
			kept = append(kept, f)
		}
	}
	var key [16]byte
	_, _ = rand.Read(key[:])
	r.header = append(kept, field("sec-websocket-key", base64.StdEncoding.EncodeToString(key[:])))
	return r.header
}

// tunnel carries octets both ways until both sides have ended, or either is
// lost. Whoever has ended its own direction still gets what the other sends (RFC
// 8441 section 5), unless that pauses for the stall timeout.
func (s *Server) tunnel(ex exchange, r *request, x *upstream.Exchange) {
	backend := x.Upgraded()
	status := http.StatusSwitchingProtocols
	fields := s.responseFields(r, x)
	if r.protocol == protocolHTTP2 {
		status = http.StatusOK
		r.status = status
	} else {
		fields = append(fields, field("upgrade", r.tunnel))
		r.fields = fields
	}
	if ex.WriteHeader(status, fields, false) != nil {
		s.done(r)
		return
	}
	half := newHalfClosed(either(s.limitsOf(r.conn.site).StallTimeout, defaultStallTimeout), func() {
		_ = backend.Close()
		ex.stopRead()
	})
	defer half.stop()

	up := make(chan struct{})
	go func() {
		defer close(up)
		if errors.Is(s.carry(backend, ex, half.moved), io.EOF) {
			if cw, ok := backend.(interface{ CloseWrite() error }); ok && cw.CloseWrite() == nil {
				half.begin()
				return
			}
		}
		_ = backend.Close()
	}()
	err := s.carry(ex, backend, func(n int) {
		r.sent += int64(n)
		half.moved(n)
	})
	if errors.Is(err, io.EOF) && ex.WriteEnd(nil) == nil {
		half.begin()
		<-up
	} else {
		ex.Reset(http2.ErrCodeCancel)
	}
	_ = backend.Close()
	ex.stopRead()
	<-up
	s.done(r)
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

// carry writes to w what it reads from r until either fails, and returns how:
// io.EOF where r has ended. progress is told of what was read.
func (s *Server) carry(w io.Writer, r io.Reader, progress func(n int)) error {
	buf := s.buffers.get()
	defer s.buffers.put(buf)
	for {
		n, err := r.Read(*buf)
		if n > 0 {
			progress(n)
			if _, werr := w.Write((*buf)[:n]); werr != nil {
				return werr
			}
		}
		if err != nil {
			return err
		}
	}
}

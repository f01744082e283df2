package proxy

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/upstream"
)

// tunnelFields are the fields of a WebSocket handshake to a backend, which is
// always asked in HTTP/1.1. An extended CONNECT (RFC 8441 section 5) has no
// key, because HTTP/2 needs none; the backend's handshake does.
func (s *Server) tunnelFields(r *request, fields []hpack.HeaderField) []hpack.HeaderField {
	if r.protocol != protocolHTTP2 {
		return fields
	}
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

// tunnel carries octets both ways until the backend ends, or either side is
// lost. A client that has ended its own direction still gets what the backend
// sends (RFC 8441 section 5), unless that pauses for the stall timeout.
func (s *Server) tunnel(ex exchange, r *request, x *upstream.Exchange) {
	backend := x.Upgraded()
	status := http.StatusSwitchingProtocols
	if r.protocol == protocolHTTP2 {
		status = http.StatusOK
		r.status = status
	}
	if ex.WriteHeader(status, s.responseFields(r, x), false) != nil {
		s.done(r)
		return
	}
	stall := either(s.limitsOf(r.conn.site).StallTimeout, defaultStallTimeout)
	var half atomic.Bool // the client has ended its direction
	patience := time.AfterFunc(stall, func() {
		if half.Load() {
			_ = backend.Close()
		}
	})
	defer patience.Stop()

	up := make(chan struct{})
	go func() {
		defer close(up)
		if errors.Is(s.carry(backend, ex, nil), io.EOF) {
			if cw, ok := backend.(interface{ CloseWrite() error }); ok && cw.CloseWrite() == nil {
				half.Store(true)
				patience.Reset(stall)
				return
			}
		}
		_ = backend.Close()
	}()
	err := s.carry(ex, backend, func(n int) {
		r.sent += int64(n)
		if half.Load() {
			patience.Reset(stall)
		}
	})
	if errors.Is(err, io.EOF) {
		_ = ex.WriteEnd(nil)
	} else {
		ex.Reset(http2.ErrCodeCancel)
	}
	_ = backend.Close()
	ex.stopRead()
	<-up
	s.done(r)
}

// carry writes to w what it reads from r until either fails, and returns how:
// io.EOF where r has ended. progress, if not nil, is told of what was read.
func (s *Server) carry(w io.Writer, r io.Reader, progress func(n int)) error {
	buf := s.buffers.get()
	defer s.buffers.put(buf)
	for {
		n, err := r.Read(*buf)
		if n > 0 {
			if progress != nil {
				progress(n)
			}
			if _, werr := w.Write((*buf)[:n]); werr != nil {
				return werr
			}
		}
		if err != nil {
			return err
		}
	}
}

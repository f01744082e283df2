package proxy

import (
	"crypto/rand"
	"encoding/base64"

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
	r.fields = append(kept, field("sec-websocket-key", base64.StdEncoding.EncodeToString(key[:])))
	return r.fields
}

// tunnel carries octets both ways until either side ends.
func (s *Server) tunnel(ex exchange, r *request, x *upstream.Exchange) {
	backend := x.Upgraded()
	status := 101
	if r.protocol == protocolHTTP2 {
		status = 200
	}
	if ex.WriteHeader(status, s.responseFields(r, x), false) != nil {
		s.done(r)
		return
	}
	up := make(chan struct{})
	go func() {
		defer close(up)
		buf := s.buffers.get()
		defer s.buffers.put(buf)
		for {
			n, err := ex.Read(*buf)
			if n > 0 {
				if _, werr := backend.Write((*buf)[:n]); werr != nil {
					break
				}
			}
			if err != nil {
				break
			}
		}
		_ = backend.Close()
	}()
	buf := s.buffers.get()
	for {
		n, err := backend.Read(*buf)
		if n > 0 {
			r.sent += int64(n)
			if _, werr := ex.Write((*buf)[:n]); werr != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	s.buffers.put(buf)
	_ = ex.WriteEnd(nil)
	_ = backend.Close()
	ex.stopRead()
	<-up
	s.done(r)
}

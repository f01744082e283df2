package proxy

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/ingress421/ingress421/proxy/h2"
	"github.com/ingress421/ingress421/proxy/message"
)

// closedSourceLimit counts connections refused because their source has as
// many as it may, beside the reasons of package h2.
const closedSourceLimit = "source_limit"

// newConn registers an accepted connection.
func (s *Server) newConn(nc net.Conn) *conn {
	c := &conn{Conn: nc}
	c.Facts.Peer = addrOf(peerOf(nc))
	c.Source, c.SourcePort = addrOf(nc.RemoteAddr()), portOf(nc.RemoteAddr())
	if !c.Source.IsValid() {
		c.Source = c.Facts.Peer // a PROXY header that names a socket file
	}
	c.SourceText = c.Source.String()
	s.conns.add(c)
	return c
}

// accept takes connections until the listener is closed, and serves each by
// itself: who a client is may have to be read from it first (PROXY protocol),
// which must not keep others waiting.
func (s *Server) accept(ln net.Listener, serve func(net.Conn)) error {
	for {
		nc, err := acceptNext(ln)
		if err != nil {
			return err
		}
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			serve(nc)
		}()
	}
}

// acceptNext is Accept that outlasts a shortage of descriptors or memory,
// which ends when connections do.
func acceptNext(ln net.Listener) (net.Conn, error) {
	for delay := 5 * time.Millisecond; ; delay = min(2*delay, time.Second) {
		nc, err := ln.Accept()
		if err == nil {
			return nc, nil
		}
		var ne net.Error
		if !errors.As(err, &ne) || errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		<-time.After(delay) // the kernel has no event for it
	}
}

// serveTLS does the handshake of a connection and serves it.
func (s *Server) serveTLS(nc net.Conn) {
	c, ok := s.enter(nc)
	if !ok {
		return
	}
	defer s.sources.leave(c.Source)

	deadline := time.Now().Add(either(s.limitsOf(nil).HandshakeTimeout, defaultHandshakeTimeout))
	tc, err := s.handshake(c, deadline)
	if err != nil {
		s.endRefused(c, err, deadline)
		s.conns.remove(c)
		_ = nc.Close()
		return
	}
	if c.Facts.ALPN == message.HTTP2 {
		s.serveHTTP2(c, tc)
		return
	}
	s.serveHTTP1(c, tc)
}

// serveHTTP1 serves a connection until it ends.
func (s *Server) serveHTTP1(c *conn, nc net.Conn) {
	s.observer.Opened(message.HTTP1)
	limits := s.limitsOf(c.site)
	c.StallTimeout = either(limits.StallTimeout, defaultStallTimeout)
	if age := limits.MaxConnectionAge; age > 0 {
		// Give or take a tenth, so that connections of one moment do not all
		// come back in another.
		c.retire = time.Now().Add(age*9/10 + rand.N(age/5+1))
	}
	hc := s.http1.NewConn(nc, http1Limits(limits), c)
	c.setHTTP(hc)
	reason, err := hc.Serve()
	if err != nil {
		s.log.Debug("connection ended", "protocol", message.HTTP1, "peer", c.Facts.Peer, "error", err)
	}
	c.setHTTP(nil)
	s.conns.remove(c)
	c.ties.Close()
	s.observer.Ended(message.HTTP1)
	s.observer.Closed(reason)
}

// handshake completes the connection facts.
func (s *Server) handshake(c *conn, deadline time.Time) (*tls.Conn, error) {
	tc := s.handshaker.server(c)
	_ = c.SetDeadline(deadline)
	if err := tc.HandshakeContext(context.Background()); err != nil {
		result := handshakeResult(c, err)
		s.observer.Handshake(result, "", "")
		s.logHandshake(c, result, err)
		return nil, err
	}
	_ = c.SetDeadline(time.Time{})
	cs := tc.ConnectionState()
	c.Facts.TLS = true
	c.Facts.Version, c.Facts.ALPN, c.Facts.Resumed = cs.Version, cs.NegotiatedProtocol, cs.DidResume
	if len(cs.VerifiedChains) != 0 {
		c.Certificate = ":" + base64.StdEncoding.EncodeToString(cs.PeerCertificates[0].Raw) + ":"
	}
	resumed := "no"
	if cs.DidResume {
		resumed = "yes"
	}
	s.observer.Handshake("ok", versionLabel(cs.Version), resumed)
	// A map may have been published since the client's hello. Publish passes
	// over connections that are not settled, so either it or we look.
	c.settled.Store(true)
	if !stillRight(s.current().Hosts, c) {
		c.drain()
	}
	return tc, nil
}

func versionLabel(v uint16) string {
	switch v {
	case tls.VersionTLS13:
		return "1.3"
	case tls.VersionTLS12:
		return "1.2"
	}
	return "other"
}

// serveHTTP2 serves a connection until it ends.
func (s *Server) serveHTTP2(c *conn, tc *tls.Conn) {
	s.observer.Opened(message.HTTP2)
	limits := s.limitsOf(c.site)
	c.StallTimeout = either(limits.StallTimeout, defaultStallTimeout)
	hc := s.h2.NewConn(tc, h2Limits(limits), c)
	c.setHTTP(hc)
	reason, err := hc.Serve()
	if err != nil {
		s.log.Debug("connection ended", "protocol", message.HTTP2, "peer", c.Facts.Peer, "error", err)
	}
	c.setHTTP(nil)
	s.conns.remove(c)
	c.ties.Close()
	s.observer.Ended(message.HTTP2)
	s.observer.Closed(reason)
}

// origins is the ORIGIN frame of a connection (RFC 8336).
func (s *Server) origins(hc *h2.Conn) ([]string, bool) {
	c, ok := hc.Data().(*conn)
	if !ok {
		return nil, false
	}
	return s.current().Hosts.Origins(&c.Facts, uint16(s.cfg.ExternalHTTPSPort))
}

// serveCleartext serves a connection without TLS.
func (s *Server) serveCleartext(nc net.Conn) {
	c, ok := s.enter(nc)
	if !ok {
		return
	}
	s.serveHTTP1(c, c)
	s.sources.leave(c.Source)
}

// sources counts connections by source address, where they are limited.
type sources struct {
	mu sync.Mutex
	n  map[netip.Addr]int // guarded by mu
}

// enter counts a connection in; false: its source has as many as it may.
func (s *sources) enter(a netip.Addr, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit > 0 && s.n[a] >= limit {
		return false
	}
	if s.n == nil {
		s.n = make(map[netip.Addr]int)
	}
	s.n[a]++
	return true
}

func (s *sources) leave(a netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n[a]--; s.n[a] <= 0 {
		delete(s.n, a)
	}
}

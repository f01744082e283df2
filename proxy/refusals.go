package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/http1"
	"github.com/ingress421/ingress421/proxy/observe"
)

// closedProxyHeader counts connections whose PROXY protocol header is missing,
// wrong, or not theirs to send.
const closedProxyHeader = "proxy_header"

// enter registers an accepted connection, unless it is turned away: for its
// PROXY protocol header, or because its source has as many as it may. Whoever
// was let in leaves by s.sources.leave.
func (s *Server) enter(nc net.Conn) (c *conn, ok bool) {
	c = s.newConn(nc)
	if pc, ok := nc.(*proxyproto.Conn); ok {
		if _, err := pc.Read(nil); err != nil { // newConn has waited for the header
			s.turnAway(c, closedProxyHeader, err)
			return nil, false
		}
	}
	if !s.sources.enter(c.Source, s.limitsOf(nil).MaxConnectionsPerSource) {
		s.turnAway(c, closedSourceLimit, nil)
		return nil, false
	}
	return c, true
}

// turnAway closes a connection that is not served.
func (s *Server) turnAway(c *conn, reason string, err error) {
	s.conns.remove(c)
	_ = c.Close()
	if gone(err) {
		// Balancers probe so. It is no fault, and nobody was turned away.
		s.observer.Closed(http1.ClosedEnded)
		return
	}
	s.observer.Closed(reason)
	s.observer.ConnectionRefused(observe.Refusal{Reason: reason, Err: err, Peer: c.Facts.Peer, Source: c.Source})
}

// logHandshake logs a handshake that has failed.
func (s *Server) logHandshake(c *conn, result string, err error) {
	if gone(err) {
		s.log.Debug("handshake", "sni", c.Facts.ServerName, "peer", c.Facts.Peer, "error", err)
		return
	}
	reason := result
	switch {
	case c.refused != "":
		reason, err = c.refused, nil
	case result == "refused":
		reason, err = refusedUnresolved, nil
	}
	s.observer.HandshakeRefused(observe.Refusal{Reason: reason, Err: err, Peer: c.Facts.Peer, Source: c.Source}, c.asked)
}

// gone tells an error that is the client's leaving.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// Bounds of waiting for clients whose handshake was refused.
const (
	lingerTime   = 2 * time.Second
	lingerOctets = 256 << 10
	maxLingering = 256 // connections
)

// endRefused ends a connection whose handshake has failed by what we have said
// last. Under TLS 1.3 the client may have sent its request already; to close a
// socket with unread data makes a reset, which takes the alert with it (RFC 1122
// section 4.2.2.13). So our side is closed, and the client waited for, within
// what is left of the handshake's time. A flood of such clients is not.
func (s *Server) endRefused(c *conn, err error, until time.Time) {
	var ne net.Error
	if gone(err) || errors.As(err, &ne) && ne.Timeout() {
		return // nobody listens, or nothing was said
	}
	if s.lingering.Add(1) <= maxLingering {
		var garbage tls.RecordHeaderError
		if errors.As(err, &garbage) && garbage.Conn != nil && looksLikeHTTP(garbage.RecordHeader) {
			_ = c.SetWriteDeadline(until)
			_, _ = io.WriteString(c, answerHTTPOnTLS)
		}
		if closeWrite(c.Conn) == nil {
			if soon := time.Now().Add(lingerTime); soon.Before(until) {
				until = soon
			}
			_ = c.SetReadDeadline(until)
			_, _ = io.CopyN(io.Discard, c.Conn, lingerOctets)
		}
	}
	s.lingering.Add(-1)
}

// closeWrite ends our side of a connection.
func closeWrite(nc net.Conn) error {
	if pc, ok := nc.(*proxyproto.Conn); ok {
		nc = pc.Raw()
	}
	if cw, ok := nc.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return errors.ErrUnsupported
}

// answerHTTPOnTLS is for clients that speak HTTP to the TLS port. There is no
// redirect: the request has been on the wire as it was.
const answerHTTPOnTLS = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nServer: ingress421\r\n" +
	"Connection: close\r\n\r\n400: this port speaks https; the request came as http\n"

// looksLikeHTTP tells the first octets of an HTTP/1 request from others.
func looksLikeHTTP(b [5]byte) bool {
	switch string(b[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH", "TRACE", "CONNE":
		return true
	}
	return false
}

// Why a handshake finds no certificate, or fails though it has one.
const (
	refusedNoName     = "no server name, and no default certificate"
	refusedBadName    = "server name is not a host name"
	refusedUnserved   = "server name is not served"
	refusedNoCert     = "no certificate for the server name"
	refusedUnresolved = "client-auth of the site cannot be resolved"
)

// whyRefused says why a site, which may be nil, has no certificate.
func whyRefused(serverName string, site *hostmap.Site) string {
	switch {
	case serverName == "":
		return refusedNoName
	case site == nil:
		return refusedUnserved
	case site.Policy.Unresolved:
		return refusedUnresolved
	}
	return refusedNoCert
}

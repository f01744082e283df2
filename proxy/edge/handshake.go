package edge

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/observe"
)

// handshake completes the connection facts.
func (e *Edge) handshake(c *Conn, deadline time.Time) (*tls.Conn, error) {
	tc := e.handshaker.server(c)
	_ = c.SetDeadline(deadline)
	if err := tc.HandshakeContext(context.Background()); err != nil {
		result := handshakeResult(c, err)
		e.observer.Handshake(result, "", "")
		e.logHandshake(c, result, err)
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
	e.observer.Handshake("ok", observe.VersionName(cs.Version), resumed)
	// A map may have been published since the client's hello. Publish passes
	// over connections that are not settled, so either it or we look.
	c.settled.Store(true)
	if !stillRight(e.hosts(), c) {
		c.drain()
	}
	return tc, nil
}

// logHandshake logs a handshake that has failed.
func (e *Edge) logHandshake(c *Conn, result string, err error) {
	if gone(err) {
		e.log.Debug("handshake", "sni", c.Facts.ServerName, "peer", c.Facts.Peer, "error", err)
		return
	}
	reason := result
	switch {
	case c.refused != "":
		reason, err = c.refused, nil
	case result == "refused":
		reason, err = hostmap.RefusedUnresolved, nil
	}
	e.observer.HandshakeRefused(observe.Refusal{Reason: reason, Err: err, Peer: c.Facts.Peer, Source: c.Source}, c.asked)
}

// handshakeResult is how metrics name a handshake that has failed: refused,
// because of what we have; client_certificate, because of the one that the
// client has not sent, or that the site does not accept; timeout; or error.
func handshakeResult(c *Conn, err error) string {
	var ne net.Error
	var bad *tls.CertificateVerificationError
	switch {
	case c.refused != "":
		return "refused"
	case errors.As(err, &ne) && ne.Timeout():
		return "timeout"
	case errors.As(err, &bad), errors.Is(err, errClientDepth), strings.HasSuffix(err.Error(), noClientCertificate):
		if c.site.Policy.Unresolved {
			return "refused"
		}
		return "client_certificate"
	}
	return "error"
}

// noClientCertificate ends the error of crypto/tls, which has no type.
const noClientCertificate = "client didn't provide a certificate"

package edge

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/proxy/h2"
	"github.com/ingress421/ingress421/proxy/message"
)

var (
	alpnProtocols  = []string{message.HTTP2, message.HTTP1}
	errClientDepth = errors.New("client certificate chain is longer than the site's client-auth-depth")
)

// refuse is the answer to a handshake that is to be refused: a Config without
// a certificate, which crypto/tls turns into the alert unrecognized_name (RFC
// 6066 section 3). An error would become internal_error; and without tickets
// switched off a resumed handshake would need no certificate to complete.
func refuse() *tls.Config { return &tls.Config{SessionTicketsDisabled: true} }

// handshaker answers ClientHellos. It outlives maps, because its base Config
// holds the session ticket keys, which crypto/tls makes and rotates daily.
type handshaker struct {
	base  tls.Config
	hosts func() *hostmap.Map
}

func newHandshaker(hosts func() *hostmap.Map) *handshaker {
	h := &handshaker{hosts: hosts}
	h.base.NextProtos = alpnProtocols
	h.base.MinVersion = tls.VersionTLS12
	h.base.GetConfigForClient = h.config
	return h
}

// server wraps a connection for the server's side of a handshake.
func (h *handshaker) server(c *Conn) *tls.Conn { return tls.Server(h2.NewCork(c), &h.base) }

// config fixes site, TLS policy and certificate for one connection. It runs on
// every handshake, resumed or not.
func (h *handshaker) config(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	cork, ok := hello.Conn.(*h2.Cork)
	if !ok {
		return refuse(), nil
	}
	c, ok := cork.NetConn().(*Conn)
	if !ok {
		return refuse(), nil
	}
	settled := hostmap.Connect(h.hosts(), hello.ServerName)
	c.asked, c.refused = hello.ServerName, settled.Refused
	c.site = settled.Site
	leaf := choose(hello, settled.Certificates)
	c.Facts = settled.Facts(leaf, c.Facts.Peer)
	if settled.Refused != "" {
		return refuse(), nil
	}
	cfg := &tls.Config{
		Certificates: []tls.Certificate{leaf.KeyPair},
		NextProtos:   alpnProtocols,
		MinVersion:   settled.Class.MinVersion,
		Time:         h.base.Time,
		// Responses leave in few writes already; records that begin small
		// would make more of them.
		DynamicRecordSizingDisabled: true,
	}
	if p := settled.Policy(); p.Mode != hostmap.ClientAuthNone {
		cfg.ClientCAs = p.CAs
		cfg.ClientAuth = tls.VerifyClientCertIfGiven
		if p.Mode == hostmap.ClientAuthRequire {
			cfg.ClientAuth = tls.RequireAndVerifyClientCert
		}
		cfg.VerifyConnection = func(cs tls.ConnectionState) error { return verifyDepth(cs, p.Depth) }
	}
	// A ticket carries what the facts of its session were. One that was made
	// for other facts is not taken, and the full handshake that follows
	// settles them anew (RFC 8446 section 4.6.1 leaves this to the server;
	// CVE-2025-23419 is what happens without).
	binding := bind(settled.Site, leaf, c.Facts.Policy)
	cfg.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		ss.Extra = append(ss.Extra, binding)
		return h.base.EncryptTicket(cs, ss)
	}
	cfg.UnwrapSession = func(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		if len(identity) == 0 {
			return nil, nil
		}
		ss, err := h.base.DecryptTicket(identity, cs)
		if err != nil || ss == nil {
			return nil, nil //nolint:nilerr // a ticket we cannot read means a full handshake, not a failed one
		}
		if !slices.ContainsFunc(ss.Extra, func(b []byte) bool { return bytes.Equal(b, binding) }) {
			return nil, nil
		}
		return ss, nil
	}
	return cfg, nil
}

// choose takes the first of some certificates that the client's hello supports,
// nil where there are none. The hello is asked without its server name, because
// SupportsCertificate would also want the leaf to cover it, and a leaf that
// does not is served all the same, as the Ingress names it.
func choose(hello *tls.ClientHelloInfo, certificates []*hostmap.Certificate) *hostmap.Certificate {
	if len(certificates) > 1 {
		ask := *hello
		ask.ServerName = ""
		for _, c := range certificates {
			if ask.SupportsCertificate(&c.KeyPair) == nil {
				return c
			}
		}
	}
	if len(certificates) == 0 {
		return nil
	}
	return certificates[0]
}

// bind is what a session ticket is good for: one site, one leaf, one policy.
func bind(site *hostmap.Site, leaf *hostmap.Certificate, policy hostmap.PolicyID) []byte {
	// The default site's host is "", and so is that of no site.
	host, served := "", byte(0)
	if site != nil {
		host, served = site.Host, 1
	}
	b := make([]byte, 0, len("ingress421")+len(leaf.Fingerprint)+len(policy)+1+len(host))
	b = append(b, "ingress421"...)
	b = append(b, leaf.Fingerprint[:]...)
	b = append(b, policy[:]...)
	b = append(b, served)
	return append(b, host...)
}

// verifyDepth bounds the CA certificates of a verified client chain: the leaf
// does not count, the root does. One chain within the bound is enough.
func verifyDepth(cs tls.ConnectionState, depth int) error {
	if len(cs.PeerCertificates) == 0 {
		return nil
	}
	if slices.ContainsFunc(cs.VerifiedChains, func(chain []*x509.Certificate) bool { return len(chain)-1 <= depth }) {
		return nil
	}
	return fmt.Errorf("%w of %d", errClientDepth, depth)
}

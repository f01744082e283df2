package hostmap

import "net/netip"

// Facts are the connection facts: what the handshake settled and no request
// can change. They are fixed before the first request and then only read.
type Facts struct {
	// TLS tells whether the connection is one.
	TLS bool
	// ServerName is the canonical server name (RFC 6066 section 3), "" where
	// the client sent none.
	ServerName string
	// Leaf is the certificate that this connection was served; on a resumed
	// connection the one that the session began with. It is nil on cleartext.
	Leaf *Certificate
	// Policy is the TLS policy that the handshake was made under.
	Policy PolicyID
	// Version is the TLS version, as in crypto/tls.
	Version uint16
	// ALPN is the protocol negotiated, "" for none.
	ALPN string
	// Resumed tells that the handshake resumed a session.
	Resumed bool
	// Peer is the address of the immediate peer, not the one that a PROXY
	// protocol header names.
	Peer netip.Addr
}

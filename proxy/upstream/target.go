package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"strings"
)

// Protocol is what an endpoint speaks.
type Protocol uint8

const (
	HTTP1 Protocol = iota // HTTP/1.1 in cleartext
	H2C                   // HTTP/2 in cleartext, with prior knowledge
	HTTPS                 // TLS; HTTP/2 or HTTP/1.1, as ALPN settles it
	GRPC                  // as H2C, with "te: trailers"
	GRPCS                 // TLS and HTTP/2 only, with "te: trailers"
)

func (p Protocol) String() string {
	switch p {
	case H2C:
		return "h2c"
	case HTTPS:
		return "https"
	case GRPC:
		return "grpc"
	case GRPCS:
		return "grpcs"
	}
	return "http"
}

// secure says that it is spoken over TLS.
func (p Protocol) secure() bool { return p == HTTPS || p == GRPCS }

// grpc says that requests go with "te: trailers".
func (p Protocol) grpc() bool { return p == GRPC || p == GRPCS }

// Target is where a Pool's connections lead. Two that differ in anything but
// CAs have pools of their own: a connection made for one server name never
// carries requests for another.
type Target struct {
	Addr     netip.AddrPort
	Protocol Protocol
	// ServerName is the SNI for TLS protocols; Request.ServerName overrides it.
	// Empty: none is sent.
	ServerName string
	// CAs verify the backend's certificate, for ServerName. When it is nil the
	// certificate is NOT verified: the connection is secret from onlookers, but
	// whoever answers at Addr is believed.
	CAs *x509.CertPool
	// CAID is the identity of CAs: two Targets with the same CAID have the same
	// CAs. Empty if and only if CAs is nil.
	CAID string
}

// key is a Target as its pool is found by.
type key struct {
	addr       netip.AddrPort
	protocol   Protocol
	serverName string
	caID       string
}

func (t *Target) key() key {
	k := key{addr: t.Addr, protocol: t.Protocol}
	if t.Protocol.secure() {
		k.serverName, k.caID = t.ServerName, t.CAID
	}
	return k
}

// tlsConfig is that of all connections of a Pool, for its own server name.
func (t *Target) tlsConfig() *tls.Config {
	cfg := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		RootCAs:            t.CAs,
		InsecureSkipVerify: t.CAs == nil, //nolint:gosec // as documented at Target.CAs: no CA, no verification
		// One for each Pool: what was verified by other CAs is not resumed.
		ClientSessionCache:          tls.NewLRUClientSessionCache(64),
		DynamicRecordSizingDisabled: true,
	}
	cfg.NextProtos = []string{"h2", "http/1.1"}
	if t.Protocol == GRPCS {
		cfg.NextProtos = cfg.NextProtos[:1]
	}
	t.nameIn(cfg, t.ServerName)
	return cfg
}

// nameIn sets the server name; without one the certificate must be for the
// address.
func (t *Target) nameIn(cfg *tls.Config, name string) {
	if name == "" {
		name = t.Addr.Addr().WithZone("").String()
	}
	cfg.ServerName = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
}
